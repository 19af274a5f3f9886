"""The store that the settings name: for the service, and for commands beside it, which need nothing more of it."""

from app.mongo.door import Store, open_store
from app.settings import Settings


async def open_settings_store(settings: Settings, *, share: bool = False, prepare: bool = True) -> Store:
    """Open the store that the settings name, with `share` beside a process that has it; raises StartError."""
    return await open_store(
        url=settings.mongo_url,
        database=settings.mongo_database,
        embedded=settings.embedded,
        data_dir=settings.data_dir,
        mongod=settings.mongod,
        driver=settings.driver,
        share=share,
        prepare=prepare,
    )
