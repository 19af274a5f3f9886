"""When a visit ends and another begins, and how long an anonymous id means the same visitor. All pure.

Decided from the times of messages alone, so that two tabs, two processes and a queue that was offline agree.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from app.claims.model import key
from app.core import clock, ids
from app.intake.visit import Former, Session, Visitor
from app.persons.leaving import FORMER_KEPT

GAP_MINUTES = 30
GAP = timedelta(minutes=GAP_MINUTES)
VISITOR_DAYS = 45
LIFE = timedelta(days=VISITOR_DAYS)
SESSIONS_KEPT = 20
DIGEST_BYTES = 16
# A message asks for the key of its visitor several times.
KEYS_KEPT = 4096
_INSTANT = timedelta(milliseconds=1)


@lru_cache(maxsize=KEYS_KEPT)
def visitor_key(account: str, anonymous_id: str) -> str:
    """Return the key of an anonymous id: that of a claim, and of the document that is the claim."""
    return key(account, "anonymous", anonymous_id)


def session_id(visitor_id: str, at: datetime, message_id: str | None) -> str:
    """Return the id of the session that a message begins: the same whenever the same message begins it."""
    said = f"{visitor_id}|{clock.millis(at)}|{message_id or ''}".encode()
    return f"ses_{hashlib.blake2b(said, digest_size=DIGEST_BYTES).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Placed:
    """A visitor after an activity, the session that it is part of, and those that began and ended by it."""

    visitor: Visitor
    session: Session
    started: tuple[Session, ...] = ()
    ended: tuple[Session, ...] = ()


def placed(visitor: Visitor, at: datetime, message_id: str | None) -> Placed:
    """Put an activity in its session; one that is over ends at its last activity."""
    found = _session_of(visitor, at)
    if found is not None:
        joined = Session(found.id, min(found.start, at), max(found.last, at), found.cut)
        if found is visitor.session:
            return Placed(_seen(visitor, at, session=joined), joined)
        known = tuple(joined if one is found else one for one in visitor.sessions)
        return Placed(_seen(visitor, at, sessions=known), joined)
    made = Session(session_id(visitor.id, at, message_id), at, at)
    if any(one.start > at for one in _all(visitor)):
        # Late, and part of no visit that is known: one by itself.
        return Placed(_seen(visitor, at, sessions=_kept(visitor, made)), made, (made,), (made,))
    if visitor.session is None:
        return Placed(_seen(visitor, at, session=made), made, (made,))
    kept = _kept(visitor, visitor.session)
    return Placed(_seen(visitor, at, session=made, sessions=kept), made, (made,), (visitor.session,))


def _seen(visitor: Visitor, at: datetime, **changes: Any) -> Visitor:
    return replace(visitor, first_seen=min(visitor.first_seen, at), last=max(visitor.last, at), **changes)


def ended(visitor: Visitor, at: datetime | None = None) -> Placed | None:
    """End the open session, None where there is none; with `at` by hand, so that nothing later joins it."""
    open_ = visitor.session
    if open_ is None:
        return None
    if at is not None and open_.start - GAP <= at <= open_.last + GAP:
        open_ = replace(open_, last=max(open_.last, at), cut=max(open_.last, at))
        visitor = replace(visitor, last=max(visitor.last, at))
    return Placed(replace(visitor, sessions=_kept(visitor, open_), session=None), open_, ended=(open_,))


def over(visitor: Visitor, now: datetime) -> bool:
    """Tell whether the open session has ended by itself."""
    return visitor.session is not None and now > visitor.session.last + GAP


def _all(visitor: Visitor) -> Sequence[Session]:
    return visitor.sessions if visitor.session is None else (*visitor.sessions, visitor.session)


def _session_of(visitor: Visitor, at: datetime) -> Session | None:
    """Return the session that was going on: the last that had begun, else the one that begins soon after."""
    current = visitor.session
    if current is not None and current.start <= at <= current.last + GAP:
        return current
    begun = [one for one in _all(visitor) if one.start <= at]
    if begun:
        last = max(begun, key=lambda one: one.start)
        if at <= last.last + GAP if last.cut is None else at < last.cut:
            return last
    soon = [one for one in _all(visitor) if at < one.start <= at + GAP]
    return min(soon, key=lambda one: one.start) if soon else None


def begins(customer: Visitor | Former, at: datetime) -> bool:
    """Tell whether the visit in which a customer first said who it was began at that moment, before all that is known.

    What was before `began` is nobody's: another one's, or of a visit that was ended by hand.
    """
    return customer.since is not None and customer.since - GAP <= at < customer.since


def cut(visitor: Visitor, start: datetime) -> datetime | None:
    """Return the moment before which nothing is of the visit that began at `start`."""
    done = [one.cut for one in _all(visitor) if one.cut is not None and one.cut <= start]
    return max([*done, *([visitor.began] if visitor.began else [])], default=None)


def between(visitor: Visitor, at: datetime) -> bool:
    """Tell whether a customer's time was over at that moment, and no other visit of theirs had begun.

    Where it was so long ago that not all visits since are known, it was not.
    """
    found = _session_of(visitor, at)
    if visitor.since is None or at < visitor.since or (found is not None and at <= found.last):
        return False
    begun = [one.last for one in _all(visitor) if one.start <= at]
    if not begun:
        return len(visitor.sessions) < SESSIONS_KEPT
    return at > max(begun) + timedelta(seconds=visitor.ttl_seconds)


def before(visitor: Visitor, session: Session) -> datetime:
    """Return the moment until which all visits before one were over."""
    done = [one.last + _INSTANT for one in _all(visitor) if one.start < session.start]
    return max(done, default=session.start)


def _kept(visitor: Visitor, session: Session) -> tuple[Session, ...]:
    known = sorted((*visitor.sessions, session), key=lambda one: (one.start, one.id))
    return tuple(known[-SESSIONS_KEPT:])


# ---------------------------------------------------------------- one anonymous id, several visitors


def stands(visitor: Visitor, at: datetime) -> bool:
    """Tell whether an anonymous id still means the visitor at that moment."""
    return bool(visitor.subject) and at < until(visitor)


def until(visitor: Visitor) -> datetime:
    """Return the moment from which the anonymous id means somebody else."""
    life = LIFE if visitor.person is None else timedelta(seconds=visitor.ttl_seconds)
    return visitor.last + life + _INSTANT


def nobody(account: str, anonymous_id: str, at: datetime) -> Visitor:
    """Return what stands for an anonymous id that has meant nobody yet."""
    return Visitor("", account, anonymous_id, "", at, at)


def renewed(visitor: Visitor, at: datetime) -> Visitor:
    """Return the visitor that the same anonymous id means from now on."""
    known, began = remembered(visitor, at)
    return ahead(replace(visitor, former=known, began=began), at)


def passed(visitor: Visitor, at: datetime, ttl_seconds: int) -> bool:
    """Tell whether who is said to be there at that moment came before the visitor, who has done something since.

    Of a visitor whom nobody knows: where the time of that one was over before the last that it did.
    """
    if not stands(visitor, at) or visitor.person is not None:
        return bool(visitor.subject) and at < (visitor.since or visitor.first_seen)
    found, time = _session_of(visitor, at), timedelta(seconds=ttl_seconds)
    last = at if found is None else max(at, found.last)
    for one in sorted(_all(visitor), key=lambda one: one.start):
        if last < one.start <= last + time:
            last = one.last
    return last + time < visitor.last


def ahead(visitor: Visitor, at: datetime) -> Visitor:
    """Return a new one whom the anonymous id means from that moment on, be it before the one who is there."""
    born = ids.new("vis", at), visitor.account, visitor.anonymous_id, ids.new("web", at), at, at
    return Visitor(*born, former=visitor.former, taken=visitor.taken, began=visitor.began, version=visitor.version)


def behind(earlier: Visitor, visitor: Visitor) -> Visitor:
    """Return the visitor who is there, with one more who was there before."""
    come = until(earlier) if visitor.person is None else visitor.since or visitor.first_seen
    known, began = remembered(earlier, come)
    return replace(visitor, former=known, began=began)


def again(visitor: Visitor, at: datetime, lines: Sequence[str]) -> Visitor | None:
    """Return the visitor as the one it was, where that one's line is among `lines`: those of whom it is to be again.

    None where it still means somebody, or somebody else has done something since.
    """
    if visitor.subject:
        over_ = visitor.person is not None and not stands(visitor, at)
        return visitor if over_ and visitor.subject in lines else None
    last = visitor.former[-1] if visitor.former else None
    if last is None or at < last.until or not {last.line, *last.lines} <= set(lines):
        return None
    others = tuple(one for one in last.lines if one != last.line)
    born = replace(visitor, id=ids.new("vis", at), subject=last.line, lines=others, since=last.since)
    return replace(born, first_seen=at, last=at)


def left(visitor: Visitor, at: datetime) -> Visitor:
    """Return what is kept where the anonymous id means nobody: whoever comes next is new."""
    gone = replace(visitor, subject="", session=None, sessions=(), lines=(), person=None, since=None)
    known, began = remembered(visitor, at)
    return replace(gone, identity=(), traits=None, former=known, began=began, last=max(visitor.last, at))


def remembered(visitor: Visitor, at: datetime) -> tuple[tuple[Former, ...], datetime | None]:
    """Return whom the anonymous id meant, the present one among them, and until when.

    Of one whose data go nothing is remembered.
    """
    if not visitor.subject or (visitor.person is None and not stands(visitor, at)):
        return visitor.former, visitor.began
    known = _all(visitor)
    session = known[-1].id if known else None
    before = min(at, until(visitor))
    who = session, visitor.person, visitor.since, visitor.began
    one = Former(visitor.subject, before, tuple(visitor.subjects), *who)
    return (*visitor.former, one)[-FORMER_KEPT:], before


def former(visitor: Visitor, at: datetime) -> Former | None:
    """Return who it was that did something at that moment, where the anonymous id has meant somebody else since."""
    found = next((one for one in visitor.former if at < one.until), None)
    return None if found is None or (found.began is not None and at < found.began) else found


def shown(visitor: Visitor, earlier: Former | None, at: datetime) -> Visitor:
    """Return the visitor of whom, or of whom earlier, all is shown from a moment on."""
    if earlier is None:
        return replace(visitor, since=at)
    known = (replace(one, since=at) if one is earlier else one for one in visitor.former)
    return replace(visitor, former=tuple(known))


def late(visitor: Visitor, at: datetime) -> bool:
    """Tell whether the anonymous id meant somebody else at that moment."""
    return any(at < one.until for one in visitor.former) or (visitor.began is not None and at < visitor.began)


def lost(visitor: Visitor, at: datetime) -> bool:
    """Tell whether the anonymous id meant somebody else of whom nothing is known any more."""
    return late(visitor, at) and former(visitor, at) is None
