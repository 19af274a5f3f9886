"""The two drivers behind one face: Motor, and PyMongo Async as the one that will follow it."""

import asyncio
from typing import Any, Protocol

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from app.core.errors import StartError

SELECTION_MILLISECONDS = 3000
POOL_CONNECTIONS = 50


class Driver(Protocol):
    """A client and what the two drivers do differently."""

    client: Any

    async def session(self) -> Any:
        """Return a session."""
        ...

    async def begin(self, session: Any) -> None:
        """Begin a transaction on it."""
        ...

    async def close(self) -> None:
        """Close the client."""
        ...


class Motor:
    """Motor: PyMongo's own client on threads."""

    def __init__(self, url: str, **options: Any) -> None:
        self.client: Any = AsyncIOMotorClient(url, **options)

    async def session(self) -> Any:
        """Return a session."""
        return await self.client.start_session()

    async def begin(self, session: Any) -> None:
        """Begin a transaction."""
        session.start_transaction()

    async def close(self) -> None:
        """Close the client."""
        # It says goodbye to the store, and waits for the answer.
        await asyncio.to_thread(self.client.close)


class PyMongo:
    """PyMongo's own asynchronous client."""

    def __init__(self, url: str, **options: Any) -> None:
        self.client: Any = AsyncMongoClient(url, **options)

    async def session(self) -> Any:
        """Return a session."""
        return self.client.start_session()

    async def begin(self, session: Any) -> None:
        """Begin a transaction."""
        await session.start_transaction()

    async def close(self) -> None:
        """Close the client."""
        await self.client.close()


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
