"""The demo: fills an account through the public API, as any client would, then keeps some activity going."""

import asyncio
import random
import signal
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

import httpx

from app import demodata
from app.bar import Bar
from app.core import clock
from app.core.errors import Unable

WAIT_SECONDS_MAX = 60.0
TRIES = 20
TOGETHER = 8
EVENTS_PER_CALL = 100
SEED = 20260101
# Of all that happens, added up: events, then updates, then orders; the rest are new leads.
EVENTS_SHARE, UPDATES_SHARE, ORDERS_SHARE = 0.75, 0.88, 0.95
KNOWN = ("DUPLICATE_NAME", "DUPLICATE_DOMAIN", "DUPLICATE_EMAIL", "DUPLICATE_PHONE", "DUPLICATE_EXTERNAL_ID")
# How often what was just finishing is told again to stop, and how long it has each time.
CANCELS = 5
CANCEL_SECONDS = 2.0
PASSING = ("UNAVAILABLE", "RATE_LIMITED", "TIMEOUT")

ERRORS = "errors { code message path existingId }"
DEFINE_ATTRIBUTE = f"mutation($input: DefineAttributeInput!) {{ done: defineAttribute(input: $input) {{ {ERRORS} }} }}"
DEFINE_EVENT = f"mutation($input: DefineEventInput!) {{ done: defineEvent(input: $input) {{ {ERRORS} }} }}"
CREATE_COMPANY = f"mutation($input: CreateCompanyInput!) {{ done: createCompany(input: $input) {{ {ERRORS} }} }}"
CREATE_PERSON = f"mutation($input: CreatePersonInput!) {{ done: createPerson(input: $input) {{ {ERRORS} }} }}"
LINK = f"""mutation($name: String!, $persons: [PersonLocator!]!, $role: String) {{
  done: linkPersons(company: {{name: $name}}, persons: $persons, role: $role) {{ {ERRORS} }}
}}"""
TRACK = f"""mutation($events: [EventInput!]!) {{
  done: trackEvents(events: $events) {{ {ERRORS} results {{ status errors {{ code message }} }} }}
}}"""
UPDATE = f"""mutation($by: PersonLocator!, $input: UpdatePersonInput!) {{
  done: updatePerson(by: $by, input: $input) {{ {ERRORS} }}
}}"""
APPEND = f"""mutation($by: PersonLocator!, $items: [JSON!]!) {{
  done: appendListItems(by: $by, attribute: "orders", items: $items) {{ {ERRORS} }}
}}"""

OnProgress = Callable[[int, int], None]


class DemoError(Unable):
    """The demo can't go on; one line says why."""


class Progress(Bar):
    """How far the sample data are."""

    def __init__(self) -> None:
        super().__init__("Sample data")

    def update(self, done: int, total: int) -> None:
        """Show how far it is."""
        self._bar.update(self._task, completed=done, total=total)


