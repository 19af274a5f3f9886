"""A thousand who hear of the same change, and ten thousand who each hear of their own; and what an idle one costs."""

from functools import partial

from benchmarks.audience import Room, followed, gone
from benchmarks.listeners import HEARD_SECONDS, Told, in_turns, opened
from benchmarks.report import Aim

DELIVERIES_MIN = 60_000
CHANGES_MIN = 1_000
CHANGES_A_REQUEST = 10
SOCKET_KILOBYTES = 30
IN_FLIGHT = 16


async def fan(room: Room) -> None:
    """One change reaches a thousand listeners: one change after the other, then as many as come."""
    told = Told()
    listeners = await followed(room, told, room.many)
    teller = await room.teller(told, IN_FLIGHT)
    await teller.one_by_one(1.0, room.many)
    alone = await room.measure(
        "one change at a time", told, room.many, lambda: teller.one_by_one(room.seconds, room.many)
    )
    await room.measure(
        f"{IN_FLIGHT} changes in flight", told, room.many, lambda: teller.crowded(room.seconds, room.many, IN_FLIGHT)
    )
    await gone(room, told, listeners)
    what = "deliveries a second of the server's core, one change at a time"
    room.aims.append(Aim(what, 1e6 / alone.cpu, DELIVERIES_MIN, floor=True))


def _own(size: int, place: int, number: int) -> bool:
    return number % size == place


async def crowd(room: Room) -> None:
    """As many sockets as persons: idle, then each following its own person while changes come to all of them."""
    told, size = Told(), len(room.persons)
    empty = room.server.rss()
    turns = [partial(_own, size, place) for place in range(size)]
    listeners = await opened(room.server.port, told, turns)
    idle = room.server.rss()
    await in_turns([partial(one.follow, of) for one, of in zip(listeners, room.persons, strict=True)])
    seated = room.server.rss()
    teller = await room.teller(told, IN_FLIGHT, room.persons)

    async def changed() -> None:
        # A little more than what is aimed at, for the first and the last are under way for a while.
        sent = await teller.paced(CHANGES_MIN * 1.02, 2 * room.seconds, CHANGES_A_REQUEST)
        await told.counted(sent, HEARD_SECONDS)

    row = await room.measure(f"changes of {size:,} persons", told, size, changed)
    await gone(room, told, listeners)
    room.aims += [
        Aim(f"changes a second, each to its one follower of {size:,}", row.deliveries, CHANGES_MIN, floor=True),
        Aim(f"memory of an idle socket of {size:,}, KB", (idle - empty) / size / 1e3, SOCKET_KILOBYTES),
        Aim(f"memory of one with a subscription of {size:,}, KB", (seated - empty) / size / 1e3, SOCKET_KILOBYTES),
    ]
