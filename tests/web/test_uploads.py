"""Uploads: what is taken, in which forms, and that nothing stays of what is not."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from app.mongo.engine import Delete
from app.mongo.twin import Twin
from app.web import files, uploads
from app.web.uploads import PIECE_BYTES, UPLOAD_BYTES_MAX
from tests.api import Api, opened

NAMED = {"fileName": "people.csv"}
BOUNDARY = {"Content-Type": "multipart/form-data; boundary=xyz"}
Message = dict[str, Any]


def part(content: bytes, disposition: str = 'form-data; name="file"; filename="people.csv"') -> bytes:
    """Return a part of a form."""
    return b"--xyz\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """Return a whole form."""
    return b"".join(parts) + b"--xyz--\r\n"


async def kept(api: Api) -> list[dict[str, Any]]:
    """Return what is kept of files."""
    return await api.service.store.engine.find("importChunks", {})


async def content(api: Api, upload_id: str) -> bytes:
    """Return a kept file."""
    pieces = [one for one in await kept(api) if one["_id"].startswith(f"{upload_id}:")]
    return b"".join(one["data"] for one in sorted(pieces, key=lambda one: one["_id"]))


async def send(api: Api, body: Any, query: str = "?fileName=people.csv", **more: str) -> tuple[int, Any]:
    """Upload a body; returns the status, and what is answered: the code of an error."""
    headers = {"Authorization": f"Bearer {api.key}", **{name.replace("_", "-"): one for name, one in more.items()}}
    answer = await api.http.post(f"/uploads{query}", content=body, headers=headers)
    told = answer.json()
    return answer.status_code, told["errors"][0]["extensions"]["code"] if "errors" in told else told


class Slow:
    """A client whose messages come when they are given, without httpx between."""

    def __init__(self, api: Api, **headers: str) -> None:
        given = {"authorization": f"Bearer {api.key}", **headers}
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": "/uploads",
            "query_string": b"fileName=a.csv",
            "headers": [(name.encode(), one.encode()) for name, one in given.items()],
        }
        self.app = api.service.app
        self.coming: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Any] = []

    async def run(self, *messages: Message) -> int:
        """Send messages, and return the status."""
        for one in messages:
            self.coming.put_nowait(one)

        async def send(message: Any) -> None:
            self.sent.append(message)

        await self.app(self.scope, self.coming.get, send)
        status: int = self.sent[0]["status"]
        return status

    @property
    def code(self) -> str:
        """Return the code of what was answered."""
        found: str = orjson.loads(self.sent[1]["body"])["errors"][0]["extensions"]["code"]
        return found


def body(data: bytes, *, more: bool = True) -> Message:
    """Return a message with a part of a body."""
    return {"type": "http.request", "body": data, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


@pytest.fixture(scope="module")
async def twin() -> AsyncIterator[Api]:
    """Give one service in memory for what leaves nothing behind."""
    async with opened(Twin()) as one:
        yield one


@pytest.fixture
async def mem(twin: Api) -> AsyncIterator[Api]:
    """Give it empty."""
    yield twin
    await twin.service.store.engine.write("importChunks", [Delete({}, many=True)])
    assert twin.service.app._files.places.taken.total() == 0


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES + 1])
async def test_a_file_is_kept_as_it_came(api: Api, size: int) -> None:
    """In pieces of a megabyte, by a form and by a body; both the same."""
    data = (b"0123456789abcdef\r\n--xyz-no\r\n" * (size // 25 + 1))[:size]
    for given, more in ((data, {}), (form(part(data)), BOUNDARY)):
        status, told = await send(api, given, **more)
        assert (status, told["fileName"], told["size"]) == (201, "people.csv", size)
        assert await content(api, told["uploadId"]) == data
    assert {len(one["data"]) for one in await kept(api) if "data" in one} <= {PIECE_BYTES, size % PIECE_BYTES}


async def test_an_upload_becomes_an_import(api: Api) -> None:
    """Its id is what createImport takes."""
    _, told = await send(api, form(part("first name,email\nŽana,z@b.example\n".encode())), "", **BOUNDARY)
    query = (
        "mutation($i: CreateImportInput!) { createImport(input: $i) { import { fileName state columns { name } } } }"
    )
    made = (await api(query, i={"uploadId": told["uploadId"]}))["import"]
    assert made == {
        "fileName": "people.csv",
        "state": "UPLOADED",
        "columns": [{"name": "first name"}, {"name": "email"}],
    }


NAMES = [
    ('filename="../../etc/passwd"', "passwd"),
    ('filename="C:\\people\\Žene.csv"', "Žene.csv"),
    ('filename="a\\"b.csv"', 'a"b.csv'),
    ('filename=""', "people.csv"),
    ("x=y", "people.csv"),
    (f'filename="{"x" * 300}"', "x" * 255),
]


@pytest.mark.parametrize(("disposition", "name"), NAMES)
async def test_a_name_is_a_label(mem: Api, disposition: str, name: str) -> None:
    """Never a path; the address names it where the form doesn't."""
    given = form(part(b"a", f'form-data; name="file"; {disposition}'))
    assert (await send(mem, given, **BOUNDARY))[1]["fileName"] == name
    assert (await send(mem, b"a", "?fileName=..%2F%C5%BDene.csv"))[1]["fileName"] == "Žene.csv"
    assert (await send(mem, b"a", ""))[1]["fileName"] == "import"


