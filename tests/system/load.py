"""Writers that ask until they are told that it is done, and remember what they were told; then looked for in the store.

Each writer goes by the seed: what it asks next, and which of the processes. What is asked again carries the same key.
"""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from tests.api import DEFINE, ERRORS
from tests.system.pair import Pair
from tests.system.process import Served

CREATE = f"""mutation($input: CreatePersonInput!, $key: String) {{
  createPerson(input: $input, idempotencyKey: $key) {{ person {{ id version }} {ERRORS} }} }}"""
UPDATE = f"""mutation($by: PersonLocator!, $input: UpdatePersonInput!, $key: String) {{
  updatePerson(by: $by, input: $input, idempotencyKey: $key) {{ person {{ id version }} {ERRORS} }} }}"""
UPSERT = f"""mutation($rows: [CreatePersonInput!]!, $atomic: Boolean!, $key: String) {{
  upsertPersons(persons: $rows, atomic: $atomic, idempotencyKey: $key) {{
    results {{ status person {{ id }} {ERRORS} }} {ERRORS} }} }}"""
TRACK = f"""mutation($events: [EventInput!]!) {{
  trackEvents(events: $events) {{ results {{ status {ERRORS} }} {ERRORS} }} }}"""
WRITERS = 8
ROWS = 20
EVENTS = 10
# What a caller may be told while the store is away; whatever else there is, is a mistake.
TYPED = ("UNAVAILABLE", "TIMEOUT")

