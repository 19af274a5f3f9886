"""What channels tell is carried out: first the person, in one unit, then the event, which counts once for ever.

Whatever falls between the two is made good by the repetition that a channel sends anyway.
"""

from asyncio import gather
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from app.changes import erasure
from app.changes.model import Ask
from app.changes.requests import Once, Requests
from app.changes.rows import FAILED, Row, bounded, rows
from app.changes.service import change_of, settled
from app.claims.model import COLLECTION as CLAIMS
from app.claims.model import Locator
from app.core import clock, ids
from app.core.actor import Actor
from app.core.errors import Refusals, Refused
from app.intake import channels, participants
from app.intake.channels import ENDED, PARTICIPANT, STARTED, Contacted, Told
from app.intake.participants import Join, Joining, Participant
from app.mongo.coalesce import Reads
from app.mongo.engine import Engine
from app.persons.erased import Erased
from app.persons.model import Carrier, Line, Person
from app.persons.service import Persons
from app.persons.track import own_lines
from app.persons.wish import Wish
from app.timeline.admit import when
from app.timeline.model import Event
from app.timeline.service import Timeline


class Channels:
    """Journeys, chatbots and the inbox, and what forms share with them."""

    def __init__(self, engine: Engine, persons: Persons, timeline: Timeline) -> None:
        self._persons = persons
        self._timeline = timeline
        self._requests = Requests(engine)
        self._erased = Erased(engine, persons)
        self._claims = Reads(engine, CLAIMS)

    async def record(self, actor: Actor, told: Told) -> Person:
        """Bring whoever has the contact up to date, or make them, and put the event on their timeline, once for ever.

        Raises Refused or Refusals: then nothing was written. PERSON_NOT_FOUND: it is told of somebody deleted.
        """
        told = channels.checked(told)
        when(told.occurred_at, clock.now())
        actor = replace(actor, origin=channels.origin(told.source))
        line, gone = await gather(self._line(actor, told.contact), self.erased(actor.account, told))
        if gone:
            raise _gone()
        # What was told before is not written again: somebody may have changed it since.
        if line is None or (told.learned is not None and told.phase not in await self._there(line, told)):
            await self._contacted(actor, told)
            line = await self._line(actor, told.contact)
        if line is None:
            raise _gone()
        await self.tell(actor, line, told)
        return line.person

    async def _line(self, actor: Actor, contact: Locator) -> Line | None:
        (line,) = await self._persons.lines(actor.account, [contact])
        return line

    async def _contacted(self, actor: Actor, told: Told) -> None:
        reach = [(told.contact, ("contact", told.contact.kind))]

        def ask(_: int, wish: Wish | Refusals) -> Ask[Person]:
            change = change_of(wish, lambda one: Contacted(told.source, reach, one))
            return Ask(actor.account, actor.origin, change, (told.contact,))

        (outcome,) = await self._persons.changes.asked(actor.account, [told], channels.learn, ask)
        settled(outcome)

    async def erased(self, account: str, told: Told) -> bool:
        """Tell whether any phase of what is told belonged to somebody who was deleted."""
        if await self._claims.get(erasure.key_of(account)) is None:
            return False
        marks = [erasure.mark(account, told.contact, told.event_id(phase)) for phase in told.phases]
        return bool(await self._erased.among(account, marks))

    async def tell(self, actor: Actor, line: Line, told: Told) -> None:
        """Put the event of what was told on a line of activity; nothing happens where the person has it already."""
        alone = len(told.phases) == 1 and not _others(line)
        there = {} if alone else await self._there(line, told)
        if told.phase in there:
            return
        # Where nobody says when it was, it was not before its person was made.
        now = clock.now()
        event = Event(
            f"{line.subject}:{told.event_id(told.phase)}",
            actor.account,
            line.subject,
            told.type,
            _in_order(told.phase, min(told.occurred_at or now, now), there),
            now,
            actor.origin,
            line.person.id,
            session_id=told.session_id,
            properties=dict(told.properties),
        )
        await self._recorded([event])

    async def _there(self, line: Line, told: Told) -> dict[int, Event]:
        """Return the events of a thread that a person has, whichever of their contacts they came by; by phase."""
        subjects = [line.subject, *_others(line)]
        wanted = {f"{one}:{told.event_id(phase)}": phase for one in subjects for phase in told.phases}
        found = await self._timeline.get(line.person.account, list(wanted))
        return {wanted[event_id]: event for event_id, event in found.items()}

    async def _recorded(self, events: Sequence[Event]) -> None:
        for one in await self._timeline.record(events):
            if isinstance(one, Exception):
                raise one

    # ------------------------------------------------------------ participants

    async def participants(
        self, actor: Actor, journey_id: str, given: Sequence[Participant], *, once: Once | None = None
    ) -> list[Row[Person]]:
        """Let participants enter a journey, each for itself; returns what became of them, aligned.

        More than ROWS_MAX are refused as a whole with TOO_MANY. Raises UNAVAILABLE.
        """
        bounded(len(given), "participants")
        try:
            channels.identifier(journey_id)
        except Refused as refusal:
            raise refusal.under("journeyId") from refusal
        if once is not None:
            await self._requests.begin(actor.account, once)
        actor = replace(actor, origin=channels.origin(PARTICIPANT))

        def ask(index: int, joining: Joining | Refusals) -> Ask[Person]:
            sought = [] if isinstance(joining, Refusals) else [one for one, _ in joining.places]
            key = once and once.row(index)
            return Ask(actor.account, actor.origin, change_of(joining, Join), (), sought, key)

        found = rows(await self._persons.changes.asked(actor.account, given, participants.check, ask))
        await self._entered(actor, journey_id, [one.identifiers[0] for one in _good(given, found)], once)
        return found

    async def _entered(self, actor: Actor, journey_id: str, whom: Sequence[Locator], once: Once | None) -> None:
        """Tell that participants entered; who was named twice in a call entered once."""
        lines = {line.person.id: line for line in await self._persons.lines(actor.account, whom) if line}
        now = clock.now()
        call = once.id if once else ids.new("evt", now)
        told = Told(PARTICIPANT, Locator("id", ""), (journey_id, call))
        properties = {"journeyId": journey_id}
        await self._recorded(
            [
                Event(
                    f"{line.subject}:{told.event_id(STARTED)}",
                    actor.account,
                    line.subject,
                    told.type,
                    now,
                    now,
                    actor.origin,
                    line.person.id,
                    properties=properties,
                )
                for line in lines.values()
            ]
        )


def _good(given: Sequence[Participant], found: Sequence[Row[Person]]) -> list[Participant]:
    return [one for one, row in zip(given, found, strict=True) if row.status != FAILED]


def _in_order(phase: int, occurred: datetime, there: dict[int, Event]) -> datetime:
    """Return when a phase occurred: a beginning not behind its end, and an end not before its beginning."""
    if phase == STARTED and ENDED in there:
        return min(occurred, there[ENDED].occurred_at)
    if phase == ENDED and STARTED in there:
        return max(occurred, there[STARTED].occurred_at)
    return occurred


def _others(line: Line) -> list[str]:
    """Return the other lines of whoever it is that a contact may have carried events to."""
    return own_lines(Carrier(line.person.id, line.subject, line.person.subjects))


def _gone() -> Refused:
    return Refused("PERSON_NOT_FOUND", "This was told of a person who was deleted.", ("contact",))