OTHER = part(b"x" * 100, 'form-data; name="other"')
REFUSED = [
    (form(OTHER), 400, "BAD_REQUEST"),
    (form(part(b"a"), part(b"b")), 400, "BAD_REQUEST"),
    (form(part(b"a" * PIECE_BYTES * 2), part(b"b")), 400, "BAD_REQUEST"),
    (part(b"a" * PIECE_BYTES * 2), 400, "BAD_REQUEST"),
    (form(part(b"a"))[:-6], 400, "BAD_REQUEST"),
    (b"", 400, "BAD_REQUEST"),
    (b"first name,email\n", 400, "BAD_REQUEST"),
    (b"--xyz\r\n" + b"X" * 5000 + b": y\r\n\r\na\r\n--xyz--\r\n", 400, "BAD_REQUEST"),
    (b"\r\n" * 600_000 + form(part(b"a")), 413, "PAYLOAD_TOO_LARGE"),
    (form(part(b"a"), part(b"x" * PIECE_BYTES, 'form-data; name="other"')), 413, "PAYLOAD_TOO_LARGE"),
]


@pytest.mark.parametrize(("given", "status", "code"), REFUSED)
async def test_a_form_that_is_none_leaves_nothing(mem: Api, given: bytes, status: int, code: str) -> None:
    """No file, two of them, one that breaks off, endless other things."""
    assert await send(mem, given, **BOUNDARY) == (status, code)
    assert await kept(mem) == []


async def test_oddities_of_forms_are_taken(mem: Api) -> None:
    """Other fields around, other headers of the part, any case, something behind the end."""
    odd = b'--xyz\r\nContent-Type: text/csv\r\ncontent-DISPOSITION: form-data; name="file"\r\n\r\nabc\r\n'
    given = b"\r\n" + OTHER + odd + OTHER + b"--xyz--\r\nand so on\r\n"
    status, told = await send(mem, given, Content_Type='Multipart/Form-Data; charset=utf-8; Boundary="xyz"')
    assert (status, await content(mem, told["uploadId"])) == (201, b"abc")
    for said in ("multipart/form-data", f"multipart/form-data; boundary={'b' * 300}"):
        assert await send(mem, given, Content_Type=said) == (400, "BAD_REQUEST")
    assert await send(mem, b"abc", Content_Encoding="gzip") == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("way", ["body", "form"])
