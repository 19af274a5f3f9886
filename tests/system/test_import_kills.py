"""kill -9 and standing still in the middle of imports: they go on by themselves, and end as if nothing had happened."""

import asyncio
import itertools
import random
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest

from app.imports.model import ACTIVE
from tests.conftest import said
from tests.mongo.real import RealMongo
from tests.system.importing import STAMPS, Imports, Seen, written
from tests.system.pair import Pair, forgetful

# Longer than any unit takes on a busy machine.
TRANSACTION_SECONDS = 4
# Moments of death of one import: so many of a small one, of a large one no more than one in so many rows.
KILLS_EACH = 5
ROWS_A_KILL = 1_000
# How often an import is taken away as well from one that lives.
TAKEN_AWAY = 0.3


@pytest.fixture
async def pair(mongo: RealMongo, tmp_path: Path) -> AsyncIterator[Pair]:
    """Give two processes on a database of the test's own; what a dead one had begun is let go soon.

    To remove what a million rows left takes minutes, to drop the database no time.
    """
    async with forgetful(mongo, tmp_path, TRANSACTION_SECONDS) as one:
        yield one


async def dies(imports: Imports, import_id: str, at: int, heir: int, home: Path) -> None:
    """Have the process die that works on the import; another one takes it over, or itself as it is again."""
    imports.pair.served[at].process.kill()
    await asyncio.to_thread(imports.pair.served[at].process.wait)
    await imports.pair.revive(at, home)
    await taken_away(imports, import_id, heir)


async def taken_away(imports: Imports, import_id: str, heir: int) -> None:
    """Have the lease be over, whoever holds it, and another one look."""
    await imports.expire(import_id)
    await imports.look(heir)


async def unbroken(pair: Pair, content: str) -> tuple[Seen, float]:
    """Import a text in an account of its own; returns what it brought, and the seconds that it took."""
    imports = await Imports.opened(pair)
    began = monotonic()
    import_id = await imports.begun(0, content)
    await imports.ended(import_id)
    return await imports.seen(import_id), monotonic() - began


def moments(chance: random.Random, rows: int, kills: int) -> list[list[int]]:
    """Return for each of several imports the places at which a process dies under it."""
    most = max(KILLS_EACH, rows // ROWS_A_KILL)
    each = [min(most, kills - start) for start in range(0, kills, most)]
    return [sorted(chance.randrange(rows) for _ in range(number)) for number in each]


@dataclass(slots=True)
class Hand:
    """What kills: `at` is the process that works on the import now, `part` the seconds that a part of it takes."""

    imports: Imports
    at: int
    part: float
    home: Path
    chance: random.Random

    async def broken(self, import_id: str, places: Sequence[int], name: str) -> int:
        """Have processes die at these places of an import, until it is over; returns how often that met it."""
        hits = 0
        for place in places:
            await self.imports.at(import_id, place, name)
            await asyncio.sleep(self.part * self.chance.random())
            heir = self.chance.randrange(2)
            await dies(self.imports, import_id, self.at, heir, self.home)
            hits += (await self.imports.kept(import_id))["state"] in ACTIVE
            self.at = heir
            if self.chance.random() < TAKEN_AWAY:
                await asyncio.sleep(self.part * self.chance.random())
                self.at = 1 - heir
                await taken_away(self.imports, import_id, self.at)
        await self.imports.ended(import_id)
        return hits


@pytest.mark.timeout(7200)
async def test_an_import_survives_each_kill(
    pair: Pair, tmp_path: Path, seed: int, request: pytest.FixtureRequest
) -> None:
    """W kill -9 of a process at random moments T the import goes on and ends as one that was not broken; so an undo."""
    rows, kills = (request.config.getoption(name) for name in ("--import-rows", "--import-kills"))
    chance, content = random.Random(seed), written(rows, seed)
    expected, seconds = await unbroken(pair, content)
    assert expected.counts["processed"] == expected.counts["rows"] == rows
    assert len(expected.rows) == len({*expected.rows})
    part, hits = seconds * 500 / rows, 0
    for places in moments(chance, rows, kills):
        imports = await Imports.opened(pair)
        before = await imports.persons(*STAMPS), await imports.dates(), await imports.claims()
        hand = Hand(imports, chance.randrange(2), part, tmp_path, chance)
        import_id = await imports.begun(hand.at, content)
        hits += await hand.broken(import_id, places, "next")
        assert await imports.seen(import_id) == expected
    assert await pair.findings() == []
    await imports.taken_back(hand.at, import_id)
    places = sorted(chance.randrange(len(expected.rows)) for _ in range(2))
    undone = await hand.broken(import_id, places, "undone")
    one = await imports.shown(0, import_id)
    assert (one["state"], one["reverted"]["kept"]) == ("REVERTED", 0), one
    assert one["reverted"]["deleted"] == expected.counts["created"]
    assert (await imports.persons(*STAMPS), await imports.dates(), await imports.claims()) == before
    assert await pair.findings() == []
    said(
        f"imports: {rows:,} rows, {kills} times kill -9, seed {seed}: {hits} met an import, {undone} of 2 an undo;"
        f" unbroken in {seconds:.1f} s"
    )


async def test_one_process_works_on_an_import(pair: Pair, tmp_path: Path, seed: int) -> None:
    """G an import that nobody works on W two processes begin at once T one of them has it, and ends it."""
    rows = 1_000
    content = written(rows, seed)
    expected, _ = await unbroken(pair, content)
    for _ in range(2):
        imports = await Imports.opened(pair)
        import_id = await imports.begun(0, content)
        await imports.at(import_id, 1)
        pair.served[0].process.kill()
        await asyncio.to_thread(pair.served[0].process.wait)
        await pair.revive(0, tmp_path)
        before = (await imports.kept(import_id))["lease"]
        await imports.expire(import_id)
        await asyncio.gather(*[imports.look(at) for at in range(2)])
        over = await imports.ended(import_id)
        assert over["lease"] <= before + 2
        assert await imports.seen(import_id) == expected


async def test_who_stood_still_writes_nothing_any_more(pair: Pair, tmp_path: Path, seed: int) -> None:
    """G a worker that stood still for longer than its lease W it comes back T the other's work is as it was."""
    content = written(2_000, seed)
    expected, seconds = await unbroken(pair, content)
    chance = random.Random(seed)
    for number in itertools.count():
        imports = await Imports.opened(pair)
        import_id = await imports.begun(0, content)
        await asyncio.sleep(seconds * chance.random() * 0.7)
        pair.served[0].process.send_signal(signal.SIGSTOP)
        if number == 3 or (await imports.kept(import_id))["state"] == "RUNNING":
            break
        pair.served[0].process.send_signal(signal.SIGCONT)
    try:
        await taken_away(imports, import_id, 1)
        over = await imports.ended(import_id)
        assert await imports.seen(import_id) == expected
    finally:
        pair.served[0].process.send_signal(signal.SIGCONT)
    # It answers again: what it had in hand was refused by then.
    assert (await imports.shown(0, import_id))["state"] == over["state"]
    await asyncio.sleep(seconds)
    assert await imports.seen(import_id) == expected
    assert (await imports.kept(import_id))["lease"] == over["lease"]
    assert await pair.findings() == []
