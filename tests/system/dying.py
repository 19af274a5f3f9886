"""A process that merges, undoes or logs in, and dies by SIGKILL at a chosen command to the store.

Imports once, then forks. Reads lines of JSON `{"url", "database", "account", "work", "ids", "key", "at", "answered"}`,
the work one of "merge", "revert", "login". At the `at`-th command from the call on it dies (0: never), before that one
leaves or, with `answered`, before anybody hears of it. Writes for each line the commands that were begun, or "killed".
"""

import asyncio
import json
import os
import signal
import sys
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
from app.identity.user import Given, Identity
from app.mongo.server import Server
from app.persons.service import Persons


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


async def work(wanted: dict[str, Any]) -> list[str]:
    """Do what is wanted; returns the commands that were begun."""
    reaper = Reaper(wanted["at"], answered=wanted["answered"])
    monitoring.register(reaper)
    engine = await Server.connect(wanted["url"], wanted["database"], driver="motor")
    claims = Claims(engine)
    catalog = CatalogService(engine, claims)
    persons = Persons(engine, claims, catalog)
    merges = Merges(engine, catalog, persons, Companies(engine, claims, catalog, persons))
    actor = Actor(wanted["account"], "key_1", frozenset({Scope.ADMIN}))
    await catalog.of(actor.account)
    reaper.begin()
    if wanted["work"] == "revert":
        await merges.revert(actor, wanted["ids"][0])
    elif wanted["work"] == "login":
        device, address = wanted["ids"]
        login = Personalize(Registration("shop", device), Given(Identity(emails=(address,))))
        await Installations(persons, Tokens(engine, lambda: b"secret")).personalize(actor, login)
    else:
        places = [(Locator("id", one), ("persons", str(at), "id")) for at, one in enumerate(wanted["ids"])]
        said = [{"id": one} for one in wanted["ids"]]
        once = Once.of(actor.account, wanted["key"], "mergePersons", {"input": {"persons": said}})
        await merges.merge(actor, Wanted(places), once=once)
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
