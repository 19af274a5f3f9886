"""Three doors to a store: a given address, a private mongod, the in-memory twin."""

from dataclasses import dataclass
from pathlib import Path

from app.core.errors import StartError
from app.mongo.engine import Engine
from app.mongo.indexes import INDEXES, check
from app.mongo.private import PrivateMongod, find, running
from app.mongo.server import Server
from app.mongo.twin import Twin


@dataclass(slots=True)
class Store:
    """An open store; `kept` tells whether data outlive the process, `description` where they are."""

    engine: Engine
    kept: bool
    description: str
    mongod: PrivateMongod | None = None

    async def close(self) -> None:
        """Close the engine, then stop what was started for it."""
        await self.engine.close()
        if self.mongod is not None:
            await self.mongod.stop()


async def open_store(  # noqa: PLR0913 - the settings, one by one
    *,
    url: str | None,
    database: str,
    embedded: str,
    data_dir: Path,
    mongod: str | None,
    driver: str,
    share: bool = False,
    prepare: bool = True,
) -> Store:
    """Open the store that the settings name, with its indexes; raises StartError.

    With `share` a private mongod that another process runs is used beside it, and left running; without `prepare` the
    indexes stay as they are.
    """
    if share and url is None and embedded != "memory":
        url = running(data_dir)
    store = await _open(url, database, driver, embedded=embedded, data_dir=data_dir, mongod=mongod)
    try:
        if prepare:
            await _prepare(store.engine)
    except BaseException:
        await store.close()
        raise
    return store


async def _prepare(engine: Engine) -> None:
    await engine.ensure(INDEXES)
    missing = await check(engine)
    if missing:
        raise StartError(" ".join(missing))


async def _open(
    url: str | None, database: str, driver: str, *, embedded: str, data_dir: Path, mongod: str | None
) -> Store:
    if url is not None:
        return Store(await Server.connect(url, database, driver=driver), kept=True, description="the given MongoDB")
    binary = None if embedded == "memory" else find(mongod)
    if binary is None:
        if embedded == "mongod":
            raise StartError("PROFILES_EMBEDDED=mongod, and there is no mongod: name one by PROFILES_MONGOD.")
        return Store(Twin(), kept=False, description="in memory: nothing is kept")
    private = await PrivateMongod.start(binary, data_dir)
    try:
        engine = await Server.connect(private.url, database, driver=driver)
    except BaseException:
        await private.stop()
        raise
    return Store(engine, kept=True, description=f"a private mongod, data in {data_dir}", mongod=private)
