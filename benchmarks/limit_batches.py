"""The floor under batches: the documents that the service keeps, by insert_many, and nothing else.

Persons are one transaction that doesn't ask first who owns what; events are one insert that looks up nobody, so that
the external id of a person stands for the id.
"""

from datetime import UTC, datetime
from typing import Any

from app.core import clock
from benchmarks import crowd
from benchmarks.filling import COLLECTIONS
from benchmarks.limit import Operations, client, db, serve
from benchmarks.people import event

catalog = crowd.catalog()


async def upsert(variables: dict[str, Any]) -> dict[str, Any]:
    """Keep claims, persons and events in one transaction; a taken identifier fails the call."""
    now = clock.now()
    made = [crowd.person(one, now, catalog) for one in variables["persons"]]
    parts = [crowd.documents(one) for one in made]
    async with await client.start_session() as session, session.start_transaction():
        for name in COLLECTIONS:
            await db[name].insert_many([row for part in parts for row in part[name]], ordered=False, session=session)
    rows = [{"index": n, "status": "CREATED", "person": {"id": one.id}, "errors": []} for n, one in enumerate(made)]
    return {"upsertPersons": {"results": rows, "errors": []}}


async def track(variables: dict[str, Any]) -> dict[str, Any]:
    """Keep events."""
    now, items = datetime.now(UTC), variables["events"]
    rows = [event(one["person"]["externalId"], one["type"], one["properties"], now) for one in items]
    await db.events.insert_many(rows, ordered=False)
    return {"trackEvents": {"results": [{"status": "ACCEPTED"}] * len(rows)}}


OPERATIONS: Operations = {"Upsert": upsert, "Track": track}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve one request."""
    await serve(OPERATIONS, scope, receive, send)