@pytest.mark.parametrize("beyond", [0, 1])
async def test_the_largest_file_is_taken_and_none_larger(
    mem: Api, monkeypatch: pytest.MonkeyPatch, way: str, beyond: int
) -> None:
    """The file alone counts, and it is counted while it comes, whatever the header says."""
    assert UPLOAD_BYTES_MAX == 50 * 2**20
    most = 2 * PIECE_BYTES
    monkeypatch.setattr(uploads, "UPLOAD_BYTES_MAX", most)
    data = b"a" * (most + beyond)
    given, more = (form(part(data)), BOUNDARY) if way == "form" else (data, {})

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(given), 65_000):
            yield given[at : at + 65_000]

    for sent in (given, chunks()):
        status, told = await send(mem, sent, **more)
        assert (status, told) == (413, "PAYLOAD_TOO_LARGE") if beyond else (status, told["size"]) == (201, most)
    assert bool(await kept(mem)) is not bool(beyond)


async def test_a_length_beyond_all_is_refused_before_the_body(mem: Api) -> None:
    """Nothing is read of it."""
    for length in (str(UPLOAD_BYTES_MAX + 1), "9" * 500):
        client = Slow(mem, **{"content-length": length})
        assert (await client.run(), client.code) == (413, "PAYLOAD_TOO_LARGE")


