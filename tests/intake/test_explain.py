"""What visitors ask of a real MongoDB, by its profiler: each read rides its index, and a request makes few of them."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from app.claims.model import Locator
from app.core import clock
from app.core.actor import Actor
from app.identity.tokens import Tokens
from app.intake.visit import IDENTIFY, PAGE, Message
from app.intake.visitors import Visitors
from tests.mongo.profiled import Profiled, watched
from tests.mongo.real import RealMongo

ACTOR = Actor("acc_ours", "key", frozenset(), "WEB_SDK")
VISITORS = 300


@pytest.fixture
async def profiled(mongo: RealMongo) -> AsyncIterator[tuple[Profiled, Visitors]]:
    """Give visitors on a server that notes every operation."""
    async with watched(mongo, "test_explain_visitors") as one:
        home, server = one.home, one.server
        visitors = Visitors(server, home.catalog, home.persons, one.companies, Tokens(server, bytes))
        old = clock.now() - timedelta(minutes=5)
        await visitors.take(ACTOR, [Message(PAGE, f"v{index}", f"m{index}", old) for index in range(VISITORS)])
        yield one, visitors


async def test_an_event_costs_two_reads_by_key(profiled: tuple[Profiled, Visitors]) -> None:
    """Its visitor, and whether it was there already; that of somebody new, or without an id, one."""
    one, visitors = profiled
    known = await one.reads(visitors.take(ACTOR, [Message(PAGE, "v1", "again")]))
    finds = [(read.collection, read.plan) for read in known]
    assert finds.count(("visitors", "IDHACK")) + finds.count(("visitors", "IXSCAN { _id: 1 }")) >= 1
    assert all("COLLSCAN" not in plan for _, plan in finds)
    assert all(read.documents <= 1 for read in known)
    new = await one.reads(visitors.take(ACTOR, [Message(PAGE, "new", "m")]))
    assert [read.collection for read in new] == ["visitors"]


async def test_visitors_are_found_by_their_indexes(profiled: tuple[Profiled, Visitors]) -> None:
    """By id, by what is due, by the person that is deleted, by lines of before, and by what is kept of them."""
    one, visitors = profiled
    found = await visitors.find("acc_ours", "v7")
    assert found is not None
    (by_id,) = await one.reads(visitors.get("acc_ours", found.id))
    assert (by_id.indexes, by_id.documents) == ({"{ visitor: 1 }"}, 1)
    (due,) = await one.reads(visitors.sweep.sweep())
    assert (due.indexes, due.documents) == ({"{ due: 1, _id: 1 }"}, 0)
    ana = Locator("email", "ana@b.example")
    await visitors.take(ACTOR, [Message(IDENTIFY, "v7", identity=(ana,))])
    person = await one.home.persons.find("acc_ours", ana)
    assert person is not None
    gone = await one.reads(one.home.persons.delete(ACTOR, ana))
    rides = [read for read in gone if read.collection == "visitors"]
    assert {index for read in rides for index in read.indexes} == {
        "{ account: 1, person: 1 }",
        "{ account: 1, former.line: 1 }",
        "{ account: 1, named: 1 }",
    }
    # Its one visitor, by the write for those whose anonymous id meant others before, and by that for all others.
    assert sum(read.documents for read in rides) == 2
