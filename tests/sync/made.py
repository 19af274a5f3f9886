"""What the tests of the core are made of: fields of CRMs, slots, profiles, junk; a CRM with answers of any kind."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from app.catalog.model import COMPANY, PERSON, AttributeDefinition, Catalog
from app.companies.model import Company
from app.core import clock
from app.persons.model import EmailContact, Person, PhoneContact
from app.sync.crm import BOOLEAN, DATE, DATE_TIME, DECIMAL, EMAIL, INTEGER, PHONE, PICKLIST, TEXT, URL, CrmField
from app.sync.mapping import BOTH, EntityMap, FieldMap
from app.sync.slots import Slot, of_map
from app.sync.wire import PATIENT, Patience, Token, Wire
from tests.fakes.serving import hang_up, served

SECRET = "t0p-secret"
OWN = "customAttributes."
OPTIONS = {"1": "Banking", "2": " IT & Media ", "10": "1", "x": "2"}
STAMP = datetime(2026, 5, 4, 10)  # noqa: DTZ001 - naive UTC is the house's time
# What no field should hold, and pairs of fields that it may come by.
JUNK: list[Any] = [
    *([], ["a"], {}, {"a": 1}, [[None]], float("nan"), float("inf"), -float("inf"), 10**400, 10**5000, -(10**5000)),
    *("\ud83d", "a\udc00b", b"bytes", object(), {"street": "Main St", "city": "Wien"}),
]
PLACES = [
    *((TEXT, name) for name in ("lastName", "address", "externalId", "timeZone", "gender", f"{OWN}String")),
    *((EMAIL, "email"), (PHONE, "phone"), (URL, "profilePicture"), (DATE, "birthDate"), (PICKLIST, "gender")),
    *((INTEGER, f"{OWN}Integer"), (DECIMAL, f"{OWN}Decimal"), (BOOLEAN, f"{OWN}Boolean"), (DATE, f"{OWN}Date")),
    *((DATE_TIME, f"{OWN}Date_Time"), (INTEGER, f"{OWN}Decimal"), (DECIMAL, "city"), (PICKLIST, "city")),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
TYPES = ("STRING", "INTEGER", "DECIMAL", "BOOLEAN", "DATE", "DATE_TIME", "LIST")


def catalog() -> Catalog:
    """Return a catalog with an attribute of each type, of persons and of companies, named by its type."""
    one = Catalog("acc_1")
    for target in (PERSON, COMPANY):
        for type_ in TYPES:
            one.add(AttributeDefinition(f"{target}_{type_}", target, type_.title(), type_, clock.EPOCH))
    return one


def crm_field(name: str, kind: str = TEXT, **other: Any) -> CrmField:
    """Return a field of a CRM, its type in words of Salesforce unless they are given."""
    return CrmField(name, name.title(), other.pop("type", kind.lower()), kind, **other)


def slot(crm: CrmField, field: str, direction: str = BOTH, target: str = PERSON) -> Slot:
    """Return the slot of a field of ours at work."""
    (one,) = slots([(crm, field, direction)], target)
    return one


def of(kind: str, field: str, target: str = PERSON, **other: Any) -> Slot:
    """Return the slot of a field of the CRM of this kind."""
    return slot(crm_field("f", kind, **other), field, target=target)


def slots(fields: list[tuple[CrmField, str, str]], target: str = PERSON) -> list[Slot]:
    """Return the slots of a mapping."""
    maps = tuple(FieldMap(crm.name, field, direction) for crm, field, direction in fields)
    return of_map(EntityMap("Contact", target, None, maps), [crm for crm, _, _ in fields], catalog())


def person(*, emails: tuple[str, ...] = (), phones: tuple[str, ...] = (), **given: Any) -> Person:
    """Return a person in memory; the last of its emails and phones is the primary one."""
    now = clock.EPOCH
    one = Person("per_1", "acc_1", "LEAD", catalog(), now, now, "API", "API", ["sub_1"], **given)
    one.emails = [EmailContact(each, primary=each == emails[-1]) for each in emails]
    one.phones = [PhoneContact(each, primary=each == phones[-1]) for each in phones]
    return one


def company(**given: Any) -> Company:
    """Return a company in memory."""
    now = clock.EPOCH
    return Company("com_1", "acc_1", catalog(), given.pop("name", "Acme"), ["sub_1"], now, now, "API", "API", **given)


# ------------------------------------------------------------ a CRM

Answer = Response | Callable[[Request], Response] | str


class Line:
    """A CRM that gives one answer behind the other, the last one for ever, and a wire to it."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, str | None]] = []
        self.tokens: list[str] = []
        self.seconds: float | None = None
        self.value = f"{SECRET}-{{}}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""
        request = Request(scope, receive)
        await request.body()
        self.asked.append((request.method, request.url.path, request.headers.get("authorization")))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, str):
            await hang_up(scope, receive)
            return
        await (answer if isinstance(answer, Response) else answer(request))(scope, receive, send)

    async def authorize(self) -> Token:
        """Give another token each time."""
        self.tokens.append(self.value.format(len(self.tokens) + 1))
        until = None if self.seconds is None else time.monotonic() + self.seconds
        return Token(self.tokens[-1], self.base, until)

    @asynccontextmanager
    async def open(self, patience: Patience = PATIENT) -> AsyncIterator[Wire]:
        """Serve it, and give the wire."""
        async with served(self) as self.base:
            self.wire = Wire(self.authorize, loopback=True, patience=patience)
            try:
                yield self.wire
            finally:
                await self.wire.close()


def ok(**headers: str) -> Response:
    """Return a good answer."""
    return JSONResponse({"ok": True}, headers=headers)


def status(code: int, **headers: str) -> Response:
    """Return an answer of this status, without a word."""
    return Response(status_code=code, headers={name.replace("_", "-"): value for name, value in headers.items()})


def raw(content: bytes, kind: str = "application/json", code: int = 200, *, packed: str = "identity") -> Response:
    """Return an answer of these bytes, said to be packed in some way."""
    return Response(content, code, {"content-encoding": packed}, kind)


def halved(pause: float) -> Callable[[Request], Response]:
    """Return an answer that goes on so slowly."""

    async def parts() -> AsyncIterator[bytes]:
        yield b'{"a": "'
        while True:
            await asyncio.sleep(pause)
            yield b"x"

    return lambda _: StreamingResponse(parts(), media_type="application/json")


def bearing(token: str) -> Callable[[Request], Response]:
    """Return an answer that takes nothing but this token."""
    return lambda request: ok() if request.headers["authorization"] == f"Bearer {SECRET}-{token}" else status(401)


def chain(error: BaseException | None) -> list[BaseException]:
    """Return an error with all that it came from."""
    return [] if error is None else [error, *chain(error.__cause__ or error.__context__)]
