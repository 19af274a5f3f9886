"""Whom somebody has told apart: kept by ids, with a keyed digest of what each was then, so that a change asks anew.

No value of a person is in it, and none can be tried out on it without the service's secret.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

from app.changes.model import ACTIVE
from app.core import clock
from app.core.errors import Refused, unavailable
from app.mongo.bound import Bound
from app.mongo.engine import Conflict, Engine, Replace, Sort, Stale, Unit, Update
from app.persons import record
from app.persons.model import Person

COLLECTION = "dismissals"
BY_PERSON: Sort = (("account", 1), ("persons", 1))
DIGEST_BYTES = 16
TRIES = 5

Pair = frozenset[str]


def nobody() -> Refused:
    """Return the refusal of a group that is none."""
    return Refused("NOT_FOUND", "There is no such group.", ("groupId",))


class Dismissals:
    """The dismissals of all accounts. `secret` gives the service's secret, which is known once it runs."""

    def __init__(self, engine: Engine, secret: Callable[[], bytes]) -> None:
        self._engine = engine
        self._secret = secret

    async def note(self, account: str, persons: Sequence[Person]) -> None:
        """Keep that no two of these are one person; refuses NOT_FOUND where one was deleted meanwhile."""
        members = sorted(persons, key=lambda one: one.id)
        ids = [one.id for one in members]
        digest = hashlib.blake2b("".join(ids).encode(), digest_size=DIGEST_BYTES).hexdigest()
        kept = {
            "_id": f"{account}|{digest}",
            "account": account,
            "persons": ids,
            "prints": [self._print(one) for one in members],
            "at": clock.now(),
        }
        # Who deletes one of them at the same moment meets this, or this finds nobody: nothing is left behind.
        held = [
            Update({"_id": one, "account": account, "state": ACTIVE}, {"$set": {"touched": kept["at"]}}, must=True)
            for one in ids
        ]

        async def work(unit: Unit) -> None:
            await unit.write(record.COLLECTION, held)
            await unit.write(COLLECTION, [Replace({"_id": kept["_id"]}, kept, upsert=True)])

        for _ in range(TRIES):
            try:
                return await self._engine.unit(work)
            except Stale as gone:
                raise nobody() from gone
            except Conflict:
                continue
        raise unavailable()

    async def among(self, account: str, persons: Mapping[str, Person]) -> set[Pair]:
        """Return the pairs of these who were told apart and have not changed since."""
        if not persons:
            return set()
        bound = Bound(self._engine, COLLECTION, account)
        found: set[Pair] = set()
        for kept in await bound.find({"persons": {"$in": list(persons)}}, hint=BY_PERSON):
            prints = dict(zip(kept["persons"], kept["prints"], strict=True))
            found |= pairs(one for one in prints if one in persons and prints[one] == self._print(persons[one]))
        return found

    def _print(self, person: Person) -> str:
        """Return a digest of the identifiers and names that people give a person; devices come and go."""
        said = "\0".join(
            [
                *(person.external_id or "", person.first_name or "", person.middle_name or ""),
                *(person.last_name or "", person.nickname or ""),
                *sorted(one.address for one in person.emails),
                *sorted(one.number for one in person.phones),
            ]
        )
        key, text = self._secret()[:64], f"{person.id}\0{said}".encode(errors="surrogatepass")
        return hashlib.blake2b(text, digest_size=DIGEST_BYTES, key=key, person=b"dismissal").hexdigest()


def pairs(ids: Iterable[str]) -> set[Pair]:
    """Return all pairs."""
    return {frozenset(pair) for pair in combinations(ids, 2)}
