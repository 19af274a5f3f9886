"""What other rooms keep of a person, and what becomes of it where the person is gone. Written in the same unit."""

from collections.abc import Collection, Sequence

from app.core.ids import kind
from app.mongo.engine import Delete, Update, Write
from app.persons.model import Person

# Collections of rooms above: each names whom its documents are about.
PERSONS, MERGES, VISITORS, SUBMISSIONS = "persons", "merges", "visitors", "formSubmissions"
DISMISSALS, IMPORTS = "dismissals", "importChunks"
LINKS, ISSUES = "syncLinks", "syncIssues"
# What a visitor's document says of whom the anonymous id means at present.
_OF_A_VISITOR = ("visitor", "subject", "session", "sessions", "lines", "person", "since", "ttl", "taken")


def left(person: Person, claims: Collection[str]) -> Sequence[tuple[str, Write]]:
    """Return the writes for a person who is gone: all that is kept goes too, or, with `into`, belongs to that one.

    `claims` are the keys of its identifiers.
    """
    ids = {"$in": [person.id, *person.merged_ids]}
    # Whoever it lives on in has other identifiers: whom it is told apart from is asked anew.
    apart = (DISMISSALS, Delete({"account": person.account, "persons": ids}, many=True))
    return [apart, *(_erased(person, claims) if person.into is None else _inherited(person, person.into))]


def _erased(person: Person, claims: Collection[str]) -> list[tuple[str, Write]]:
    ids = {"$in": [person.id, *person.merged_ids]}
    return [
        (MERGES, Delete({"account": person.account, "persons": ids}, many=True)),
        *_unvisited(person),
        # What came by an identifier of somebody else, while they were one, is theirs.
        (SUBMISSIONS, Delete({"account": person.account, "person": ids, "line": None}, many=True)),
        (SUBMISSIONS, Delete({"account": person.account, "line": {"$in": person.subjects}}, many=True)),
        # What an import would have put back.
        (IMPORTS, Update({"account": person.account, "rows.p": ids}, {"$pull": {"rows": {"p": ids}}}, many=True)),
        *_unlinked(person),
        *_unremembered(person),
        *_unnamed(person, claims),
    ]


def _unlinked(person: Person) -> list[tuple[str, Write]]:
    """Forget what CRMs know of the person, but for which records they were: nothing is made of these again."""
    theirs = {"account": person.account, "profile": {"$in": [person.id, *person.merged_ids]}}
    gone = dict.fromkeys(("base", "etag", "sent", "keep", "push", "again", "key", "open", "tries"), "")
    return [
        (LINKS, Update(theirs, {"$set": {"state": "erased"}, "$unset": gone}, many=True)),
        (ISSUES, Delete(theirs, many=True)),
    ]


def _unvisited(person: Person) -> list[tuple[str, Write]]:
    """Let its visitors be nobody's; of an anonymous id that meant others before, who they were stays known."""
    theirs = {"account": person.account, "person": {"$in": [person.id, *person.merged_ids]}}
    left_ = {
        "$unset": dict.fromkeys(_OF_A_VISITOR, ""),
        "$set": {"began": person.updated_at},
        "$inc": {"version": 1},
    }
    return [
        (VISITORS, Update({**theirs, "began": {"$exists": True}}, left_, many=True)),
        (VISITORS, Delete(theirs, many=True)),
    ]


def _unnamed(person: Person, claims: Collection[str]) -> list[tuple[str, Write]]:
    """Let visitors forget what is kept of them where the person's identifiers are among it: nobody had these then."""
    if not claims:
        return []
    these = {"$in": list(claims)}
    gone = {"$unset": {"identity": "", "named": "", "traits": ""}, "$inc": {"version": 1}}
    return [(VISITORS, Update({"account": person.account, "named": these}, gone, many=True))]


def _unremembered(person: Person) -> list[tuple[str, Write]]:
    """Let the anonymous ids that meant the person once, and mean others by now, put nothing on its lines any more."""
    lines = [one for one in person.subjects if kind(one) == "web"]
    if not lines:
        return []
    these = {"$in": lines}
    gone = {"$pull": {"former": {"line": these}}, "$inc": {"version": 1}}
    return [(VISITORS, Update({"account": person.account, "former.line": these}, gone, many=True))]


def _inherited(person: Person, heir: str) -> list[tuple[str, Write]]:
    ids = {"$in": [person.id, *person.merged_ids]}
    moved = {"$set": {"person": heir}}
    found: list[tuple[str, Write]] = [
        (MERGES, Update({"account": person.account, "persons": ids}, {"$addToSet": {"persons": heir}}, many=True)),
        (VISITORS, Update({"account": person.account, "person": ids}, {**moved, "$inc": {"version": 1}}, many=True)),
        (SUBMISSIONS, Update({"account": person.account, "person": ids}, moved, many=True)),
        (LINKS, Update({"account": person.account, "profile": ids}, {"$set": {"profile": heir}}, many=True)),
        (ISSUES, Update({"account": person.account, "profile": ids}, {"$set": {"profile": heir}}, many=True)),
    ]
    if person.merged_ids:
        # Who was merged into it goes on finding whoever it is now.
        merged = {"_id": {"$in": person.merged_ids}, "into": person.id}
        found.append((PERSONS, Update(merged, {"$set": {"into": heir}}, many=True)))
    return found
