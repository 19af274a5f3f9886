"""A real MongoDB that fails on demand: units are repeated within bounds, and every failure has its name."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import BulkWriteError, OperationFailure

from app.core import ids
from app.core.errors import Fault, StartError
from app.mongo import server
from app.mongo.engine import Clash, Conflict, Insert, Unit, Update
from app.mongo.private import PrivateMongod
from app.mongo.server import Server
from tests.mongo.real import RealMongo

OVER_TIME = 50
WRITE_CONFLICT = 112
NO_SUCH_TRANSACTION = 251
UNSATISFIABLE = 100


class Failing:
    """A private mongod that fails where it is told to; the address of a MongoDB with one collection that is picky."""

    def __init__(self, url: str, client: "AsyncMongoClient[dict[str, Any]]") -> None:
        self.url = url
        self.client = client

    async def fail(self, *commands: str, mode: Any = "alwaysOn", **how: Any) -> None:
        """Have commands of the service fail from now on."""
        data = {"failCommands": list(commands), "appName": "customer-profiles", **how}
        await self.client.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)

    async def heal(self) -> None:
        """Let everything work again, and end transactions that were left open."""
        await self.client.admin.command("configureFailPoint", "failCommand", mode="off")
        await self.client.admin.command("killAllSessions", [])


@pytest.fixture(scope="session")
async def breakable(mongo: RealMongo, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Failing]:
    """Start a mongod with the commands of MongoDB's own tests."""
    if mongo.binary is None:
        pytest.skip(str(mongo.missing))
    home = tmp_path_factory.mktemp("breakable")
    program = home / "mongod"
    program.write_text(f'#!/bin/sh\nexec "{mongo.binary}" "$@" --setParameter enableTestCommands=1\n')
    program.chmod(0o755)
    mongod = await PrivateMongod.start(program, home / "data")
    async with AsyncMongoClient[dict[str, Any]](mongod.url) as client:
        yield Failing(mongod.url, client)
    await mongod.stop()