Ask = Callable[[Served], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: when it was asked, how long it took, and the code of its error, None where it is done."""

    began: float
    seconds: float
    code: str | None


@dataclass(slots=True)
class Book:
    """What was acknowledged: persons with the version and name that they have by now, events, messages."""

    persons: dict[str, tuple[int, str]] = field(default_factory=dict)
    rows: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)
    messages: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        changes = sum(version for version, _ in self.persons.values())
        return changes + len(self.rows) + len(self.events) + len(self.messages)


class Load:
    """Writers on the processes of a pair. `mortal` are those that may leave a request without an answer."""

    def __init__(self, pair: Pair, seed: int, writers: int = WRITERS) -> None:
        self._pair = pair
        self._seed = seed
        self._writers = writers
        self._stopping = False
        self.book = Book()
        self.told: list[Told] = []
        self.unanswered = 0
        self.mortal: set[Served] = set()
        self._news = asyncio.Event()
        self._going = asyncio.Event()
        self._going.set()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin."""
        defined = await self._pair.ask(0, DEFINE, input={"id": "paid", "title": "Paid"})
        assert defined["errors"] == []
        self._tasks = [asyncio.create_task(self._write(number)) for number in range(self._writers)]
        return self

    async def __aexit__(self, failed: object, *_: object) -> None:
        """Let each writer end what it has begun, or drop it where something went wrong already."""
        self._stopping = True
        self._going.set()
        for task in self._tasks if failed else ():
            task.cancel()
        done = await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in done if not failed else ():
            if isinstance(one, BaseException):
                raise one

    def kill(self, at: int) -> None:
        """Kill a process by SIGKILL."""
        self.mortal.add(self._pair.served[at])
        self._pair.served[at].process.kill()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have nothing new begun meanwhile; what was begun is asked until it is done."""
        self._going.clear()
        try:
            yield
        finally:
            self._going.set()

    async def goes_on(self, seconds: float, answers: int = 1) -> float:
        """Wait until so many more requests, begun from now on, were done; returns the seconds until the last."""
        began, seen, found = time.monotonic(), len(self.told), 0
        async with asyncio.timeout(seconds):
            while found < answers:
                self._news.clear()
                await self._news.wait()
                self._raise()
                new, seen = self.told[seen:], len(self.told)
                found += sum(one.code is None and one.began >= began for one in new)
        return time.monotonic() - began

    def longest_pause(self, since: float) -> float:
        """Return the longest time from a moment on in which nothing was done."""
        done = [one.began + one.seconds for one in self.told if one.code is None]
        moments = sorted({since, time.monotonic(), *(one for one in done if one > since)})
        return max(after - before for before, after in itertools.pairwise(moments))

    def _raise(self) -> None:
        """Raise what ended a writer."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def codes(self) -> Counter[str]:
        """Count the errors that were told."""
        return Counter(one.code for one in self.told if one.code)

    # ------------------------------------------------------------ one writer

    async def _write(self, number: int) -> None:
        chance = random.Random(f"{self._seed}-{number}")
        writer = Writer(self, f"w{number}", chance)
        try:
            await writer.create()
            while not self._stopping:
                await chance.choice(writer.works)()
                await self._going.wait()
        finally:
            self._news.set()

    async def done(self, chance: random.Random, ask: Ask) -> Any:
        """Ask one process after the other until it is done; returns the answer."""
        while True:
            served, began = chance.choice(self._pair.served), time.monotonic()
            try:
                response = await ask(served)
            except httpx.TransportError:
                if served not in self.mortal:
                    raise
                self.unanswered += 1
                continue
            answer = response.json()
            code = code_of(answer)
            assert code is None or code in TYPED, response.text
            self.told.append(Told(began, time.monotonic() - began, code))
            self._news.set()
            if code is None:
                return answer

    async def asked(self, chance: random.Random, query: str, **variables: Any) -> Any:
        """Return the payload of a mutation."""
        sent = {"query": query, "variables": variables}
        answer = await self.done(chance, lambda served: self._post(served, "/graphql", sent))
        (payload,) = answer["data"].values()
        assert payload["errors"] == [], payload
        return payload

    async def sent(self, chance: random.Random, messages: Sequence[dict[str, Any]]) -> Any:
        """Return the answer to messages of a browser."""
        return await self.done(chance, lambda served: self._post(served, "/v1/batch", {"batch": messages}))

    async def _post(self, served: Served, path: str, sent: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._pair.key}"}
        return await self._pair.http.post(f"{served.url}{path}", json=sent, headers=headers)


class Writer:
    """One of them, with persons of its own, so that it knows each version."""

    def __init__(self, load: Load, name: str, chance: random.Random) -> None:
        self._load = load
        self._name = name
        self._chance = chance
        self._number = 0
        self._mine: list[str] = []
        self.works = (self.create, self.update, self.update, self.upsert, self.track, self.send)

    def _new(self) -> str:
        self._number += 1
        return f"{self._name}-{self._number}"

    async def create(self) -> None:
        """Make a person, once."""
        name = self._new()
        given = {"externalId": name, "firstName": name, "emails": [{"address": f"{name}@x.example"}]}
        payload = await self._load.asked(self._chance, CREATE, input=given, key=name)
        assert payload["person"]["version"] == 1
        self._load.book.persons[name] = 1, name
        self._mine.append(name)

    async def update(self) -> None:
        """Change a person, once: the next version has the name, and no version lies between."""
        name, key = self._chance.choice(self._mine), self._new()
        given: dict[str, Any] = {"firstName": key}
        payload = await self._load.asked(self._chance, UPDATE, by={"externalId": name}, input=given, key=key)
        version = self._load.book.persons[name][0] + 1
        assert payload["person"]["version"] == version, (payload, version)
        self._load.book.persons[name] = version, key

    async def upsert(self) -> None:
        """Make persons by the list, as one unit or each for itself."""
        names = [self._new() for _ in range(ROWS)]
        rows = [{"externalId": one, "emails": [{"address": f"{one}@x.example"}], "tags": ["kept"]} for one in names]
        atomic = self._chance.random() < 0.5
        payload = await self._load.asked(self._chance, UPSERT, rows=rows, atomic=atomic, key=names[0])
        assert {one["status"] for one in payload["results"]} == {"CREATED"}, payload
        self._load.book.rows.update(names)

    async def track(self) -> None:
        """Tell what happened to a person, by the id of each event."""
        names, person = [self._new() for _ in range(EVENTS)], {"externalId": self._chance.choice(self._mine)}
        events = [{"person": person, "type": "paid", "eventId": one} for one in names]
        payload = await self._load.asked(self._chance, TRACK, events=events)
        assert {one["status"] for one in payload["results"]} <= {"ACCEPTED", "DUPLICATE"}, payload
        self._load.book.events.update(names)

    async def send(self) -> None:
        """Send messages of a browser, by the id of each."""
        names, who = [self._new() for _ in range(EVENTS)], f"{self._name}-{self._chance.randrange(5)}"
        messages = [{"type": "track", "event": "Paid", "anonymousId": who, "messageId": one} for one in names]
        assert await self._load.sent(self._chance, messages) == {"success": True}
        self._load.book.messages.update(names)


def code_of(answer: dict[str, Any]) -> str | None:
    """Return the code of an answer that is an error, of GraphQL or of the wire."""
    if not answer.get("success", True):
        return str(answer["code"])
    return str(answer["errors"][0]["extensions"]["code"]) if "errors" in answer else None


async def unfinished(pair: Pair) -> list[str]:
    """Return what is there in halves at this moment: what the audit finds, and persons without their first event."""
    persons = {one["_id"] for one in await pair.engine.find("persons", {}, projection={"_id": 1})}
    told = await pair.engine.find("events", {"type": "personCreated"}, projection={"person": 1})
    found = [f"{one} was never told" for one in persons.difference(one["person"] for one in told)]
    return found + [f"{one.problem} {one.subject} {one.detail}" for one in await pair.findings()]


async def lost(pair: Pair, book: Book) -> list[str]:
    """Return what is not as it was acknowledged, or is there more than once, when everything has ended."""
    persons = await pair.engine.find("persons", {})
    kept = Counter(one["externalId"] for one in persons)
    found = [f"{one}: {kept[one]} persons" for one in {*book.persons, *book.rows, *kept} if kept[one] != 1]
    found += [f"{one}: nobody asked" for one in kept if one not in book.persons and one not in book.rows]
    for one in persons:
        wanted, now = book.persons.get(one["externalId"]), (one["version"], one.get("firstName"))
        if wanted is not None and wanted != now:
            found.append(f"{one['externalId']}: {now} instead of {wanted}")
    events = await pair.engine.find("events", {"type": {"$in": ["paid", "personCreated"]}})
    ids = Counter(one["_id"].rpartition(":")[2] for one in events if one["type"] == "paid")
    wanted_ids = book.events | book.messages
    found += [f"event {one}: {ids[one]} times" for one in {*wanted_ids, *ids} if ids[one] != (one in wanted_ids)]
    created = Counter(one["person"] for one in events if one["type"] == "personCreated")
    return found + [f"{one['_id']}: created {created[one['_id']]} times" for one in persons if created[one["_id"]] != 1]
