"""A process that writes, and dies by SIGKILL at a chosen command to the store; imports once, then forks.

Reads lines of JSON `{"url", "database", "account", "work": a name of WORKS, "ids", "key", "at", "answered"}`. At the
`at`-th command from the call on it dies (0: never), before the command leaves or, with `answered`, before anybody hears
that it was carried out. Writes for each line the names of the commands that were begun, or "killed".
"""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any

from pymongo import monitoring

from app.catalog.service import CatalogService
from app.changes.requests import Once
from app.claims.model import Locator
from app.claims.service import Claims
from app.companies.service import Companies
from app.core.actor import Actor, Scope
from app.identity.installation import Registration
from app.identity.mobile import Installations, Personalize
from app.identity.service import Merges, Wanted
from app.identity.tokens import Tokens
from app.identity.user import Given as User
from app.identity.user import Identity
from app.intake.channels import INBOUND, Told
from app.intake.contacts import Channels
from app.intake.form_store import FormStore
from app.intake.submissions import Forms, Sent
from app.intake.visitors import Visitors
from app.mongo.server import Server
from app.persons.service import Persons
from app.persons.wish import Given
from app.timeline.service import Timeline


class Reaper(monitoring.CommandListener):
    """Counts commands from `begin` on, and kills its process at the chosen one."""

    def __init__(self, at: int, *, answered: bool) -> None:
        self._at = at
        self._answered = answered
        self._counting = False
        self.commands: list[str] = []

    def begin(self) -> None:
        """Count from now on."""
        self._counting = True

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Die before the command leaves."""
        if self._counting:
            self.commands.append(event.command_name)
            self._die(answered=False)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:  # noqa: ARG002 - any
        """Die with the answer in hand."""
        if self._counting:
            self._die(answered=True)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Pass over."""

    def _die(self, *, answered: bool) -> None:
        if len(self.commands) == self._at and answered == self._answered:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(slots=True)
class House:
    """The services on one store."""

    merges: Merges
    installations: Installations
    channels: Channels
    forms: Forms


def house(engine: Server, catalog: CatalogService) -> House:
    """Put the services on a store."""
    persons = Persons(engine, Claims(engine), catalog)
    companies = Companies(engine, Claims(engine), catalog, persons)
    tokens = Tokens(engine, lambda: b"secret")
    channels = Channels(engine, persons, Timeline(engine, catalog))
    visitors = Visitors(engine, catalog, persons, companies, tokens)
    forms = Forms(FormStore(engine), catalog, persons, channels, visitors)
    merges = Merges(engine, catalog, persons, companies)
    return House(merges, Installations(persons, tokens), channels, forms)


async def merge(there: House, actor: Actor, ids: list[str], key: str) -> None:
    """Merge persons, as `mergePersons` does by this key."""
    places = [(Locator("id", one), ("persons", str(at), "id")) for at, one in enumerate(ids)]
    said = [{"id": one} for one in ids]
    once = Once.of(actor.account, key, "mergePersons", {"input": {"persons": said}})
    await there.merges.merge(actor, Wanted(places), once=once)


async def revert(there: House, actor: Actor, ids: list[str], _: str) -> None:
    """Undo a merge."""
    await there.merges.revert(actor, ids[0])


async def login(there: House, actor: Actor, ids: list[str], _: str) -> None:
    """Log a user in on an installation, named by its registration and the email."""
    device, address = ids
    wanted = Personalize(Registration("shop", device), User(Identity(emails=(address,))))
    await there.installations.personalize(actor, wanted)


async def message(there: House, actor: Actor, _: list[str], key: str) -> None:
    """Take a message of the phone number `key` in, as `recordInboundMessage` does."""
    said = {"journeyId": "j", "messageId": key}
    learned = Given(scalars={"first_name": "Ann"}, nested=True)
    told = Told(INBOUND, Locator("phone", key), ("j", key), learned=learned, properties=said)
    await there.channels.record(actor, told)


async def submit(there: House, actor: Actor, ids: list[str], key: str) -> None:
    """Send a form in, as `submitForm` does."""
    await there.forms.submit(actor, Sent(ids[0], {"tel": key, "given": "Ann"}, submission_id=key))


WORKS = {"merge": merge, "revert": revert, "login": login, "message": message, "submit": submit}


async def work(wanted: dict[str, Any]) -> list[str]:
    """Do what is wanted; returns the commands that were begun."""
    reaper = Reaper(wanted["at"], answered=wanted["answered"])
    monitoring.register(reaper)
    engine = await Server.connect(wanted["url"], wanted["database"], driver="motor")
    catalog = CatalogService(engine, Claims(engine))
    there = house(engine, catalog)
    actor = Actor(wanted["account"], "key_1", frozenset({Scope.ADMIN}))
    await catalog.of(actor.account)
    reaper.begin()
    await WORKS[wanted["work"]](there, actor, wanted["ids"], wanted["key"])
    return reaper.commands


def say(told: Any) -> None:
    """Write a line."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Fork for each line, and say what became of the child."""
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            say(asyncio.run(work(json.loads(line))))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            say("killed")


if __name__ == "__main__":
    main()