async def test_nothing_stays_of_who_goes_away(mem: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle, by standing still, by taking for ever, by the service's own end."""
    begun = body(b"a" * PIECE_BYTES * 2)
    client = Slow(mem)
    assert (await client.run(begun, GONE), client.code) == (400, "BAD_REQUEST")
    monkeypatch.setattr(uploads, "STALL_SECONDS", 0.05)
    client = Slow(mem)
    assert (await client.run(begun), client.code) == (408, "TIMEOUT")
    monkeypatch.setattr(uploads, "STALL_SECONDS", 30)
    monkeypatch.setattr(uploads, "UPLOAD_SECONDS", 0.05)
    client = Slow(mem)
    assert (await client.run(begun), client.code) == (408, "TIMEOUT")
    monkeypatch.undo()
    client = Slow(mem)
    task = asyncio.create_task(client.run(begun))
    await asyncio.sleep(0.05)
    assert len(await kept(mem)) == 2
    task.cancel()
    assert (await task, client.code) == (503, "UNAVAILABLE")
    assert await kept(mem) == []


async def test_who_has_waited_too_long_for_each_other_waits_outside(mem: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many uploads of an account at once, so many of a process; a place is free again afterwards."""
    account, _, key = await mem.service.services.access.create_account("Other")
    other = Api(mem.service, key, account.id)
    monkeypatch.setattr(files, "UPLOADS_MAX", files.ACCOUNT_UPLOADS_MAX + 1)
    clients = [Slow(mem) for _ in range(files.ACCOUNT_UPLOADS_MAX)]
    tasks = [asyncio.create_task(one.run(body(b"a"))) for one in clients]
    await asyncio.sleep(0.05)
    assert await send(mem, b"a") == (429, "RATE_LIMITED")
    clients.append(Slow(other))
    tasks.append(asyncio.create_task(clients[-1].run(body(b"a"))))
    await asyncio.sleep(0.05)
    assert await send(other, b"a") == (503, "UNAVAILABLE")
    for one in clients:
        one.coming.put_nowait(body(b"b", more=False))
    assert set(await asyncio.gather(*tasks)) == {201}
    assert (await send(mem, b"a"))[0] == 201


ASKED: list[tuple[dict[str, str], int, str]] = [
    ({"Authorization": "Bearer nobody"}, 401, "UNAUTHENTICATED"),
    ({"Authorization": ""}, 401, "UNAUTHENTICATED"),
    ({"Origin": "https://evil.example"}, 403, "FORBIDDEN"),
    ({"Origin": "null"}, 403, "FORBIDDEN"),
    ({"Sec_Fetch_Site": "cross-site"}, 403, "FORBIDDEN"),
]


@pytest.mark.parametrize(("headers", "status", "code"), ASKED)
async def test_who_may_not_is_told_before_the_body_is_read(
    mem: Api, headers: dict[str, str], status: int, code: str
) -> None:
    """Nobody's key, a foreign page."""
    given = {name.replace("_", "-").lower(): one for name, one in headers.items()}
    client = Slow(mem, **given)
    assert (await client.run(), client.code) == (status, code)


async def test_a_key_needs_the_scope(mem: Api) -> None:
    """PEOPLE_MANAGE, or ADMIN."""
    assert (await send(await mem.key_with("PEOPLE_MANAGE"), b"a"))[0] == 201
    for scope in ("PEOPLE_READ", "EVENTS_WRITE", "WEB_SDK", "MOBILE_SDK"):
        client = Slow(await mem.key_with(scope))
        assert (await client.run(), client.code) == (403, "FORBIDDEN")


async def test_a_key_that_is_revoked_meanwhile_uploads_nothing(mem: Api) -> None:
    """It is looked at again in the end."""
    one = await mem.key_with("PEOPLE_MANAGE")
    client = Slow(one)
    task = asyncio.create_task(client.run(body(b"a" * PIECE_BYTES * 2)))
    await asyncio.sleep(0.05)
    keys = await mem("{ apiKeys { id scopes revokedAt } }")
    (mine,) = [key["id"] for key in keys if key["scopes"] == ["PEOPLE_MANAGE"] and not key["revokedAt"]][:1]
    await mem.service.services.access.revoke_key(mem.account, mine)
    client.coming.put_nowait(body(b"", more=False))
    assert (await task, client.code) == (401, "UNAUTHENTICATED")
    assert await kept(mem) == []


async def test_other_methods_and_paths_are_told_so(mem: Api) -> None:
    """By the right status, with the headers of all answers; a preflight is answered."""
    headers = {"Authorization": f"Bearer {mem.key}", "X-Request-ID": "mine", "Origin": "http://profiles.test"}
    answer = await mem.http.get("/uploads", headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["access-control-allow-origin"] == "http://profiles.test"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    preflight = await mem.http.options("/uploads", headers={"Origin": "http://profiles.test"})
    assert (preflight.status_code, preflight.headers["access-control-allow-methods"]) == (204, "POST")
    foreign = await mem.http.options("/uploads", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers
    assert (await mem.http.get("/imports/x", headers=headers)).status_code == 404


async def test_megabytes_cost_units() -> None:
    """A begun one at least, by the header or as they come."""

    async def chunks(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"a" * PIECE_BYTES

    async with opened(Twin(), rate_limit=1) as api:
        rates: Callable[[str], Any] = api.service.edge.rates.standing
        (actor,) = await api.service.services.access.keys(api.account)
        assert (await send(api, b"a" * (2 * PIECE_BYTES + 1)))[0] == 201
        assert rates(actor.id)[1] == 7
        assert (await send(api, chunks(4)))[0] == 201
        assert rates(actor.id)[1] <= 4
        before = len(await kept(api))
        assert await send(api, chunks(9)) == (429, "RATE_LIMITED")
        assert len(await kept(api)) == before


async def test_an_upload_is_noted(mem: Api) -> None:
    """In the log and in the metrics, without the name of the file."""
    with capture_logs() as logs:
        await send(mem, b"a", "?fileName=secret.csv")
    (line,) = [one for one in logs if one["event"] == "request"]
    assert (line["operation"], line["kind"], line["status"], line["account"]) == ("upload", "file", 201, mem.account)
    assert "secret" not in str(logs)
    assert (
        'profiles_operations_total{code="OK",kind="file",operation="upload"}'
        in mem.service.edge.metrics.text().decode()
    )


async def test_memory_stays_small(mem: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is never there as a whole."""

    async def nothing(*_: Any) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(mem.service.services.imports.store, "keep_piece", nothing)
    some = part(b"a" * 65_000)[:-2]

    async def chunks(begin: bytes, end: Sequence[bytes]) -> AsyncIterator[bytes]:
        yield begin
        for _ in range(600):
            yield b"b" * 65_000
        for one in end:
            yield one

    tracemalloc.start()
    try:
        status, told = await send(mem, chunks(some, [b"\r\n--xyz--\r\n"]), **BOUNDARY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (status, told["size"]) == (201, 601 * 65_000)
    assert peak < 8 * PIECE_BYTES
