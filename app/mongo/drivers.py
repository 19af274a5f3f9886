"""The two drivers behind one face: Motor, and PyMongo Async as the one that will follow it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from motor.frameworks.asyncio import run_on_executor
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import PyMongoError

from app.core.errors import StartError

T = TypeVar("T")

SELECTION_MILLISECONDS = 3000
POOL_CONNECTIONS = 50


class Sessions(Protocol):
    """A client whose sessions have to be asked for."""

    client: Any

    async def session(self) -> Any:
        """Return a session."""
        ...


class Driver(Sessions, Protocol):
    """A client and what the two drivers do differently."""

    async def begin(self, session: Any) -> None:
        """Begin a transaction on it."""
        ...

    async def commit(self, session: Any) -> None:
        """Commit the transaction."""
        ...

    async def abort(self, session: Any) -> None:
        """Take the transaction back."""
        ...

    async def end(self, session: Any) -> None:
        """Let a session go."""
        ...

    async def listed(self, collection: Any, read: str, filter: Any, session: Any, **options: Any) -> list[Any]:
        """Return all that a cursor of a collection has, by the name of the method that makes it."""
        ...

    async def carried(self, make: "Callable[[Driver], Coroutine[Any, Any, T]]") -> T:
        """Carry out what asks the store several times and waits for nothing else, by this driver or one like it."""
        ...

    async def close(self) -> None:
        """Close the client."""
        ...


class _Awaited:
    """What both drivers' sessions have in common: whatever they do is waited for."""

    async def commit(self, session: Any) -> None:
        """Commit the transaction."""
        await session.commit_transaction()

    async def abort(self, session: Any) -> None:
        """Take the transaction back."""
        await session.abort_transaction()

    async def end(self, session: Any) -> None:
        """Let a session go."""
        await session.end_session()


class Motor(_Awaited):
    """Motor: PyMongo's own client on threads."""

    def __init__(self, url: str, **options: Any) -> None:
        self.client: Any = AsyncIOMotorClient(url, **options)
        self._blocking = Blocking(self.client.delegate)

    async def session(self) -> Any:
        """Return a session."""
        return await self.client.start_session()

    async def begin(self, session: Any) -> None:
        """Begin a transaction."""
        session.start_transaction()

    async def listed(self, collection: Any, read: str, filter: Any, session: Any, **options: Any) -> list[Any]:
        """Read it on one of Motor's threads, without Motor's own cursor: that takes as long as the call."""
        kept, own = _Blocked(collection.delegate), session.delegate if session else None
        job: asyncio.Future[list[Any]] = run_on_executor(  # type: ignore[no-untyped-call]
            asyncio.get_running_loop(), lambda: kept.listed(read, filter, session=own, **options)
        )
        return await job

    async def carried(self, make: Callable[[Driver], Coroutine[Any, Any, T]]) -> T:
        """Carry it out on one of Motor's threads: to go there and come back takes longer than most calls."""
        blocking = self._blocking
        job: asyncio.Future[T] = run_on_executor(  # type: ignore[no-untyped-call]
            asyncio.get_running_loop(), lambda: _driven(make(blocking))
        )
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            # The thread can't be stopped: nothing is let go, and no client closed, before it is over.
            await asyncio.wait({job})
            raise

    async def close(self) -> None:
        """Close the client."""
        # It says goodbye to the store, and waits for the answer.
        await asyncio.to_thread(self.client.close)


class PyMongo(_Awaited):
    """PyMongo's own asynchronous client."""

    def __init__(self, url: str, **options: Any) -> None:
        self.client: Any = AsyncMongoClient(url, **options)

    async def session(self) -> Any:
        """Return a session."""
        return self.client.start_session()

    async def begin(self, session: Any) -> None:
        """Begin a transaction."""
        await session.start_transaction()

    async def listed(self, collection: Any, read: str, filter: Any, session: Any, **options: Any) -> list[Any]:
        """Read it here."""
        found: list[Any] = await getattr(collection, read)(filter, session=session, **options).to_list()
        return found

    async def carried(self, make: Callable[[Driver], Coroutine[Any, Any, T]]) -> T:
        """Carry it out here."""
        return await make(self)

    async def close(self) -> None:
        """Close the client."""
        await self.client.close()


class Blocking:
    """Motor's own client of PyMongo behind the same face: it waits for the store itself, so nothing here suspends.

    It has what a unit of writes needs.
    """

    def __init__(self, client: MongoClient[Any]) -> None:
        self.client: Any = _Blocked(client)
        self._client = client

    async def session(self) -> Any:
        """Return a session."""
        return self._client.start_session()

    async def begin(self, session: Any) -> None:
        """Begin a transaction."""
        session.start_transaction()

    async def commit(self, session: Any) -> None:
        """Commit the transaction."""
        session.commit_transaction()

    async def abort(self, session: Any) -> None:
        """Take the transaction back."""
        session.abort_transaction()

    async def end(self, session: Any) -> None:
        """Let a session go."""
        session.end_session()

    async def listed(self, collection: Any, read: str, filter: Any, session: Any, **options: Any) -> list[Any]:
        """Read it here."""
        found: list[Any] = collection.listed(read, filter, session=session, **options)
        return found

    async def carried(self, make: Callable[[Driver], Coroutine[Any, Any, T]]) -> T:
        """Carry it out here."""
        return await make(self)

    async def close(self) -> None:
        """Leave that to whose client it is."""


class _Blocked:
    """A client, a database or a collection whose reads are lists, and whose writes can be awaited."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getitem__(self, name: str) -> "_Blocked":
        return _Blocked(self._inner[name])

    def listed(self, read: str, filter: Any, **options: Any) -> list[Any]:
        """Return all that a cursor has, by the name of the method that makes it."""
        found: list[Any] = getattr(self._inner, read)(filter, **options).to_list()
        return found

    async def insert_many(self, documents: Sequence[Any], **options: Any) -> Any:
        """Insert."""
        return self._inner.insert_many(documents, **options)

    async def bulk_write(self, requests: Sequence[Any], **options: Any) -> Any:
        """Write in order."""
        return self._inner.bulk_write(requests, **options)


def _driven(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of what never suspends."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError("this waits for something else")


DRIVERS: dict[str, type[Motor] | type[PyMongo]] = {"motor": Motor, "pymongo": PyMongo}


def open_driver(name: str, url: str, **options: Any) -> Driver:
    """Return a client of the named driver: majority writes, primary reads, no compression of the wire."""
    try:
        return DRIVERS[name](
            url,
            w="majority",
            journal=True,
            readPreference="primary",
            serverSelectionTimeoutMS=SELECTION_MILLISECONDS,
            connectTimeoutMS=SELECTION_MILLISECONDS,
            maxPoolSize=POOL_CONNECTIONS,
            tz_aware=False,
            appname="customer-profiles",
            **options,
        )
    except (PyMongoError, ValueError, TypeError) as error:
        # The driver's own words may repeat the address with its password.
        raise StartError(f"PROFILES_MONGO_URL is not understood ({type(error).__name__}).") from None
