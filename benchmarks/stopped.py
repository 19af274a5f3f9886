"""Some stop reading: what the others notice of it, and whether those who stayed behind come back without a gap."""

import asyncio
from collections.abc import Sequence
from functools import partial
from statistics import median
from time import perf_counter

from app.live.seat import SLOW_SECONDS
from benchmarks.audience import Room, Row, followed, gone
from benchmarks.command import say
from benchmarks.crowds import IN_FLIGHT
from benchmarks.listeners import HEARD_SECONDS, Listener, Told, in_turns, opened
from benchmarks.report import Aim
from benchmarks.telling import Teller

STOPPED_SHARE = 10  # one of so many
RATIO_BOUND = 1.2
PACE = 20.0  # changes a second
# Large ones: more than the kernel and the service hold back for a socket that nobody reads.
FILL_EVENTS = 30
TURNED_OUT_SECONDS = SLOW_SECONDS + 10
TRY_LATER = 1013


async def stopped(room: Room) -> None:
    """Let a tenth of the listeners stop reading; the others shall not notice, and they shall come back."""
    told, late = Told(), Told()
    late.sent = told.sent
    number = room.many // STOPPED_SHARE
    reading = await followed(room, told, room.many - number)
    others = await followed(room, late, number, small=True)
    teller = await room.teller(told, IN_FLIGHT)
    ratios = []
    for turn in range(2):
        before = await _paced(room, "all read", len(reading), teller)
        _stop(others)
        await _fill(teller, len(reading))
        since = perf_counter()
        behind = await _paced(room, f"{number} stopped reading", len(reading), teller)
        ratios.append(behind.p99 / before.p99)
        if turn == 0:
            _resume(others)
            await late.counted(len(told.sent) * number, HEARD_SECONDS)
    room.aims.append(
        Aim(f"p99 of {len(reading)} readers while {number} don't read, times as long", median(ratios), RATIO_BOUND)
    )
    await _closed(room, others, late, since)
    await gone(room, told, reading)
    room.wrong += late.wrong


async def _paced(room: Room, what: str, readers: int, teller: Teller) -> Row:
    async def work() -> None:
        count = teller.told.count
        sent = await teller.paced(PACE, room.seconds)
        await teller.told.counted(count + sent * readers, HEARD_SECONDS)

    return await room.measure(what, teller.told, readers, work)


def _stop(listeners: Sequence[Listener]) -> None:
    for one in listeners:
        one.keeps_cursor = True
        one.transport.pause_reading()


def _resume(listeners: Sequence[Listener]) -> None:
    for one in listeners:
        one.transport.resume_reading()


async def _fill(teller: Teller, readers: int) -> None:
    """Write so much that whoever doesn't read is really behind."""
    teller.large = True
    for _ in range(FILL_EVENTS):
        count = teller.told.count
        await teller.tell()
        await teller.told.counted(count + readers, HEARD_SECONDS)
    teller.large = False


async def _closed(room: Room, others: Sequence[Listener], late: Told, since: float) -> None:
    """Let those who stopped read again when their time is over; each shall come back without a gap or a repeat."""
    say(f"  those who stopped are turned out {TURNED_OUT_SECONDS:.0f} s after they did")
    await asyncio.sleep(since + TURNED_OUT_SECONDS - perf_counter())
    _resume(others)
    async with asyncio.timeout(HEARD_SECONDS):
        await asyncio.gather(*(one.closed for one in others))
    codes = [one.code for one in others]
    behind = [len(late.sent) - one.place for one in others]
    say(f"  closed with {sorted(set(codes), key=str)}, {min(behind)} to {max(behind)} events behind")
    late.wrong += [f"closed with {code}" for code in codes if code != TRY_LATER]
    again = await opened(room.server.port, late, [None] * len(others))
    for one, other in zip(again, others, strict=True):
        one.place = other.place
    count = late.count
    await in_turns([partial(new.follow, room.persons[0], old.cursor) for new, old in zip(again, others, strict=True)])
    await late.counted(count + sum(behind), HEARD_SECONDS)
    for one in again:
        one.leave()
    what = f"turned out of {len(others)} that stopped, and back with their cursors"
    room.aims.append(Aim(what, codes.count(TRY_LATER), len(others), floor=True))
