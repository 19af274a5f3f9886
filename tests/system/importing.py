"""Imports by serving processes, which may die under them; their leases are over when a test says so."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.core import clock
from app.imports.model import ACTIVE
from app.mongo.engine import Document, Update
from tests.stories.importing import CREATE, MAP, ONE, REVERT, RUN
from tests.system.pair import Pair
from tests.system.test_races import UPSERT

POLL_SECONDS = 0.01
# Of a large file on a busy machine; a test of a small one has a time of its own.
END_SECONDS = 900.0
HEADER = "External ID,Email,Phone,First name,City,Tags"
# One in so many rows is wrong, names somebody of an earlier row, names somebody who was there before the file.
WRONG, AGAIN, KNOWN = 97, 13, 11
BEFORE = 100
# What is other in each account, and after each undo.
CHANCE = ("_id", "account", "subjects", "createdAt", "updatedAt", "tags")
STAMPS = ("version", "updatedAt", "modifiedFrom", "asOf")
_ID = re.compile(r"per_\w+")

Import = dict[str, Any]


def before() -> list[dict[str, Any]]:
    """Return the persons that are there before the file: every other one a lead."""
    return [
        {"type": ("LEAD", "CUSTOMER")[n % 2], "emails": [{"address": f"known{n}@x.example"}], "tags": ["old"]}
        for n in range(BEFORE)
    ]


def written(rows: int, seed: int) -> str:
    """Write a file of so many rows, always the same for a seed."""
    chance = random.Random(seed)
    return "\n".join([HEADER, *(",".join(_row(n, chance)) for n in range(rows))])


def _row(number: int, chance: random.Random) -> tuple[str, ...]:
    email = f"p{number}@x.example"
    if chance.randrange(WRONG) == 0:
        email = "nobody"
    elif number and chance.randrange(AGAIN) == 0:
        return "", f"p{chance.randrange(number)}@x.example", "", f"Again{number}", "Split", "again"
    elif chance.randrange(KNOWN) == 0:
        return "", f"known{chance.randrange(BEFORE)}@x.example", "", f"Known{number}", "", "known"
    return f"x{number}", email, f"38591{number:07}", f"First{number}", "Zagreb", "new"


@dataclass(frozen=True, slots=True)
class Seen:
    """What an import brought: persons and failed rows without ids and moments, counts, events, rows of the ledger."""

    persons: list[str]
    counts: dict[str, int]
    failed: list[str]
    events: Counter[str]
    rows: list[int]


def len_of(one: Document) -> int:
    """Return how many lines the file of an import has, the header among them."""
    return int(one["counts"]["rows"]) + 1


class Imports:
    """Imports of one account of a pair of processes; a small one of another account has a process look what is due."""

    def __init__(self, pair: Pair, account: str, idle: tuple[str, str]) -> None:
        self.pair = pair
        self.account = account
        self._idle = idle

    @classmethod
    async def opened(cls, pair: Pair) -> "Imports":
        """Make an account with some persons."""
        idle = cls(pair, await pair.account(), ("", ""))
        small = pair.key, await idle.mapped(0, written(1, 0))
        account = await pair.account()
        payload = await pair.ask(0, UPSERT, rows=before())
        assert {one["status"] for one in payload["results"]} == {"CREATED"}
        return cls(pair, account, small)

    async def look(self, at: int) -> None:
        """Have a process look now for what is due: it does so whenever it has done something."""
        key, import_id = self._idle
        url, headers = f"{self.pair.served[at].url}/graphql", {"Authorization": f"Bearer {key}"}
        sent = {"query": RUN, "variables": {"id": import_id, "mode": "DRY_RUN"}}
        async with asyncio.timeout(END_SECONDS):
            # While it runs for the last one who asked, it can't be run again.
            while True:
                answer = (await self.pair.http.post(url, json=sent, headers=headers)).json()
                if not answer["data"]["runImport"]["errors"]:
                    return
                await asyncio.sleep(POLL_SECONDS)

    async def begun(self, at: int, content: str) -> str:
        """Have a process begin with an import of a text; returns the id."""
        import_id = await self.mapped(at, content)
        ran = await self.pair.ask(at, RUN, id=import_id, mode="COMMIT")
        assert ran["errors"] == [], ran
        return import_id

    async def mapped(self, at: int, content: str) -> str:
        """Make and map an import of a text; returns the id."""
        made = await self.pair.ask(at, CREATE, input={"content": content, "personType": "CUSTOMER"})
        assert made["errors"] == [], made
        one = made["import"]
        mapping = [{"column": each["name"], "field": each["suggestion"]} for each in one["columns"]]
        done = await self.pair.ask(at, MAP, id=one["id"], input={"mapping": mapping, "tag": "file"})
        assert done["errors"] == [], done
        return str(one["id"])

    async def taken_back(self, at: int, import_id: str) -> None:
        """Have a process begin to take an import back."""
        payload = await self.pair.ask(at, REVERT, id=import_id)
        assert payload["errors"] == [], payload

    async def shown(self, at: int, import_id: str) -> Import:
        """Return an import as a process shows it."""
        found: Import = await self.pair.ask(at, ONE, id=import_id)
        return found

    # ------------------------------------------------------------ by the store

    async def kept(self, import_id: str) -> Document:
        """Return an import as it is kept."""
        (one,) = await self.pair.engine.find("imports", {"_id": import_id})
        return one

    async def at(self, import_id: str, place: int, name: str = "next") -> Document:
        """Wait until an import is so far, or over."""
        async with asyncio.timeout(END_SECONDS):
            while True:
                one = await self.kept(import_id)
                # An undo goes from the last line to the first.
                so_far = len_of(one) - (one[name] or len_of(one)) if name == "undone" else one.get(name, 0)
                if one["state"] not in ACTIVE or so_far >= place:
                    return one
                await asyncio.sleep(POLL_SECONDS)

    async def ended(self, import_id: str) -> Document:
        """Wait until nobody works on an import any more."""
        return await self.at(import_id, 1 << 62)

    async def expire(self, import_id: str) -> None:
        """Have the lease of an import be over, whoever holds it."""
        past = clock.now() - timedelta(seconds=1)
        held = Update({"_id": import_id, "due": {"$exists": True}}, {"$set": {"due": past}})
        lock = Update({"_id": f"lock|{self.account}"}, {"$set": {"until": past}})
        await self.pair.engine.write("imports", [held, lock])

    async def persons(self, *without: str) -> list[Document]:
        """Return the persons of the account without some fields, by their tags' names."""
        named = {one["_id"]: one["name"] for one in await self._all("tags")}
        found = []
        for one in await self._all("persons", state="active"):
            tags = [named[each] for each in one.get("tags", ())]
            found.append({name: value for name, value in one.items() if name not in without} | {"named": tags})
        return found

    async def dates(self) -> dict[str, datetime]:
        """Return when somebody changed each person last; to take that back is no change."""
        persons = await self._all("persons", state="active")
        return {str(one["_id"]): one["asOf"] if "asOf" in one else one["updatedAt"] for one in persons}

    async def claims(self) -> dict[str, str]:
        """Return who has which identifier; those of tags are not persons'."""
        return {one["_id"]: one["owner"] for one in await self._all("claims") if "|tag|" not in one["_id"]}

    async def seen(self, import_id: str) -> Seen:
        """Return what an import has brought."""
        chunks = await self._all("importChunks")
        failed = [one for one in chunks if one["_id"].startswith(f"{import_id}:e:")]
        ledger = [one for one in chunks if one["_id"].startswith(f"{import_id}:l:")]
        return Seen(
            sorted(repr(sorted(one.items())) for one in await self.persons(*CHANCE)),
            (await self.kept(import_id))["counts"],
            sorted(f"{one['row']} {one['column']} {_ID.sub('', one['message'])} {one['values']}" for one in failed),
            Counter(one["type"] for one in await self._all("events")),
            sorted(each["r"] for one in ledger for each in one["rows"]),
        )

    async def _all(self, collection: str, **more: str) -> Sequence[Document]:
        return await self.pair.engine.find(collection, {"account": self.account, **more})
