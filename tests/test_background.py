"""What runs beside everything else in a process never ends in silence."""

import asyncio

import pytest
from structlog.testing import capture_logs

from app import main
from app.catalog import sweeps
from app.core import clock
from app.core.errors import unavailable
from app.imports.store import JOBS
from app.main import Background, Helper
from app.mongo.engine import Engine, Insert
from app.settings import Settings
from app.sync.store import SYNCS
from tests.api import ATTRIBUTE, Api, Borrowed

SOON_SECONDS = 20
ENDS: list[Exception] = [KeyError("secret"), unavailable(), *[ValueError("secret")] * 7]


class Failing:
    """Work that ends in each of several ways, then as it should."""

    def __init__(self, ends: list[Exception]) -> None:
        self._ends = list(ends)
        self.done = asyncio.Event()

    async def work(self) -> None:
        """Fail, or be done."""
        if self._ends:
            raise self._ends.pop(0)
        self.done.set()


async def test_what_fails_is_told_and_begins_anew() -> None:
    """W it ends with something nobody expected T that is logged without a value, and again, a bounded time later."""
    pauses = list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    failing = Failing(ENDS)
    with capture_logs() as logs:
        Background(pause).start(failing.work)
        async with asyncio.timeout(10):
            await failing.done.wait()
    assert [one["event"] for one in logs] == [
        "unexpected_error",
        "background_work_failed",
        *["unexpected_error"] * 7,
    ]
    assert "secret" not in str(logs)
    assert pauses[:3] == [main.AGAIN_SECONDS * 2**number for number in range(3)]
    assert max(pauses) == pauses[-1] == main.AGAIN_SECONDS_MAX


async def test_what_worked_for_long_begins_anew_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One failure a day is no reason to wait."""
    monkeypatch.setattr(main, "AGAIN_SECONDS_MAX", 0.0)
    pauses = list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    failing = Failing(ENDS)
    Background(pause).start(failing.work)
    async with asyncio.timeout(10):
        await failing.done.wait()
    assert set(pauses) == {main.AGAIN_SECONDS}


async def test_a_sweep_that_can_not_be_done_holds_up_no_other(api: Api) -> None:
    """G one that only a newer version knows W an attribute is deleted T its values are cleared all the same."""
    engine = api.service.store.engine
    await api(ATTRIBUTE, input={"name": "size", "type": "STRING"})
    await api.made(externalId="a", customAttributes={"size": "oilu"})
    await engine.write(sweeps.COLLECTION, [sweeps.later(api.account, "kindOfTomorrow", ["one"])])
    assert await api.codes('mutation { deleteAttribute(name: "size") { errors { code } } }') == []
    async with asyncio.timeout(SOON_SECONDS):
        while "oilu" in str(await engine.find("persons", {})):
            pass


async def test_who_sent_an_import_waits_no_longer_than_it_is_worked_on(api: Api) -> None:
    """W it can't be read T the message is done with, for the next one waits behind it."""
    await api.service.store.engine.write(JOBS, [Insert({"_id": "imp_1", "account": api.account, "due": clock.now()})])
    async with asyncio.timeout(SOON_SECONDS):
        await api.service.worker.asked(api.account, "imp_1")


async def test_a_connection_that_can_not_be_read_is_not_tried_again_at_once(api: Api) -> None:
    """W a synchronization fails before it begins T that is told, and looked at again with the next look."""
    due = {"_id": "crm_1", "account": api.account, "state": "IDLE", "due": clock.now()}
    engine = api.service.store.engine
    await engine.write(SYNCS, [Insert(due)])
    worker = api.service.syncing
    with capture_logs() as logs:
        worker.wake()
        async with asyncio.timeout(SOON_SECONDS):
            while not logs:
                await engine.find(SYNCS, {})
        for _ in range(20):
            await engine.find(SYNCS, {})
    assert [one["event"] for one in logs] == ["unexpected_error"]


async def test_a_worker_beside_the_service_sweeps_as_well(engine: Engine) -> None:
    """What is noted is cleared, be there a service or none."""
    settings = Settings.load({})
    helper = Helper.on(Borrowed(engine, kept=False, description="of a test"), settings)
    await engine.write("persons", [Insert({"_id": "p", "account": "acc_1", "tags": ["t"]})])
    await engine.write(sweeps.COLLECTION, [sweeps.later("acc_1", sweeps.TAG, ["t"])])
    await helper.begin()
    try:
        async with asyncio.timeout(SOON_SECONDS):
            while await engine.find(sweeps.COLLECTION, {}):
                pass
    finally:
        await helper.close()
    assert [one["tags"] for one in await engine.find("persons", {})] == [[]]