@pytest.fixture(scope="session", params=["motor", "pymongo"])
async def lasting(breakable: Failing, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Connect to it by each driver, once: what PyMongo's monitor is just opening would outlive a close."""
    one = await Server.connect(breakable.url, "test_failing", driver=request.param)
    yield one
    await one.close()


@pytest.fixture
async def real(lasting: Server, breakable: Failing) -> AsyncIterator[Server]:
    """Give an engine on an empty database of the breakable mongod, which works again afterwards."""
    yield lasting
    await breakable.heal()
    await lasting.drop()
    await lasting._follower.client.admin.command("ping")


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (server.UNIT_TRIES, server.COMMIT_TRIES, server.BACKOFF_SECONDS) == (6, 3, 0.01)
    monkeypatch.setattr(server, "BACKOFF_SECONDS", 0.0)


class Counted:
    """Work of a unit that counts how often it is run, and what it wrote."""

    def __init__(self, beside: Callable[[int], Awaitable[None]] | None = None) -> None:
        self.runs = 0
        self._beside = beside

    async def __call__(self, unit: Unit) -> int:
        """Read, let somebody else go first, then write."""
        self.runs += 1
        await unit.find("things", {"_id": "a"})
        if self._beside is not None:
            await self._beside(self.runs)
        return await unit.write("things", [Update({"_id": "a"}, {"$inc": {"n": 1}}, upsert=True)])


async def total(real: Server) -> int:
    """Return what the units have counted up to."""
    return sum([one["n"] for one in await real.find("things", {})])


async def test_a_unit_that_meets_another_writer_is_run_again(real: Server) -> None:
    """From its beginning, until nobody was in between; what it wrote is there once."""

    async def twice(run: int) -> None:
        if run < 3:
            await real.write("things", [Update({"_id": "a"}, {"$inc": {"n": 10}}, upsert=True)])

    work = Counted(twice)
    assert await real.unit(work) == 1
    assert (work.runs, await total(real)) == (3, 21)


async def test_a_unit_that_always_meets_another_writer_is_a_conflict(real: Server) -> None:
    """After UNIT_TRIES; nothing of it has happened."""

    async def always(_run: int) -> None:
        await real.write("things", [Update({"_id": "a"}, {"$inc": {"n": 10}}, upsert=True)])

    work = Counted(always)
    with pytest.raises(Conflict):
        await real.unit(work)
    assert (work.runs, await total(real)) == (6, 60)


async def test_a_commit_that_was_not_answered_in_time_is_said_again(real: Server, breakable: Failing) -> None:
    """Nobody knows whether it held; saying it again finds out, and the work is run once."""
    await breakable.fail("commitTransaction", mode={"times": 2}, errorCode=OVER_TIME)
    work = Counted()
    assert await real.unit(work) == 1
    assert (work.runs, await total(real)) == (1, 1)


async def test_a_commit_that_is_never_answered_is_unavailable(real: Server, breakable: Failing) -> None:
    """After COMMIT_TRIES; the caller is told to try again."""
    await breakable.fail("commitTransaction", errorCode=OVER_TIME)
    work = Counted()
    with pytest.raises(Fault) as fault:
        await real.unit(work)
    assert (fault.value.code, work.runs) == ("UNAVAILABLE", 1)


async def test_a_commit_that_finds_nobody_waits_no_longer_than_the_deadline(
    real: Server, breakable: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver has repeated it all that time: it is not begun again."""
    monkeypatch.setattr(real, "_deadline_seconds", 0.0)
    await breakable.fail("commitTransaction", mode={"times": 1}, errorCode=OVER_TIME)
    work = Counted()
    with pytest.raises(Fault) as fault:
        await real.unit(work)
    assert (fault.value.code, work.runs) == ("UNAVAILABLE", 1)


async def test_a_write_that_a_majority_did_not_confirm_is_unavailable(real: Server, breakable: Failing) -> None:
    """One document or many, by insert or by bulk: nobody may think that it is safe."""
    for work in (
        lambda: real.insert("a", [{"_id": ids.new("one")}]),
        lambda: real.insert("a", [{"_id": ids.new("one")}, {"_id": ids.new("two")}]),
        lambda: real.write("a", [Insert({"_id": ids.new("one")})]),
    ):
        await breakable.fail("insert", mode={"times": 1}, writeConcernError={"code": 100, "errmsg": "unsatisfiable"})
        with pytest.raises(Fault) as fault:
            await work()
        assert fault.value.code == "UNAVAILABLE"


async def test_a_primary_that_steps_down_inside_a_unit_is_passing(real: Server, breakable: Failing) -> None:
    """The work is run again, at the next primary."""
    await breakable.fail("update", mode={"times": 1}, errorCode=10107, errorLabels=["TransientTransactionError"])
    work = Counted()
    assert await real.unit(work) == 1
    assert (work.runs, await total(real)) == (2, 1)


async def test_a_connection_that_breaks_at_the_commit_is_mended(real: Server, breakable: Failing) -> None:
    """The driver's own second try is enough."""
    await breakable.fail("commitTransaction", mode={"times": 1}, closeConnection=True)
    work = Counted()
    assert await real.unit(work) == 1
    assert (work.runs, await total(real)) == (1, 1)


async def test_a_transaction_that_the_server_dropped_is_run_again(real: Server, breakable: Failing) -> None:
    """Its commit is refused, so nothing of it happened."""
    await breakable.fail("commitTransaction", mode={"times": 1}, errorCode=NO_SUCH_TRANSACTION)
    work = Counted()
    assert await real.unit(work) == 1
    assert (work.runs, await total(real)) == (2, 1)


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("commitTransaction", {"errorCode": OVER_TIME}),
        ("commitTransaction", {"closeConnection": True}),
        ("commitTransaction", {"errorCode": NO_SUCH_TRANSACTION}),
        ("update", {"errorCode": 10107, "errorLabels": ["TransientTransactionError"]}),
        ("update", {"closeConnection": True}),
    ],
)
async def test_groups_that_meet_what_passes_are_written_once(
    real: Server, breakable: Failing, command: str, how: dict[str, Any]
) -> None:
    """They are a unit like any other, by whatever driver and thread."""
    await breakable.fail(command, mode={"times": 1}, **how)
    await real.write_unit([("things", [Update({"_id": "a"}, {"$inc": {"n": 1}}, upsert=True)])])
    assert await total(real) == 1


