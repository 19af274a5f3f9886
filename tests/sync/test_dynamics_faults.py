"""What goes wrong with Dynamics, each fault by its name, and all of them together."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import stamina

from app.sync import wire
from app.sync.crm import Away, CrmChange, CrmError, Denied, Limited, Mark
from app.sync.dynamics import Dynamics
from tests.fakes.dynamics import FakeDynamics
from tests.fakes.faults import NAMES
from tests.sync.dynamics_doors import FIELDS, opened, told

ROUNDS = 15
# Those that cost time, or end a pass.
RARE = ("slow", "half_open", "limit", "expire_token")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody wait long for an answer."""
    monkeypatch.setattr(wire, "READ_SECONDS", 0.4)


@pytest.fixture
def fake() -> FakeDynamics:
    """Give an empty CRM."""
    one = FakeDynamics(seed=7)
    one.slow_seconds = 0.5
    return one


@pytest.fixture
async def crm(fake: FakeDynamics) -> AsyncIterator[Dynamics]:
    """Give the adapter at it."""
    async with opened(fake) as one:
        yield one


@pytest.mark.parametrize("name", ["expire_token", "too_many", "server_error", "slow", "half_open", "garbage"])
async def test_a_passing_fault_is_not_noticed(fake: FakeDynamics, crm: Dynamics, name: str) -> None:
    """Between the pages of a pass, and in a batch."""
    ids = {fake.add("contact", lastname=f"L{place}") for place in range(1500)}
    pages = crm.changed("contact", FIELDS, None)
    found = {one.id for one in (await anext(pages)).records}
    fake.faults.plan(name, 1 if name == "expire_token" else 3)
    found |= {one.id async for page in pages for one in page.records}
    assert found == ids
    fake.faults.plan(name)
    (outcome,) = await crm.write("contact", [CrmChange(None, {"lastname": "A"}, key=str(uuid4()))])
    assert outcome.status == "WRITTEN"
    assert len(fake.records("contact")) == 1501
    assert fake.faults.struck[name] == (2 if name == "expire_token" else 4)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("expire_token", Denied),
        ("too_many", Limited),
        ("limit", Limited),
        ("server_error", Away),
        ("half_open", Away),
        ("garbage", Away),
    ],
)
async def test_a_fault_that_stays_is_told(fake: FakeDynamics, crm: Dynamics, name: str, error: type[CrmError]) -> None:
    """To whoever asks, after some tries."""
    fake.faults[name] = 1
    with stamina.set_testing(True, attempts=3), pytest.raises(error):
        await told(crm)
    assert len(fake.calls) == {"expire_token": 2, "limit": 1}.get(name, 3)


async def test_a_limit_says_for_how_long(fake: FakeDynamics, crm: Dynamics) -> None:
    """An hour is nothing to wait for in a call."""
    fake.faults["limit"] = 1
    with pytest.raises(Limited) as limited:
        await crm.check()
    assert limited.value.seconds == 3600


async def test_a_token_of_changes_that_is_refused_leads_to_all_records(fake: FakeDynamics, crm: Dynamics) -> None:
    """Deletions are then untold; from there on changes are tracked again."""
    kept, lost = fake.add("contact", lastname="A"), fake.add("contact", lastname="B")
    first = await told(crm)
    fake.delete("contact", lost)
    fake.faults.plan("stale_token")
    second = await told(crm, first.mark)
    assert (second.ids, second.deleted, second.untold) == ([kept], [], True)
    assert (await told(crm, second.mark)).untold is False


async def test_a_record_may_come_twice(fake: FakeDynamics, crm: Dynamics) -> None:
    """In one page, which is harmless: it is the same; by its id it is one."""
    key = fake.add("contact", lastname="A")
    fake.faults["duplicate"] = 1
    assert (await told(crm)).ids == [key, key]
    assert [one.id for one in await crm.read("contact", FIELDS, [key])] == [key]


async def test_a_record_may_vanish_before_it_is_read(fake: FakeDynamics, crm: Dynamics) -> None:
    """Then it isn't there; the next pass tells that it is gone."""
    ids = [fake.add("contact", lastname=name) for name in ("A", "B")]
    first = await told(crm)
    fake.faults.plan("vanish")
    assert [one.id for one in await crm.read("contact", FIELDS, ids)] == ids[:1]
    assert [one.id for one in (await told(crm, first.mark)).deleted] == ids[1:]


