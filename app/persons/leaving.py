"""What other rooms keep of a person, and what becomes of it where the person is gone. Written in the same unit."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.core.ids import kind
from app.mongo.engine import Delete, Update, Write
from app.persons.model import Person

# Collections of rooms above: each names whom its documents are about.
PERSONS, MERGES, VISITORS, SUBMISSIONS = "persons", "merges", "visitors", "formSubmissions"
DISMISSALS, IMPORTS = "dismissals", "importChunks"
LINKS, ISSUES = "syncLinks", "syncIssues"
# What is kept of a link but whose it is.
_OF_A_LINK = ("base", "etag", "sent", "keep", "push", "again", "key", "open", "tries", "sought", "waits", "whose")
# Of one that was asked for, and not heard of, what tells it is kept until it was looked for.
_OF_AN_UNHEARD = tuple(one for one in _OF_A_LINK if one not in ("key", "push"))
# An anonymous id knows so many whom it meant before.
FORMER_KEPT = 5
# What a visitor's document says of whom the anonymous id means at present.
_OF_A_VISITOR = ("visitor", "subject", "session", "sessions", "lines", "person", "since", "ttl", "taken")


def left(gone: Sequence[tuple[Person, Collection[str]]]) -> list[tuple[str, Write]]:
    """Return the writes for persons of one account who are gone for good: all that is kept of them goes too.

    Each comes with the keys of its identifiers. They share the writes, for most find nothing, and a ledger is written
    once for all whom it names.
    """
    persons, account = [person for person, _ in gone], gone[0][0].account
    ids = {"$in": [one for person in persons for one in (person.id, *person.merged_ids)]}
    lines = [line for person in persons for line in person.subjects]
    theirs, at = {"account": account, "profile": ids}, max(person.updated_at for person in persons)
    return [
        (DISMISSALS, Delete({"account": account, "persons": ids}, many=True)),
        (MERGES, Delete({"account": account, "persons": ids}, many=True)),
        *_unvisited({"account": account, "person": ids}, at),
        # What came by an identifier of somebody else, while they were one, is theirs.
        (SUBMISSIONS, Delete({"account": account, "person": ids, "line": None}, many=True)),
        (SUBMISSIONS, Delete({"account": account, "line": {"$in": lines}}, many=True)),
        # What an import would have put back.
        (IMPORTS, Update({"account": account, "rows.p": ids}, {"$pull": {"rows": {"p": ids}}}, many=True)),
        # What CRMs know of them, but for which records they were: nothing is made of these again.
        *_unlinked(theirs, at),
        *_undoubted(account, ids, at),
        (ISSUES, Delete(theirs, many=True)),
        *_unremembered(account, [line for line in lines if kind(line) == "web"]),
        *_unheld(account, [line for line in lines if kind(line) == "app"]),
        *_unnamed(account, [claim for _, claims in gone for claim in claims]),
    ]


def _unlinked(theirs: Mapping[str, Any], at: datetime) -> list[tuple[str, Write]]:
    """Let links say whose records were, and no more; those that were asked for, and not heard of, are looked for."""
    gone = {"$set": {"state": "erased"}, "$unset": dict.fromkeys((*_OF_A_LINK, "mark"), "")}
    unheard = {"$set": {"state": "erased", "push": at}, "$unset": dict.fromkeys(_OF_AN_UNHEARD, "")}
    return [
        (LINKS, Update({**theirs, "state": {"$ne": "pending"}}, gone, many=True)),
        (LINKS, Update({**theirs, "state": "pending"}, unheard, many=True)),
    ]


def _undoubted(account: str, gone: Mapping[str, Any], at: datetime) -> list[tuple[str, Write]]:
    """Let records be theirs no more that might have been; of what might be nobody's but theirs nothing is made.

    All these are read once more, so that what is listed of them goes, or holds.
    """
    fewer = {"$pull": {"whose": gone}, "$set": {"again": at}}
    nobodys = {"$set": {"state": "erased"}, "$unset": {"whose": ""}}
    return [
        (LINKS, Update({"account": account, "whose": gone}, fewer, many=True)),
        (LINKS, Update({"account": account, "whose": []}, nobodys, many=True)),
    ]


def _unvisited(theirs: Mapping[str, Any], at: datetime) -> list[tuple[str, Write]]:
    """Let visitors be nobody's; of an anonymous id that meant others before, who they were stays known."""
    left_ = {"$unset": dict.fromkeys(_OF_A_VISITOR, ""), "$set": {"began": at}, "$inc": {"version": 1}}
    return [
        (VISITORS, Update({**theirs, "began": {"$exists": True}}, left_, many=True)),
        (VISITORS, Delete(theirs, many=True)),
    ]


def _unnamed(account: str, claims: Sequence[str]) -> list[tuple[str, Write]]:
    """Let visitors forget what is kept of them where identifiers of the gone are among it: nobody had these then."""
    if not claims:
        return []
    gone = {"$unset": {"identity": "", "named": "", "traits": ""}, "$inc": {"version": 1}}
    return [(VISITORS, Update({"account": account, "named": {"$in": claims}}, gone, many=True))]


def _unremembered(account: str, lines: Sequence[str]) -> list[tuple[str, Write]]:
    """Let the anonymous ids that meant one of them once, and mean others by now, put nothing on them any more."""
    if not lines:
        return []
    these = {"$in": lines}
    gone = {"$pull": {"former": {"line": these}}, "$inc": {"version": 1}}
    return [(VISITORS, Update({"account": account, "former.line": these}, gone, many=True))]


def _unheld(account: str, lines: Sequence[str]) -> Iterator[tuple[str, Write]]:
    """Let installations that others have by now forget whose they were; until when somebody gone had them stays."""
    nobodys = {"$set": {"former.$.line": "", "former.$.holder": ""}, "$inc": {"version": 1}}
    for line in lines:
        yield PERSONS, Update({"account": account, "former.line": line}, nobodys, many=True)


def inherited(person: Person) -> list[tuple[str, Write]]:
    """Return the writes for a person who is gone and lives on in another one: what is kept belongs to that one."""
    ids, heir = {"$in": [person.id, *person.merged_ids]}, person.into
    moved = {"$set": {"person": heir}}
    found: list[tuple[str, Write]] = [
        # It has other identifiers: whom it is told apart from is asked anew.
        (DISMISSALS, Delete({"account": person.account, "persons": ids}, many=True)),
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
