"""What becomes of one ask, by what the chunk knows: an effect, or a refusal. All pure but for the desk."""

from collections.abc import Sequence

from app.catalog.model import Tag
from app.catalog.record import mark_key
from app.changes import requests
from app.changes.desk import Desk
from app.changes.model import Ask, Effect, Outcome, Outdated, P, Path, Scene
from app.core import clock, ids
from app.core.errors import Refusals, Refused
from app.core.text import caseless
from app.core.unexpected import unexpected
from app.mongo.engine import Document


def named_keys(ask: Ask[P]) -> list[str]:
    """Return the keys of all claims that must be known before an ask is planned."""
    named = [one for one, _ in ask.change.named()]
    keys = [one.claim(ask.account) for one in dict.fromkeys((*ask.sought, *ask.others, *named)) if one.kind != "id"]
    return keys if ask.change.definitions() is None else [*keys, mark_key(ask.account)]


def planned(ask: Ask[P], desk: Desk[P]) -> Outcome[P]:
    """Return the outcome of an ask; what it does is on the desk from then on. A mistake of a plan is its own alone."""
    held: list[dict[str, Path]] = []
    try:
        if ask.once and (before := _replayed(ask, desk)):
            return before
        _refuse_ungrounded(ask, desk)
        new: dict[tuple[str, str], Tag] = {}
        meant = next(filter(None, (desk.find(ask.account, one) for one in ask.sought)), None)
        effect = ask.change.plan(meant, _scene(ask, desk, new))
        if effect.changed:
            held = [desk.kind.claims(one.after) for one in effect.parts()]
            _refuse_taken(ask, effect, held, desk)
            effect.guards = (*ask.guards, *effect.guards)
    except (Refused, Refusals) as refused:
        return refused
    except Exception as error:  # noqa: BLE001 - whatever it is, the neighbours in the chunk are not to pay for it
        return unexpected(error, "a change")
    if effect.changed:
        desk.take_in(effect, held)
        desk.tags.update(new)
    if ask.once:
        desk.done[ask.once.id] = ask.once.input, effect
    return effect


def _refuse_ungrounded(ask: Ask[P], desk: Desk[P]) -> None:
    """Refuse what stands on something that is gone."""
    known = desk.catalogs[ask.account].attributes
    if any(one not in known for one in ask.change.definitions() or ()):
        raise Outdated
    for guard in ask.guards:
        if not guard.fits(desk.there):
            raise guard.refusal


def _scene(ask: Ask[P], desk: Desk[P], new: dict[tuple[str, str], Tag]) -> Scene:
    now = clock.now()
    catalog = desk.catalogs[ask.account]

    def tag_id(name: str) -> str:
        if known := catalog.tag(name):
            return known.id
        key = ask.account, caseless(name)
        known = desk.tags.get(key) or new.get(key)
        if known is None:
            known = new[key] = Tag(ids.new("tag", now), name, now)
        return known.id

    def tag_name(tag: str) -> str:
        known = catalog.tags.get(tag)
        made = (*desk.tags.values(), *new.values())
        return known.name if known else next((one.name for one in made if one.id == tag), tag)

    return Scene(
        ask.account,
        ask.origin,
        now,
        catalog,
        tag_id,
        tag_name,
        find=lambda one: desk.find(ask.account, one),
        kept=lambda one: desk.kept(ask.account, one),
        line=lambda one: desk.line(ask.account, one),
        erased=lambda one: desk.erased.get(one.claim(ask.account)),
    )


def _replayed(ask: Ask[P], desk: Desk[P]) -> Effect[P] | None:
    assert ask.once is not None  # noqa: S101 - asked by the caller
    if done := desk.done.get(ask.once.id):
        if done[0] != ask.once.input:
            raise requests.mismatch()
        return _again(done[1].before is None, done[1].changed, done[1].after)
    kept = desk.requests.get(ask.once.id)
    if kept is None:
        return None
    if kept["input"] != ask.once.input:
        raise requests.mismatch()
    return _recalled(ask, kept, desk)


def _recalled(ask: Ask[P], kept: Document, desk: Desk[P]) -> Effect[P]:
    if "profile" not in kept:
        raise Refused(desk.kind.missing, f"The {desk.kind.noun} of this call was deleted since.")
    return _again(kept["made"], tuple(kept["changed"]), desk.kind.read(kept["profile"], desk.catalogs[ask.account]))


def _again(made: bool, changed: tuple[str, ...], after: P) -> Effect[P]:  # noqa: FBT001 - two states of one fact
    return Effect(None if made else after, after, changed, replayed=True)


def _refuse_taken(ask: Ask[P], effect: Effect[P], held: Sequence[dict[str, Path]], desk: Desk[P]) -> None:
    parts = list(zip(effect.parts(), held, strict=True))
    # What a part lets go of may come to another one; what it keeps is taken for all others.
    keeping = {one.after.id: now for one, now in parts}
    taken = {
        key: path
        for one, now in parts
        for key, path in now.items()
        if (claim := desk.claims.get(key)) is not None
        and claim.owner != one.after.id
        and key in keeping.get(claim.owner, now)
    }
    if not taken:
        return
    desk.taken |= taken.keys()
    desk.wanting.update(one.before.id for one, _ in parts if one.before is not None)
    paths = {locator.claim(ask.account): path for locator, path in ask.change.named()}
    refused = []
    for key, path in taken.items():
        claim = desk.claims[key]
        kind = key.split("|")[1]
        code, words = desk.kind.taken.get(kind, ("DUPLICATE_PUSH", kind))
        message = f"This {words} belongs to another {desk.kind.noun}."
        refused.append(Refused(code, message, paths.get(key, path), owner=claim.owner if claim else None))
    raise Refusals(refused)
