"""The three doors to a store: each opens with its indexes, and a failure leaves nothing open."""

from pathlib import Path
from typing import Any

import pytest

from app.core.errors import StartError
from app.mongo import door, indexes
from app.mongo.door import Store, open_store
from app.mongo.indexes import INDEXES, check
from app.mongo.private import PrivateMongod
from app.mongo.twin import Twin
from tests.mongo.real import RealMongo


async def opened(data_dir: Path, **settings: Any) -> Store:
    """Open a store; what is not said is as the settings have it."""
    given = {"url": None, "database": "profiles", "embedded": "auto", "mongod": None, "driver": "motor", **settings}
    return await open_store(data_dir=data_dir, **given)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[PrivateMongod]:
    """Note each private mongod that is stopped."""
    seen: list[PrivateMongod] = []

    class Noting(PrivateMongod):
        async def stop(self) -> None:
            seen.append(self)
            await super().stop()

    monkeypatch.setattr(door, "PrivateMongod", Noting)
    return seen


class Forgetful(Twin):
    """A twin that makes no index, and tells whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    async def ensure(self, indexes: object) -> None:
        """Make none."""

    async def close(self) -> None:
        """Note it."""
        self.closed = True


async def test_the_twin_opens_with_its_indexes(tmp_path: Path) -> None:
    """`memory` keeps nothing, and starts nothing, even where a mongod is named."""
    store = await opened(tmp_path, embedded="memory", mongod="/nowhere/mongod")
    assert (store.kept, store.description, store.mongod) == (False, "in memory: nothing is kept", None)
    assert await check(store.engine) == []
    await store.close()


async def test_without_a_mongod_the_twin_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` takes what there is."""
    monkeypatch.setattr(door, "find", lambda _explicit: None)
    store = await opened(tmp_path)
    assert (store.engine.kind, store.kept) == ("memory", False)


async def test_who_wants_a_mongod_is_told_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mongod` never falls back to memory."""
    monkeypatch.setattr(door, "find", lambda _explicit: None)
    with pytest.raises(StartError, match=r"^PROFILES_EMBEDDED=mongod, .*PROFILES_MONGOD\.$"):
        await opened(tmp_path, embedded="mongod")


async def test_a_missing_index_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is named, and the store that was opened is closed again."""
    twin = Forgetful()
    monkeypatch.setattr(door, "Twin", lambda: twin)
    with pytest.raises(StartError, match=r"events has no index on subject, at, _id\.") as caught:
        await opened(tmp_path, embedded="memory")
    assert str(caught.value).count("has no index on") == sum(map(len, INDEXES.values()))
    assert twin.closed


async def test_an_address_is_opened_as_it_is_given(tmp_path: Path, mongo: RealMongo) -> None:
    """No data directory is touched, and closing leaves the server running."""
    if mongo.missing:
        pytest.skip(mongo.missing)
    store = await opened(tmp_path / "data", url=await mongo.url(), database="test_door", embedded="mongod")
    assert (store.kept, store.description, store.mongod) == (True, "the given MongoDB", None)
    await store.close()
    again = await opened(tmp_path / "data", url=await mongo.url(), database="test_door")
    await again.engine.drop()  # type: ignore[attr-defined]
    await again.close()
    assert not (tmp_path / "data").exists()


async def test_a_private_mongod_is_shared_and_stopped_by_its_owner(
    tmp_path: Path, mongo: RealMongo, stopped: list[PrivateMongod]
) -> None:
    """A second process uses it beside the first; only the first ends it."""
    if mongo.missing:
        pytest.skip(mongo.missing)
    owner = await opened(tmp_path)
    guest = await opened(tmp_path, share=True)
    assert (guest.description, guest.mongod) == ("the given MongoDB", None)
    await guest.close()
    assert (owner.description, stopped) == (f"a private mongod, data in {tmp_path}", [])
    await owner.close()
    assert stopped == [owner.mongod]


async def test_a_mongod_that_no_engine_opens_on_is_stopped_again(
    tmp_path: Path, mongo: RealMongo, stopped: list[PrivateMongod], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever keeps the engine from opening, no database stays behind."""
    if mongo.missing:
        pytest.skip(mongo.missing)
    monkeypatch.setattr(PrivateMongod, "url", "mongodb://")
    with pytest.raises(StartError, match="PROFILES_MONGO_URL is not understood"):
        await opened(tmp_path)
    assert [one.pid for one in stopped] == [None]


async def test_a_private_mongod_without_its_indexes_is_stopped_again(
    tmp_path: Path, mongo: RealMongo, stopped: list[PrivateMongod], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed after the opening closes both, the engine and the mongod."""
    if mongo.missing:
        pytest.skip(mongo.missing)
    monkeypatch.setattr(indexes, "INDEXES", {"things": [[("name", 1)]]})
    with pytest.raises(StartError, match=r"^things has no index on name\.$"):
        await opened(tmp_path)
    assert [one.pid for one in stopped] == [None]