@pytest.mark.parametrize("tracked", [True, False])
async def test_what_is_saved_between_pages_is_not_lost(fake: FakeDynamics, crm: Dynamics, *, tracked: bool) -> None:
    """It comes in this pass or in the next."""
    if not tracked:
        fake.tracking.clear()
    ids = {fake.add("contact", lastname=f"L{place}") for place in range(3500)}
    fake.faults["page_moves"] = 1
    first = await told(crm)
    fake.faults["page_moves"] = 0
    second = await told(crm, first.mark)
    assert fake.faults.struck["page_moves"] >= 3
    assert {*first.ids, *second.ids} == ids
    assert {one.id: one.etag for one in (*first.records, *second.records)} == {
        one["id"]: f'W/"{one["version"]}"' for one in fake.records("contact")
    }


async def test_a_crm_writes_values_its_own_way(fake: FakeDynamics, crm: Dynamics) -> None:
    """The digits and letters are the same."""
    fake.faults["reformat"] = 1
    key = str(uuid4())
    await crm.write("contact", [CrmChange(None, {"mobilephone": "+4930 1234567", "emailaddress1": "a@b.cd"}, key=key)])
    (record,) = await crm.read("contact", FIELDS, [key])
    assert record.fields == {"mobilephone": "+493-012-345-67", "emailaddress1": "A@B.CD"}


async def test_clocks_that_differ_lose_nothing(fake: FakeDynamics, crm: Dynamics) -> None:
    """Neither a CRM that is hours ahead, nor its machines minutes apart, nor what is committed late on top of it."""
    fake.tracking.clear()
    fake.advance(5 * 3600)
    fake.faults["skew"] = fake.faults["late_commit"] = 1
    ids, found, mark = set(), set[str](), None
    for place in range(20):
        ids.add(fake.add("contact", lastname=f"L{place}"))
        pass_ = await told(crm, mark)
        found.update(pass_.ids)
        mark = pass_.mark
        fake.advance(90)
    assert found == ids


# All together


class Mirror:
    """What is known of the CRM from its passes; a pass that fails goes on from the mark of its last page."""

    def __init__(self, crm: Dynamics) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self._crm = crm
        self._mark: Mark | None = None

    async def passed(self) -> bool:
        """Make a pass; tells whether it came to its end."""
        try:
            async for page in self._crm.changed("contact", FIELDS, self._mark):
                self.known.update({one.id: dict(one.fields) for one in page.records})
                for one in page.deleted:
                    self.known.pop(one.id, None)
                if page.untold:
                    there = {one.id for one in await self._crm.read("contact", (), list(self.known))}
                    self.known = {key: value for key, value in self.known.items() if key in there}
                self._mark = page.mark
        except CrmError:
            return False
        return True


def worked(fake: FakeDynamics) -> None:
    """Have somebody work in the CRM."""
    chance = fake.faults.chance
    for _ in range(chance.randint(1, 8)):
        there = list(fake.web.tables["contact"].rows)
        work = chance.random()
        if work < 0.5 or len(there) < 3:
            fake.add("contact", lastname=f"L{chance.random()}")
        elif work < 0.8:
            fake.edit("contact", chance.choice(there), firstname=f"F{chance.random()}")
        elif work < 0.9:
            fake.delete("contact", chance.choice(there))
        else:
            fake.merge("contact", *chance.sample(there, 2))
    fake.advance(chance.randint(0, 100))


@pytest.mark.parametrize("tracked", [True, False])
async def test_with_all_that_can_go_wrong_the_records_are_those_of_the_crm(
    fake: FakeDynamics, crm: Dynamics, *, tracked: bool
) -> None:
    """Once it is quiet; on the way as much is done as can be done."""
    if not tracked:
        fake.tracking.clear()
    fake.same_stamp_flood("contact", 1100)
    mirror = Mirror(crm)
    for name in NAMES:
        fake.faults[name] = 0.005 if name in RARE else 0.1
    ended = 0
    for _ in range(ROUNDS):
        worked(fake)
        ended += await mirror.passed()
    fake.faults.clear()
    # The first may go on with a pass that began before the last changes.
    assert await mirror.passed()
    assert await mirror.passed()
    alive = [one for one in fake.records("contact") if not one["merged"]]
    assert mirror.known == {
        one["id"]: {name: one[name] for name in FIELDS if one.get(name) is not None} for one in alive
    }
    assert ended > ROUNDS / 4
