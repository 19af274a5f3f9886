"""Programs of visits, logins, merges, undoings, events and deletions, each step at one of two processes.

After each step every identifier has one owner, each event that was taken belongs to exactly one living person or
visitor, or to none after an erasure, and the audit finds nothing. MACHINE_EXAMPLES=500 runs that many programs.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app.claims.audit import Finding
from tests.api import DEFINE
from tests.mongo.real import RealMongo
from tests.system.chances import MORE, chances
from tests.system.pair import Pair, opened

T = TypeVar("T")

PROGRAMS, STEPS = 4, 40
STEP_SECONDS = 30.0
ERRORS = "errors { code path }"
CREATE = f"mutation($input: CreatePersonInput!) {{ createPerson(input: $input) {{ person {{ id }} {ERRORS} }} }}"
DELETE = f"mutation($by: PersonLocator!) {{ deletePerson(by: $by) {{ deletedIds {ERRORS} }} }}"
TRACK = f"""mutation($events: [EventInput!]!) {{
  trackEvents(events: $events) {{ results {{ status event {{ id }} {ERRORS} }} {ERRORS} }} }}"""
MERGE = f"""mutation($input: MergePersonsInput!) {{
  mergePersons(input: $input) {{ person {{ id }} merge {{ id }} deletedPersonIds {ERRORS} }} }}"""
REVERT = f"mutation($id: ID!) {{ revertMerge(id: $id) {{ persons {{ id }} keptFields {ERRORS} }} }}"
VISIT = f"mutation($events: [VisitorEventInput!]!) {{ trackVisitor(events: $events) {{ accepted {ERRORS} }} }}"
IDENTIFY = f"mutation($input: IdentifyVisitorInput!) {{ identifyVisitor(input: $input) {{ accepted {ERRORS} }} }}"
FORGET = f"mutation($id: String!) {{ forgetVisitor(anonymousId: $id) {{ accepted {ERRORS} }} }}"
OPEN = f"mutation($input: InstallationInput!) {{ openInstallation(input: $input) {{ person {{ id }} {ERRORS} }} }}"
LOGIN = f"""mutation($input: PersonalizeInput!) {{
  personalize(input: $input) {{ person {{ id }} deletedPersonIds {ERRORS} }} }}"""
LOGOUT = f"mutation($push: PushLocator!) {{ depersonalize(push: $push) {{ person {{ id }} {ERRORS} }} }}"
EVENTS = 'timeline(first: 50, filter: { types: ["seen"] }) { nodes { id person { id } } }'
VISITORS = ["v1", "v2", "v3"]
SEEN = " ".join(f'{one}: visitor(anonymousId: "{one}") {{ id {EVENTS} }}' for one in VISITORS)
STATE = f"""query($by: [PersonLocator!]!) {{
  persons(first: 24) {{ totalCount nodes {{ id externalId emails {{ address }} phones {{ number }}
    pushRegistrations {{ registrationId primary }} {EVENTS} }} }}
  matchPersons(by: $by) {SEEN} }}"""

EMAILS = [f"{letter}@x.example" for letter in "abcd"]
EXTERNAL_IDS = ["x", "y"]
REGISTRATIONS = ["r1", "r2", "r3"]
PHONE = "4366011111110"


def push(registration: str) -> dict[str, str]:
    """Name an installation."""
    return {"applicationId": "app", "registrationId": registration}


LOCATORS: list[dict[str, Any]] = [
    *({"email": one} for one in EMAILS),
    *({"externalId": one} for one in EXTERNAL_IDS),
    {"phone": PHONE},
    *({"push": push(one)} for one in REGISTRATIONS),
]
PROCESS = st.integers(0, 1)
ANYBODY = st.sampled_from(LOCATORS)
# An identity: mostly one identifier, now and then two that may mean two persons.
IDENTITY = st.lists(st.sampled_from(LOCATORS[: -len(REGISTRATIONS)]), min_size=1, max_size=2, unique_by=repr)


class Machine(RuleBasedStateMachine):
    """One program; it runs on a thread, and what waits runs on the loop of the test."""

    def __init__(self, pair: Pair, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._pair = pair
        self._loop = loop
        self._at = 0
        self._numbers = itertools.count()
        self._merges: list[str] = []
        # Where each event was at the last look; those that were erased since are gone from it.
        self._where: dict[str, str] = {}
        self._taken: set[str] = set()
        self._erased: set[str] = set()
        self._sent: list[dict[str, Any]] = []
        self._visits: dict[str, set[str]] = {one: set() for one in VISITORS}
        self._past: set[str] = set()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(STEP_SECONDS)

    def _ask(self, at: int, query: str, **variables: Any) -> dict[str, Any]:
        self._at = at
        answer: dict[str, Any] = self._run(self._pair.ask(at, query, **variables))
        return answer

    @initialize()
    def begin(self) -> None:
        """Give each program an account of its own, with some persons and installations."""
        self._run(self._pair.cleared())
        self._run(self._pair.account())
        self._ask(0, DEFINE, input={"id": "seen", "title": "Seen"})
        for index, identity in enumerate(LOCATORS[:-3:2]):
            self.create(index % 2, [identity], lead=index % 2 == 0)
        for registration in REGISTRATIONS[:2]:
            self.open(0, registration)

    # ------------------------------------------------------------ persons

    @rule(at=PROCESS, identity=IDENTITY, lead=st.booleans())
    def create(self, at: int, identity: Sequence[dict[str, Any]], lead: bool) -> None:  # noqa: FBT001 - of hypothesis
        """Make a person, where nobody has its identifiers."""
        given: dict[str, Any] = {"type": "LEAD" if lead else "CUSTOMER"}
        for one in identity:
            ((kind, value),) = one.items()
            name, leaf = {"email": ("emails", "address"), "phone": ("phones", "number")}.get(kind, ("", ""))
            if name:
                given.setdefault(name, []).append({leaf: value})
            else:
                given[kind] = value
        self._ask(at, CREATE, input=given)

    @rule(at=PROCESS, by=ANYBODY, sure=st.integers(0, 2))
    def delete(self, at: int, by: dict[str, Any], sure: int) -> None:
        """Delete a person, now and then: its events go, and nobody else's."""
        if sure:
            self.track(at, by, again=False)
            return
        for person in self._ask(at, DELETE, by=by)["deletedIds"]:
            self._erased |= {event for event, owner in self._where.items() if owner == person}

    @rule(at=PROCESS, by=ANYBODY, again=st.booleans())
    def track(self, at: int, by: dict[str, Any], again: bool) -> None:  # noqa: FBT001 - of hypothesis
        """Send an event, or one that was sent before, by the same name or by another one of its person."""
        event = {"person": by, "type": "seen", "eventId": f"e{next(self._numbers)}"}
        if again and self._sent:
            event["eventId"] = self._sent[len(self._sent) // 2]["eventId"]
        (result,) = self._ask(at, TRACK, events=[event])["results"]
        if result["status"] != "REJECTED":
            self._sent.append(event)
            self._taken.add(result["event"]["id"])

    # ------------------------------------------------------------ visits

    @rule(at=PROCESS, visitor=st.sampled_from(VISITORS))
    def visit(self, at: int, visitor: str) -> None:
        """Let a visitor do something."""
        number = f"w{next(self._numbers)}"
        event = {"anonymousId": visitor, "type": "seen", "eventId": number}
        assert self._ask(at, VISIT, events=[event, event])["accepted"]
        self._visits[visitor].add(number)

    @rule(at=PROCESS, visitor=st.sampled_from(VISITORS), identity=IDENTITY)
    def identify(self, at: int, visitor: str, identity: list[dict[str, str]]) -> None:
        """Say who a visitor is."""
        said = {key: value for one in identity for key, value in one.items()}
        assert self._ask(at, IDENTIFY, input={"anonymousId": visitor, **said})["accepted"]

    @rule(at=PROCESS, visitor=st.sampled_from(VISITORS))
    def forget(self, at: int, visitor: str) -> None:
        """Let a visitor go: of what was before, a customer that it may turn out to be gets nothing."""
        self._ask(at, FORGET, id=visitor)
        self._past |= self._visits[visitor]

    # ------------------------------------------------------------ installations

    @rule(at=PROCESS, registration=st.sampled_from(REGISTRATIONS))
    def open(self, at: int, registration: str) -> None:
        """Install an app, or open it again."""
        assert self._ask(at, OPEN, input=push(registration))["errors"] == []

    @rule(
        at=PROCESS,
        registration=st.sampled_from(REGISTRATIONS),
        identity=IDENTITY,
        force=st.booleans(),
        lead=st.booleans(),
    )
    def login(self, at: int, registration: str, identity: list[dict[str, str]], force: bool, lead: bool) -> None:  # noqa: FBT001 - of hypothesis
        """Log in; the table says what becomes of it."""
        said: dict[str, Any] = {}
        for one in identity:
            ((kind, value),) = one.items()
            if kind == "externalId":
                said[kind] = value
            else:
                said.setdefault(f"{kind}s", []).append(value)
        given = {"push": push(registration), "identity": said, "forceDepersonalize": force, "keepAsLead": lead}
        self._ask(at, LOGIN, input=given)

    @rule(at=PROCESS, registration=st.sampled_from(REGISTRATIONS))
    def logout(self, at: int, registration: str) -> None:
        """Log out."""
        self._ask(at, LOGOUT, push=push(registration))

    # ------------------------------------------------------------ merges

    @rule(at=PROCESS, whom=st.lists(ANYBODY, min_size=2, max_size=3, unique_by=repr))
    def merge(self, at: int, whom: list[dict[str, Any]]) -> None:
        """Merge whoever is there."""
        found = self._ask(at, MERGE, input={"persons": whom})
        if found["merge"]:
            self._merges.append(found["merge"]["id"])

    @rule(at=PROCESS, number=st.integers(0, 9))
    def revert(self, at: int, number: int) -> None:
        """Undo one of the last merges; it may have gone with a person."""
        if self._merges:
            self._ask(at, REVERT, id=self._merges[-1 - number % len(self._merges)])

    # ------------------------------------------------------------ after each step

    @invariant()
    def all_is_owned_once(self) -> None:
        """Look at identifiers and events at the other process; the audit finds nothing."""
        if not self._pair.key:
            return
        shown, findings = self._run(self._looked())
        assert "errors" not in shown, shown
        self._identifiers(shown["data"])
        self._events(shown["data"])
        assert findings == []

    async def _looked(self) -> tuple[dict[str, Any], list[Finding]]:
        shown = self._pair.answer(1 - self._at, STATE, {"by": LOCATORS})
        found: tuple[dict[str, Any], list[Finding]] = await asyncio.gather(shown, self._pair.findings())
        return found

    def _identifiers(self, shown: dict[str, Any]) -> None:
        nodes = shown["persons"]["nodes"]
        assert shown["persons"]["totalCount"] == len(nodes)
        held = [(name, one["id"]) for one in nodes for name in identifiers(one)]
        assert [name for name, count in Counter(name for name, _ in held).items() if count > 1] == []
        owners = dict(held)
        wanted = [owners.get(repr(by)) for by in LOCATORS]
        # An external id that lost in a merge finds the survivor, which doesn't show it.
        pairs = zip(LOCATORS, wanted, shown["matchPersons"], strict=True)
        assert [(by, want, got) for by, want, got in pairs if want != got and ("externalId" not in by or want)] == []
        for one in nodes:
            assert sum(each["primary"] for each in one["pushRegistrations"]) <= 1

    def _events(self, shown: dict[str, Any]) -> None:
        found: list[tuple[str, str]] = []
        for one in [*shown["persons"]["nodes"], *(shown[name] for name in VISITORS if shown[name])]:
            found += [(event["id"], one["id"]) for event in one["timeline"]["nodes"]]
        assert [event for event, count in Counter(event for event, _ in found).items() if count > 1] == []
        self._where = dict(found)
        seen = {event.partition(":")[2] for event in self._where}
        assert self._taken - self._erased - self._where.keys() == set()
        gone = {event.partition(":")[2] for event in self._erased}
        assert set().union(*self._visits.values()) - gone - seen - self._past == set()
        assert self._erased & self._where.keys() == set()


def identifiers(person: dict[str, Any]) -> Sequence[str]:
    """Return the names of a person as locators."""
    return [
        repr(one)
        for one in (
            *({"email": each["address"]} for each in person["emails"]),
            *({"phone": each["number"]} for each in person["phones"]),
            *([{"externalId": person["externalId"]}] if person["externalId"] else []),
            *({"push": push(each["registrationId"])} for each in person["pushRegistrations"]),
        )
    ]


@pytest.mark.timeout(0 if MORE else 300)
async def test_one_person_whoever_speaks(mongo: RealMongo, tmp_path: Path) -> None:
    """Whatever is done at either process, nothing is lost, doubled or owned by two."""
    async with opened(mongo, tmp_path) as pair:
        begin: Any = partial(Machine, pair, asyncio.get_running_loop())
        await asyncio.to_thread(run_state_machine_as_test, begin, settings=chances(PROGRAMS, STEPS))
        assert await asyncio.to_thread(pair.check, tmp_path) == "Nothing is wrong.\n"
