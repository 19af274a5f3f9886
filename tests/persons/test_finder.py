"""Whether a filter finds one person: one shared read for all who ask, companies only where they matter."""

import asyncio
from typing import Any

from app.core.actor import Actor
from app.mongo.engine import Document, Engine
from tests import make

ACCOUNT = make.ACTOR.account


class Counted:
    """A store that counts what is read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.reads: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def find(self, collection: str, *given: Any, **options: Any) -> list[Document]:
        """Read, and note of what."""
        self.reads.append(collection)
        return await self._engine.find(collection, *given, **options)


async def test_many_filters_share_the_read_of_a_person(engine: Engine) -> None:
    """However many followers ask about one change: the first read leaves at once, all others are the next."""
    counted = Counted(engine)
    house = make.house(counted)
    ann = await house.person("ann@b.example", first_name="Ann", tags=["VIP"])
    counted.reads.clear()
    wanted = [{"firstName": {"eq": "ann"}}, {"firstName": {"eq": "bob"}}, {"tags": {"has": "vip"}}, None] * 25
    found = await asyncio.gather(*(house.persons.met(ACCOUNT, ann.id, one) for one in wanted))
    assert [one is not None for one in found] == [True, False, True, True] * 25
    assert set(counted.reads) == {"persons"}
    assert len(counted.reads) <= 3


async def test_who_is_gone_or_foreign_is_met_by_no_filter(engine: Engine) -> None:
    """Not even by none at all."""
    house = make.house(engine)
    ann = await house.person("ann@b.example")
    assert await house.persons.met("acc_2", ann.id, None) is None
    assert await house.persons.met(ACCOUNT, "per_nobody", None) is None
    await house.persons.delete(Actor(ACCOUNT, "key_1", make.ACTOR.scopes), make.email("ann@b.example"))
    assert await house.persons.met(ACCOUNT, ann.id, None) is None