async def test_what_is_carried_out_together_reads_what_it_has_written(real: Server) -> None:
    """On a thread as well."""

    async def work(unit: Any) -> Any:
        await unit.write("things", [Insert({"_id": "a", "n": 1})])
        return await unit.find("things", {"n": 1})

    found = await real._driver.carried(lambda one: Server._once(real._through(one), work, float("inf")))
    assert found == [{"_id": "a", "n": 1}]


async def test_groups_that_are_given_up_are_over_behind_that(real: Server, breakable: Failing) -> None:
    """On a thread they happen all the same, and nobody goes on before they have; else they are taken back."""
    await breakable.fail("update", mode={"times": 1}, blockConnection=True, blockTimeMS=300)
    group = ("things", [Update({"_id": "a"}, {"$inc": {"n": 1}}, upsert=True)])
    writing = asyncio.create_task(real.write_unit([group]))
    await asyncio.wait({writing}, timeout=0.1)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await total(real) == (1 if real.kind == "motor" else 0)


async def test_groups_whose_commit_is_never_answered_are_unavailable(real: Server, breakable: Failing) -> None:
    """As units are; also a conflict that never ends is told as what it is."""
    group = ("things", [Update({"_id": "a"}, {"$inc": {"n": 1}}, upsert=True)])
    await breakable.fail("commitTransaction", errorCode=OVER_TIME)
    with pytest.raises(Fault) as fault:
        await real.write_unit([group])
    assert fault.value.code == "UNAVAILABLE"
    await breakable.heal()
    await breakable.fail("update", errorCode=WRITE_CONFLICT, errorLabels=["TransientTransactionError"])
    with pytest.raises(Conflict):
        await real.write_unit([group])


async def test_a_mistake_inside_a_unit_is_raised_as_it_is(real: Server) -> None:
    """No repetition mends it: a filter that the server doesn't understand."""
    runs: list[int] = []

    async def work(unit: Unit) -> None:
        runs.append(1)
        await unit.write("things", [Insert({"_id": "a"})])
        await unit.find("things", {"$nonsense": 1})

    with pytest.raises(OperationFailure, match="nonsense"):
        await real.unit(work)
    assert (runs, await real.find("things", {})) == ([1], [])


async def test_a_unit_that_can_not_even_be_taken_back_is_over(real: Server, breakable: Failing) -> None:
    """The server ends it by itself; the caller hears why it failed, not that the abort did."""
    await breakable.fail("abortTransaction", errorCode=WRITE_CONFLICT)

    async def work(unit: Unit) -> None:
        await unit.write("things", [Insert({"_id": "a"})])
        raise Fault("FORBIDDEN", "Not this.")

    with pytest.raises(Fault, match="Not this"):
        await real.unit(work)
    assert await real.find("things", {}) == []


async def test_writing_nothing_asks_nobody(real: Server, breakable: Failing) -> None:
    """An empty list is no call, not even where every write fails."""
    await breakable.fail("insert", "update", "delete", errorCode=UNSATISFIABLE)
    assert await real.write("things", []) == 0
    assert await real._bulk("things", [], None) == 0


async def test_what_the_database_refuses_is_raised_as_it_is(real: Server, breakable: Failing) -> None:
    """Another refusal than a taken id is nobody's clash: here a collection that wants every document red."""
    await breakable.client.test_failing.create_collection("picky", validator={"colour": "red"})
    with pytest.raises(BulkWriteError):
        await real.write("picky", [Insert({"_id": "a"})])
    with pytest.raises(BulkWriteError):
        await real.insert("picky", [{"_id": "a"}, {"_id": "b", "colour": "red"}])
    assert await real.find("picky", {}) == [{"_id": "b", "colour": "red"}]


async def test_a_taken_id_is_named_in_whichever_call(real: Server) -> None:
    """An update that makes a document clashes like an insert."""
    await real.write("things", [Insert({"_id": "a", "n": 1})])
    with pytest.raises(Clash) as clash:
        await real.write(
            "things", [Insert({"_id": "b"}), Update({"_id": "a", "n": 2}, {"$set": {"n": 3}}, upsert=True)]
        )
    assert clash.value.ids == ("a",)


