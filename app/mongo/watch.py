"""Change streams by plain commands: whole batches at once, and a position after each, also where nothing happened."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bson import Int64
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from app.core.errors import unavailable
from app.mongo.drivers import Sessions
from app.mongo.engine import Batch, Change, HistoryLost

AWAIT_MILLISECONDS = 1000
BATCH_DOCUMENTS = 250
AWAY_SECONDS = 30.0
BACKOFF_SECONDS_MAX = 2.0
# Of a change nothing else: the driver takes longer over its times than over all the rest of it.
SHOWN = {"operationType": 1, "ns.coll": 1, "documentKey": 1, "fullDocument": 1}
_CURSOR_NOT_FOUND = 43
_HEX = frozenset("0123456789ABCDEFabcdef")


@asynccontextmanager
async def follow(
    driver: Sessions, database: str, collections: Sequence[str], after: str | None
) -> AsyncIterator[AsyncIterator[Batch]]:
    """Yield the batches behind `after`; what interrupts the stream for less than AWAY_SECONDS is mended inside."""
    batches = _batches(driver, database, collections, after)
    try:
        yield batches
    finally:
        await batches.aclose()  # type: ignore[attr-defined]


async def _batches(
    driver: Sessions, database: str, collections: Sequence[str], after: str | None
) -> AsyncIterator[Batch]:
    if after is not None and not (after and _HEX.issuperset(after)):
        raise HistoryLost
    position, failing, wait = after, None, 0.05
    while True:
        try:
            async with contextlib.aclosing(_stream(driver.client[database], driver, collections, position)) as stream:
                async for batch in stream:
                    position, failing, wait = batch.token, None, 0.05
                    yield batch
        except (ConnectionFailure, OperationFailure) as error:
            _refuse_lost(error, position)
            failing = failing or time.monotonic()
            if time.monotonic() - failing > AWAY_SECONDS:
                raise unavailable() from error
        await asyncio.sleep(wait)
        wait = min(wait * 2, BACKOFF_SECONDS_MAX)


def _refuse_lost(error: ConnectionFailure | OperationFailure, position: str | None) -> None:
    """Raise for what no repetition mends: the server refuses the position, or, without one, the stream itself."""
    if isinstance(error, ConnectionFailure) or error.code == _CURSOR_NOT_FOUND:
        return
    if error.has_error_label("ResumableChangeStreamError"):
        return
    if position is None:
        raise error
    raise HistoryLost from error


async def _stream(database: Any, driver: Sessions, collections: Sequence[str], after: str | None) -> Any:
    stage: dict[str, Any] = {"$changeStream": {"resumeAfter": {"_data": after}} if after else {}}
    kinds = ["insert", "update", "replace", "delete"]
    wanted = {"$match": {"operationType": {"$in": kinds}, "ns.coll": {"$in": list(collections)}}}
    command = {
        "aggregate": 1,
        "pipeline": [stage, wanted, {"$project": SHOWN}],
        "cursor": {"batchSize": BATCH_DOCUMENTS},
    }
    session = await driver.session()
    cursor_id = 0
    try:
        cursor = (await database.command(command, session=session))["cursor"]
        cursor_id = cursor["id"]
        yield _batch(cursor["firstBatch"], cursor)
        more = {"collection": "$cmd.aggregate", "batchSize": BATCH_DOCUMENTS, "maxTimeMS": AWAIT_MILLISECONDS}
        while cursor_id:
            answer = await database.command({"getMore": Int64(cursor_id), **more}, session=session)
            cursor = answer["cursor"]
            cursor_id = cursor["id"]
            yield _batch(cursor["nextBatch"], cursor)
    finally:
        if cursor_id:
            with contextlib.suppress(PyMongoError):  # it ends by itself after a while
                kill = {"killCursors": "$cmd.aggregate", "cursors": [Int64(cursor_id)]}
                await database.command(kill, session=session)
        await session.end_session()


def _batch(documents: Sequence[dict[str, Any]], cursor: dict[str, Any]) -> Batch:
    changes = [
        Change(
            one["_id"]["_data"],
            one["ns"]["coll"],
            one["operationType"],
            one["documentKey"]["_id"],
            one.get("fullDocument"),
        )
        for one in documents
    ]
    token = cursor.get("postBatchResumeToken") or documents[-1]["_id"]
    return Batch(changes, token["_data"])
