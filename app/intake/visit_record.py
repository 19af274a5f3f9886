"""A visitor as a document; its `_id` is the key of a claim on the anonymous id: the document is its own claim."""

from datetime import datetime, timedelta
from typing import Any

from app.claims.model import Locator
from app.intake.sessions import GAP, LIFE, visitor_key
from app.intake.visit import Former, Session, Visitor
from app.mongo.engine import Document, Insert, Replace, Sort, Write

COLLECTION = "visitors"
BY_VISITOR: Sort = (("visitor", 1),)
BY_DUE: Sort = (("due", 1), ("_id", 1))
_MINUTE = timedelta(minutes=1)


def following(visitor: Visitor) -> Document:
    """Return a changed visitor as it is kept, at its next version; what is not there is left out."""
    kept: Document = {
        "_id": visitor_key(visitor.account, visitor.anonymous_id),
        "account": visitor.account,
        "anonymousId": visitor.anonymous_id,
        "firstSeen": visitor.first_seen,
        "last": visitor.last,
        "due": _due(visitor),
        "version": visitor.version + 1,
    }
    for name, value in (
        ("visitor", visitor.id if visitor.subject else None),
        ("subject", visitor.subject),
        ("session", _session(visitor.session) if visitor.session else None),
        ("sessions", [_session(one) for one in visitor.sessions]),
        ("lines", list(visitor.lines)),
        ("person", visitor.person),
        ("since", visitor.since),
        ("ttl", visitor.ttl_seconds if visitor.person else None),
        ("identity", [list(one) for one in visitor.identity]),
        # Who comes to have one of them, and is erased, finds it here.
        ("named", [Locator(kind, value).claim(visitor.account) for kind, value in visitor.identity]),
        ("traits", visitor.traits),
        ("former", [_former(one) for one in visitor.former]),
        ("taken", list(visitor.taken)),
        ("into", visitor.into),
        ("began", visitor.began),
    ):
        if value:
            kept[name] = value
    return kept


def _due(visitor: Visitor) -> datetime:
    """Return when a sweep has to look at it: a whole minute, so that hardly an activity changes the index."""
    over = visitor.session.last + GAP if visitor.session else visitor.last + LIFE
    return over.replace(second=0, microsecond=0) + _MINUTE


def _session(one: Session) -> Document:
    return {"id": one.id, "start": one.start, "last": one.last, **({"cut": one.cut} if one.cut else {})}


def _former(one: Former) -> Document:
    rest = {"session": one.session, "person": one.person, "since": one.since, "began": one.began}
    known = {name: value for name, value in rest.items() if value}
    return {"line": one.line, "until": one.until, "lines": list(one.lines), **known}


def read(kept: Document) -> Visitor:
    """Return the visitor of a document."""
    rest: dict[str, Any] = {"ttl_seconds": kept["ttl"]} if "ttl" in kept else {}
    return Visitor(
        kept.get("visitor", ""),
        kept["account"],
        kept["anonymousId"],
        kept.get("subject", ""),
        kept["firstSeen"],
        kept["last"],
        _read_session(kept["session"]) if "session" in kept else None,
        tuple(map(_read_session, kept.get("sessions", ()))),
        tuple(kept.get("lines", ())),
        kept.get("person"),
        kept.get("since"),
        identity=tuple((kind, value) for kind, value in kept.get("identity", ())),
        traits=kept.get("traits"),
        former=tuple(map(_read_former, kept.get("former", ()))),
        taken=tuple(kept.get("taken", ())),
        into=kept.get("into"),
        began=kept.get("began"),
        version=kept["version"],
        **rest,
    )


def _read_session(kept: Document) -> Session:
    return Session(kept["id"], kept["start"], kept["last"], kept.get("cut"))


def _read_former(kept: Document) -> Former:
    rest = kept.get("session"), kept.get("person"), kept.get("since"), kept.get("began")
    return Former(kept["line"], kept["until"], tuple(kept["lines"]), *rest)


def written(visitor: Visitor) -> Write:
    """Return the write of a changed visitor: Clash or Stale where somebody else was faster."""
    kept = following(visitor)
    if visitor.version == 0:
        return Insert(kept)
    return Replace({"_id": kept["_id"], "version": visitor.version}, kept)
