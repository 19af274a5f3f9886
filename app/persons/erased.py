"""Which events belonged to somebody who was deleted: looked up by the marks that a deletion leaves."""

from collections.abc import Sequence

from app.changes import erasure
from app.mongo.coalesce import Reads
from app.mongo.engine import Engine
from app.persons.service import Persons


class Erased:
    """The marks of all accounts."""

    def __init__(self, engine: Engine, persons: Persons) -> None:
        self._marks = Reads(engine, erasure.COLLECTION)
        self._persons = persons

    async def among(self, account: str, marks: Sequence[str]) -> set[str]:
        """Return those of these marks of `erasure.mark` that stand."""
        found = [kept for kept in await self._marks.get_all(list(dict.fromkeys(marks))) if kept] if marks else []
        # Who has a long timeline is noted before they are deleted; maybe they never are.
        whose = {kept["person"] for kept in found if "person" in kept}
        there = await self._persons.get_all(account, list(whose)) if whose else {}
        return {kept["_id"] for kept in found if kept.get("person") not in there}