class Demo:
    """Speaks to one account; `rate` is the activity per second once it is filled."""

    def __init__(self, client: httpx.AsyncClient, *, chance: random.Random | None = None, rate: float = 2.0) -> None:
        self._client = client
        self._chance = chance or random.Random(SEED)  # noqa: S311 - sample data
        self._rate = rate
        self._free = asyncio.Semaphore(TOGETHER)
        self._leads = 0

    async def fill(self, on_progress: OnProgress) -> None:
        """Put the sample data there; a second time adds nothing."""
        now = clock.now()
        persons = demodata.persons(self._chance, now)
        events = list(demodata.history(self._chance, now))
        steps = self._steps(persons, events)
        total = sum(len(step) for step in steps)
        done = 0
        for step in steps:
            tasks = [asyncio.create_task(self._one(query, variables)) for query, variables in step]
            try:
                for work in asyncio.as_completed(tasks):
                    await work
                    done += 1
                    on_progress(done, total)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _steps(
        self, persons: Sequence[dict[str, Any]], events: Sequence[dict[str, Any]]
    ) -> list[list[tuple[str, dict[str, Any]]]]:
        """Return the calls, in groups of which each may only begin when the one before is done."""
        companies = demodata.COMPANIES
        links = []
        for index, company in enumerate(companies):
            ids = [one["externalId"] for one in persons[index :: len(companies) * 2]]
            locators = [{"externalId": one} for one in ids]
            role = self._chance.choice(("buyer", "owner", "engineer"))
            links.append((LINK, {"name": company["name"], "persons": locators, "role": role}))
        batches = [list(events[at : at + EVENTS_PER_CALL]) for at in range(0, len(events), EVENTS_PER_CALL)]
        return [
            [(DEFINE_ATTRIBUTE, {"input": one}) for one in demodata.ATTRIBUTES],
            [(DEFINE_EVENT, {"input": one}) for one in demodata.EVENTS],
            [(CREATE_COMPANY, {"input": one}) for one in companies],
            [(CREATE_PERSON, {"input": one}) for one in persons],
            links,
            [(TRACK, {"events": batch}) for batch in batches],
        ]

    async def run(self) -> None:
        """Keep some activity going until it is cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(self._chance.expovariate(self._rate))

    async def step(self) -> str:
        """Do one believable thing; returns what, without saying who."""
        chance = self._chance
        by = {"externalId": f"demo-{chance.randint(1, demodata.PERSONS):04}"}
        throw = chance.random()
        if throw < EVENTS_SHARE:
            type_, properties = demodata.happening(chance)
            await self._one(TRACK, {"events": [{"person": by, "type": type_, "properties": properties}]})
            return type_
        if throw < UPDATES_SHARE:
            tag = chance.choice(demodata.TAGS)
            changes = {"tags": {chance.choice(("add", "remove")): [tag]}}
            points = {"customAttributes": {"loyaltyPoints": chance.randint(0, 2500)}}
            await self._one(UPDATE, {"by": by, "input": chance.choice((changes, points))})
            return "profile updated"
        if throw < ORDERS_SHARE:
            order = {"orderId": f"O-{chance.randint(10_000, 99_999)}", "total": round(chance.uniform(5, 400), 2)}
            item = {**order, "placedOn": clock.now().strftime("%Y-%m-%d")}
            await self._one(APPEND, {"by": by, "items": [item]})
            return "order noted"
        self._leads += 1
        address = f"lead{clock.millis(clock.now())}.{self._leads}@example.org"
        lead = {"type": "LEAD", "firstName": chance.choice(("Noa", "Kim", "Ari")), "emails": [{"address": address}]}
        await self._one(CREATE_PERSON, {"input": lead})
        return "lead created"

    async def _one(self, query: str, variables: dict[str, Any]) -> None:
        async with self._free:
            for attempt in range(TRIES):
                wait = await self._try(query, variables)
                if wait is None:
                    return
                await asyncio.sleep(min(wait * 2 ** min(attempt, 5), WAIT_SECONDS_MAX))
        raise DemoError("The service is not available for too long.")

    async def _try(self, query: str, variables: dict[str, Any]) -> float | None:
        """Return None when it is done, or the seconds after which to try again."""
        try:
            response = await self._client.post("/graphql", json={"query": query, "variables": variables})
            answer = response.json()
        except httpx.TransportError as away:
            raise DemoError(f"{self._client.base_url} does not answer ({type(away).__name__}).") from away
        except ValueError as broken:
            raise DemoError(f"{self._client.base_url} is no Customer Profiles service.") from broken
        for error in answer.get("errors", ()):
            extensions = error.get("extensions", {})
            if extensions.get("code") in PASSING:
                return float(extensions.get("retryAfter", 1))
            raise DemoError(f"{extensions.get('code', 'ERROR')}: {error['message']}")
        _refuse_errors(answer["data"]["done"])
        return None


def _refuse_errors(payload: dict[str, Any]) -> None:
    found: Iterable[dict[str, Any]] = [
        *payload["errors"],
        *(error for result in payload.get("results", ()) for error in result["errors"]),
    ]
    for error in found:
        # Somebody deleted a sample person, or the data are there already: neither matters.
        if error["code"] not in KNOWN and error["code"] not in ("PERSON_NOT_FOUND", "VERSION_CONFLICT"):
            raise DemoError(f"{error['code']}: {error['message']}")


async def demonstrate(url: str, key: str, rate: float, say: Callable[[str], None]) -> None:
    """Fill an account, say so, and keep some activity going until cancelled."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        show = Demo(client, rate=rate)
        with Progress() as progress:
            await show.fill(progress.update)
        say("The sample data are there; activity goes on until ctrl-C.")
        await show.run()


async def until_interrupted(work: Coroutine[Any, Any, None]) -> bool:
    """Tell whether `work` came to its end; ctrl-C ends it before.

    It is cancelled again where a call that was just finishing has swallowed that.
    """
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    task, waiting = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for _ in range(CANCELS):
        if task.done():
            break
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)
    if task.done() and not task.cancelled():
        task.result()
        return not stop.is_set()
    return False
