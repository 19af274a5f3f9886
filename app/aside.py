"""`profiles worker`: runs what is queued beside the service, without an edge; told to stop, it gives its work back."""

import asyncio
import os
import sys
from collections.abc import Callable

import structlog

from app.core.errors import StartError
from app.main import Helper
from app.mongo.private import running
from app.serving import EXIT_SECONDS, told, unless
from app.settings import Settings

log = structlog.get_logger(__name__)


async def work(settings: Settings, say: Callable[[str], None]) -> None:
    """Work until a signal; raises StartError where there is no store to share."""
    if settings.mongo_url is None and settings.embedded == "memory":
        raise StartError("All data are in memory, where no other process finds them: name a store.")
    if settings.mongo_url is None and running(settings.data_dir) is None:
        raise StartError("No service runs here. Start it first, or name its store by PROFILES_MONGO_URL.")
    stopping = asyncio.create_task(told().wait())
    helper = await unless(stopping, Helper.open(settings))
    if helper is None:
        return
    try:
        await helper.begin()
        say(f"Works on imports and synchronizations of {helper.store.description} until ctrl-C.")
        await stopping
    finally:
        stopping.cancel()
        await _close(helper)


async def _close(helper: Helper) -> None:
    """Close it; whoever waits for a store that stands still is left behind."""
    closing = asyncio.create_task(helper.close())
    await asyncio.wait({closing}, timeout=EXIT_SECONDS)
    if not closing.done():
        log.warning("left_without_the_store")
        sys.stdout.flush()
        os._exit(0)
    closing.result()