async def test_inserts_that_the_majority_did_not_take_are_unavailable(real: Server, breakable: Failing) -> None:
    """They may be lost again, so nobody is told that they are there."""
    concern = {"code": UNSATISFIABLE, "errmsg": "not enough members"}
    await breakable.fail("insert", writeConcernError=concern)
    with pytest.raises(Fault) as fault:
        await real.insert("things", [{"_id": "a"}, {"_id": "b"}])
    assert fault.value.code == "UNAVAILABLE"


async def test_a_call_over_its_time_is_unavailable(breakable: Failing) -> None:
    """Every call has a deadline; none hangs."""
    hurried = await Server.connect(breakable.url, "test_failing", deadline_milliseconds=200)
    await breakable.fail("find", "insert", blockConnection=True, blockTimeMS=400)
    for call in (hurried.find("things", {}), hurried.write("things", [Insert({"_id": "a"})])):
        with pytest.raises(Fault) as fault:
            await call
        assert fault.value.code == "UNAVAILABLE"
    await breakable.heal()
    await hurried.close()


async def test_a_write_that_waits_too_long_for_the_majority_is_unavailable(real: Server, breakable: Failing) -> None:
    """Written here, and nobody knows whether for good."""
    waited = {"code": 64, "errmsg": "waiting for replication timed out", "errInfo": {"wtimeout": True}}
    await breakable.fail("insert", "update", writeConcernError=waited)
    for call in (real.write("things", [Insert({"_id": "a"})]), real.insert("things", [{"_id": "b"}])):
        with pytest.raises(Fault) as fault:
            await call
        assert fault.value.code == "UNAVAILABLE"


async def test_a_ping_waits_a_second_and_no_longer(
    real: Server, breakable: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is there but does not answer is away."""
    assert server.PING_SECONDS == 1
    monkeypatch.setattr(server, "PING_SECONDS", 0.05)
    await breakable.fail("ping", mode={"times": 1}, blockConnection=True, blockTimeMS=300)
    with pytest.raises(Fault) as fault:
        await real.ping()
    assert fault.value.code == "UNAVAILABLE"


class Told:
    """A driver whose server answers what it is told."""

    def __init__(self, **answers: Any) -> None:
        self.client: Any = self
        self.admin = self
        self.closed = False
        self._answers = answers

    def __getitem__(self, _name: str) -> "Told":
        return self

    async def command(self, name: str) -> Any:
        """Answer a command."""
        return self._answers[name]

    async def close(self) -> None:
        """Note it."""
        self.closed = True


STRANGERS = [
    ({"hello": {}, "buildInfo": {"versionArray": [7, 0, 1, 0]}}, "standalone server.*--replSet rs0"),
    (
        {"hello": {"setName": "rs0"}, "buildInfo": {"version": "5.0.9", "versionArray": [5, 0, 9, 0]}},
        "5.0.9 is too old",
    ),
]


@pytest.mark.parametrize(("answers", "reason"), STRANGERS)
async def test_a_server_that_will_not_do_is_refused(
    answers: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A standalone one, or one older than 6.0; both clients are closed again."""
    opened = [Told(**answers), Told(**answers)]
    clients = iter(opened)
    monkeypatch.setattr(server, "open_driver", lambda *_, **__: next(clients))
    with pytest.raises(StartError, match=reason):
        await Server.connect("mongodb://told", "x")
    assert [one.closed for one in opened] == [True, True]


async def test_mongos_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A router of a sharded cluster says so instead of naming a set."""
    answers = {"hello": {"msg": "isdbgrid"}, "buildInfo": {"versionArray": [6, 0, 0, 0]}}
    monkeypatch.setattr(server, "open_driver", lambda *_, **__: Told(**answers))
    assert (await Server.connect("mongodb://told", "x")).kind == "motor"


async def test_nobody_there_is_a_start_error() -> None:
    """Named by the setting; an address that is none as well, and never with its password."""
    with pytest.raises(StartError, match=r"does not answer .*PROFILES_MONGO_URL"):
        await Server.connect("mongodb://127.0.0.1:1", "x", deadline_milliseconds=100)
    with pytest.raises(StartError, match="PROFILES_MONGO_URL is not understood") as caught:
        await Server.connect("mongodb://me:secret@", "x")
    assert "secret" not in str(caught.value)
