"""A merge as a document: profiles in it as they are kept themselves, attributes by the ids of their definitions."""

from typing import Any

import orjson

from app.catalog.model import Catalog
from app.core.errors import Refused
from app.identity.model import Candidate, Decision, Merge
from app.mongo.engine import Document
from app.persons import record as persons
from app.persons.model import Person

COLLECTION = "merges"
# A document of MongoDB has at most 16 MB.
MERGE_BYTES_MAX = 12_000_000


def document(merge: Merge) -> Document:
    """Return a merge as it is kept; refuses MERGE_BLOCKED where that would be too large."""
    kept: Document = {
        "_id": merge.id,
        "account": merge.account,
        "survivor": merge.survivor_id,
        "merged": list(merge.merged),
        "persons": list(merge.persons),
        "at": merge.at,
        "cause": merge.cause,
        "version": merge.version,
        **images(merge),
    }
    if merge.request is not None:
        kept["request"] = merge.request
    if len(orjson.dumps(kept, default=str)) > MERGE_BYTES_MAX:
        raise Refused("MERGE_BLOCKED", "Together these persons are too large to be merged.", ("persons",))
    return kept


def images(merge: Merge) -> Document:
    """Return the part of a merge that it takes to undo it, and that undoing another one may change."""
    return {
        "decisions": [_decision(one) for one in merge.decisions],
        "before": [_image(one) for one in merge.before],
        "after": _image(merge.after) if merge.after else None,
    }


def _image(person: Person) -> Document:
    """Return a person without what its installations were before: that is read from who has them by now."""
    kept = persons.document(person)
    kept.pop("former", None)
    return kept


def _decision(one: Decision) -> Document:
    candidates = [{"person": each.person_id, "value": each.value} for each in one.candidates]
    return {"field": one.field, "chosen": one.chosen, "from": one.source, "candidates": candidates}


def read(kept: Document, catalog: Catalog) -> Merge:
    """Return the merge of a document."""
    after = kept.get("after")
    return Merge(
        kept["_id"],
        kept["account"],
        kept["survivor"],
        tuple(kept["merged"]),
        tuple(map(_read_decision, kept["decisions"])),
        kept["at"],
        kept["cause"],
        tuple(persons.read(one, catalog) for one in kept.get("before", ())),
        persons.read(after, catalog) if after else None,
        kept.get("request"),
        kept.get("revertedAt"),
        kept["version"],
    )


def _read_decision(kept: Document) -> Decision:
    candidates: list[dict[str, Any]] = kept["candidates"]
    named = tuple(Candidate(one["person"], one["value"]) for one in candidates)
    return Decision(kept["field"], kept["chosen"], kept["from"], named)
