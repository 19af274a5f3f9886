"""The writes of a chunk: each profile once, as it ends up, with its claims, its events and the records of its keys."""

from collections.abc import Collection, Mapping, Sequence

from app.catalog import sweeps
from app.catalog.record import TAGS, tag_document
from app.catalog.service import tag_claim
from app.changes import requests
from app.changes.desk import Desk
from app.changes.model import DELETED, Effect, Guard, P
from app.claims.model import COLLECTION as CLAIMS
from app.claims.model import Claim
from app.claims.service import writes
from app.core.steps import stepwise
from app.mongo.engine import Delete, Group, Insert, Replace, Update, Write
from app.timeline.model import Event
from app.timeline.record import COLLECTION as EVENTS
from app.timeline.record import document as event_document


async def writes_of(desk: Desk[P], effects: Sequence[Effect[P]], *, long: bool = False) -> list[Group]:
    """Return what to write of each collection, in the order of writing; none where nothing changes.

    Others get their turn while the documents are made. `long`: the events of whoever is deleted are too many for a
    unit, and left to be swept.
    """
    first: dict[str, P | None] = {}
    last: dict[str, P] = {}
    events: list[Event] = []
    for effect in effects:
        for one in effect.parts():
            if one.changed:
                first.setdefault(one.after.id, one.before)
                last[one.after.id] = one.after
        events += effect.events
    groups: list[Group] = [
        (CLAIMS, _claims(desk, first, last)),
        (TAGS, [Insert(tag_document(account, tag)) for (account, _), tag in desk.tags.items()]),
        (desk.kind.collection, await _profiles(desk, first, last)),
        (EVENTS, await _events(desk, events, long=long)),
        (requests.COLLECTION, _requests(desk)),
        *_guarded(desk, effects),
        (sweeps.COLLECTION, [one for each in _by_account(desk.gone()) for one in _swept(*each, long=long)]),
        *_besides(desk, effects, first, last),
    ]
    return [group for group in groups if group[1]]


def _besides(
    desk: Desk[P], effects: Sequence[Effect[P]], first: Mapping[str, P | None], last: Mapping[str, P]
) -> list[Group]:
    """Return what other rooms write with these changes, each of their collections in one go."""
    found: dict[str, list[Write]] = {}
    held = _last_held(desk, effects)
    # Who lives on in another one hands over first: that one may be gone as well.
    ended = [write for one in desk.ended() if one.into is not None for write in desk.kind.inherited(one)]
    for _, gone in _by_account(desk.gone()):
        ended += desk.kind.left([(one, held.get(one.id, ())) for one in gone])
    if desk.kind.spread is not None:
        ended += desk.kind.spread([(before, last[one]) for one, before in first.items() if before is not None])
    for collection, write in (*ended, *(write for one in effects for write in one.besides)):
        found.setdefault(collection, []).append(write)
    return list(found.items())


def _by_account(profiles: Sequence[P]) -> list[tuple[str, list[P]]]:
    found: dict[str, list[P]] = {}
    for one in profiles:
        found.setdefault(one.account, []).append(one)
    return list(found.items())


def _last_held(desk: Desk[P], effects: Sequence[Effect[P]]) -> dict[str, Collection[str]]:
    """Return the claims that each profile held before it was deleted."""
    parts = [one for effect in effects for one in effect.parts() if one.after.state == DELETED and one.before]
    return {one.after.id: desk.kind.claims(one.before) for one in parts if one.before}


async def _profiles(desk: Desk[P], first: dict[str, P | None], last: dict[str, P]) -> list[Write]:
    def written(after: P) -> Write | None:
        document = desk.kind.document(after)
        if first[after.id] is None:
            return Insert(document) if document else None
        same = {"_id": after.id, "version": desk.originals.get(after.id)}
        return Replace(same, document) if document else Delete(same, must=True)

    return [one for one in await stepwise(written, list(last.values())) if one is not None]


def _claims(desk: Desk[P], first: dict[str, P | None], last: dict[str, P]) -> list[Write]:
    gone: list[Write] = []
    taken: list[Claim] = []
    for profile_id in last:
        old = desk.earliest.get(profile_id, {}) if first[profile_id] else {}
        now = desk.held[profile_id]
        gone += writes([], {key: profile_id for key in old if key not in now})
        taken += [claim for key in now if key not in old and (claim := desk.claims[key])]
    for (account, _), tag in desk.tags.items():
        taken.append(Claim(tag_claim(account, tag.name), account, tag.id, tag.id, tag.created_at))
    # What is let go comes first, so that another profile of the chunk may take it.
    return [*gone, *writes(taken, {})]


def _guarded(desk: Desk[P], effects: Sequence[Effect[P]]) -> list[Group]:
    """Return the writes that hold on to guards: who takes one away meets them, or they find it gone."""
    guards = {guard.id: guard for one in effects for guard in one.guards}
    touched: dict[str, list[Write]] = {}
    for guard in guards.values():
        touched.setdefault(guard.collection, []).append(_held(guard, desk))
    return list(touched.items())


def _held(guard: Guard, desk: Desk[P]) -> Write:
    if guard.version == 0:
        return Insert(guard.change or {"_id": guard.id})
    same = {"_id": guard.id} if guard.version is None else {"_id": guard.id, "version": guard.version}
    return Update(same, guard.change or {"$set": {"touched": desk.now}}, must=True)


def _swept(account: str, gone: Sequence[P], *, long: bool) -> Sequence[Write]:
    # An event that was under way when its person was deleted may arrive behind this unit.
    lines = [line for one in gone for line in one.subjects]
    if long:
        return sweeps.twice(account, sweeps.EVENTS, lines)
    return [sweeps.behind(account, sweeps.EVENTS, lines)]


async def _events(desk: Desk[P], events: list[Event], *, long: bool) -> list[Write]:
    gone = [(account, [line for one in those for line in one.subjects]) for account, those in _by_account(desk.gone())]
    told = {line for _, lines in gone for line in lines}
    here = [] if long else gone
    swept: list[Write] = [Delete({"subject": {"$in": lines}, "account": account}, many=True) for account, lines in here]
    kept = [one for one in events if one.subject not in told or one.type == desk.kind.last_word]
    return [*swept, *map(Insert, await stepwise(event_document, kept))]


def _requests(desk: Desk[P]) -> list[Write]:
    forgotten: list[Write] = [
        Update(*requests.forgotten(account, [each for one in those for each in (one.id, *one.merged_ids)]), many=True)
        for account, those in _by_account(desk.ended())
    ]
    over: list[Write] = [Delete({"_id": kept["_id"], "until": kept["until"]}) for kept in desk.lapsed.values()]
    made = [_record(desk, mark, *done) for mark, done in desk.done.items()]
    return [*over, *made, *forgotten]


def _record(desk: Desk[P], mark: str, given: str, effect: Effect[P]) -> Write:
    after = effect.after
    document = desk.kind.document(after)
    record = requests.written(
        requests.Once(mark, given),
        account=after.account,
        now=desk.now,
        # Whoever is part of the profile may come apart from it again, and be deleted.
        owners=[each for one in effect.parts() for each in (one.after.id, *one.after.merged_ids)],
        profile=document,
        made=effect.before is None,
        changed=effect.changed,
    )
    return Insert(record)
