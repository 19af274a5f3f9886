"""What a change makes of a company: the company after it, and the events that tell it. All pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.catalog.checks import Listing, joining
from app.catalog.values import ITEM_ID, LIST_TOTAL_MAX, bounded, written
from app.changes.model import DELETED, MERGED, Change, Effect, Scene, Wished, successor
from app.changes.tags import tags_after
from app.claims.model import Locator
from app.companies.model import Company
from app.companies.wish import DOMAINS_MAX, RULES, Wish
from app.core import ids
from app.core.errors import Refused
from app.core.text import caseless
from app.timeline.model import Event

# Kind of claim → the code of a refusal because it is taken, and what it is called.
TAKEN = {
    "company.name": ("DUPLICATE_NAME", "name"),
    "company.domain": ("DUPLICATE_DOMAIN", "domain"),
    "company.externalId": ("DUPLICATE_EXTERNAL_ID", "external id"),
}
# Fields that an update may not touch: whoever holds the id from outside relies on it.
FIXED = "external_id"


def event(company: Company, scene: Scene, type_: str, **properties: str | int | list[dict[str, str]]) -> Event:
    """Return one of our own events on the company's own line of activity."""
    return scene.event(company.subject, type_, properties, company_id=company.id)


def ended(company: Company, scene: Scene, **into: str) -> Event:
    """Return the last event of a company, which names those who live on in it as well."""
    merged = {"mergedIds": _listed_ids(company.merged_ids)} if company.merged_ids else {}
    return event(company, scene, "companyDeleted", companyId=company.id, **into, **merged)


def _listed_ids(company_ids: Sequence[str]) -> list[dict[str, str]]:
    return [{"id": one} for one in company_ids]


def checked(company: Company | None, expected: int | None) -> Company:
    """Return the company to change; refuses COMPANY_NOT_FOUND and VERSION_CONFLICT."""
    if company is None:
        raise Refused("COMPANY_NOT_FOUND", "There is no such company.", ("by",))
    if expected is not None and company.version != expected:
        message = f"This company is at version {company.version}, not {expected}: read it again."
        raise Refused("VERSION_CONFLICT", message, ("expectedVersion",))
    return company


@dataclass(frozen=True, slots=True)
class Create(Wished[Company]):
    """Make a company; refused with REQUIRED where it has no name."""

    wish: Wish

    def plan(self, held: Company | None, scene: Scene) -> Effect[Company]:  # noqa: ARG002 - there is none yet
        """Return the new company and its first event."""
        if "name" not in self.wish.scalars:
            raise Refused("REQUIRED", "A company has a name.", ("name",))
        made = Company(
            ids.new("com", scene.now),
            scene.account,
            scene.catalog,
            "",
            [ids.new("sub", scene.now)],
            scene.now,
            scene.now,
            scene.origin,
            scene.origin,
        )
        effect = Effect(None, made, tuple(write(made, self.wish, scene)))
        effect.events.append(event(made, scene, "companyCreated"))
        return effect.announced()


@dataclass(frozen=True, slots=True)
class Update(Wished[Company]):
    """Change what the wish names: absent keeps, None clears."""

    wish: Wish
    expected: int | None = None

    def plan(self, held: Company | None, scene: Scene) -> Effect[Company]:
        """Return the changed company."""
        before = checked(held, self.expected)
        after = successor(before, scene)
        changed = tuple(write(after, self.wish, scene))
        if not changed:
            return Effect(before, before, ())
        return Effect(before, after, changed, [event(after, scene, "companyUpdated")]).announced()


@dataclass(frozen=True, slots=True)
class Upsert(Wished[Company]):
    """Make the company of a row, or change who has its external id, name or domain; domains and tags are added."""

    wish: Wish

    def plan(self, held: Company | None, scene: Scene) -> Effect[Company]:
        """Return the effect; refuses a row whose external id is another than that of who has its name or domain."""
        if held is None:
            return Create(self.wish).plan(None, scene)
        scalars = dict(self.wish.scalars)
        named = scalars.get(FIXED)
        if held.external_id is not None and named not in (None, held.external_id):
            self._refuse_another(held)
        if held.external_id is not None:
            scalars.pop(FIXED, None)
        if caseless(scalars.get("name") or held.name) == caseless(held.name):
            # Rows of different sources write a name in different cases; the first one stays.
            scalars.pop("name", None)
        wish = replace(self.wish, scalars=scalars, domains=joining(self.wish.domains), tags=joining(self.wish.tags))
        return Update(wish).plan(held, scene)

    def _refuse_another(self, held: Company) -> None:
        kinds = {"company.name": {caseless(held.name)}, "company.domain": set(held.domains)}
        for locator, path in self.wish.places():
            if locator.value in kinds.get(locator.kind, ()):
                code, words = TAKEN[locator.kind]
                message = f"This {words} belongs to a company with another external id."
                raise Refused(code, message, path, owner=held.id)


@dataclass(frozen=True, slots=True)
class Remove(Change[Company]):
    """Delete a company; its members were taken off before."""

    def plan(self, held: Company | None, scene: Scene) -> Effect[Company]:
        """Return the company that is gone, and the last event."""
        before = checked(held, None)
        after = replace(successor(before, scene), state=DELETED)
        return Effect(before, after, ("state",), [ended(after, scene)])


@dataclass(frozen=True, slots=True)
class Merge(Change[Company]):
    """Take other companies into this one: what it lacks is filled, lists are united, its own values stay.

    Their ids keep finding it, and their lines of activity are on its timeline. Their members were moved before.
    """

    others: Sequence[str]

    def plan(self, held: Company | None, scene: Scene) -> Effect[Company]:
        """Return the survivor, with the end of the others; no change where they were merged already."""
        before = checked(held, None)
        found = [scene.find(Locator("id", one)) for one in self.others]
        gone: list[Company] = [one for one in found if one is not None and one.id != before.id]
        if not gone:
            return Effect(before, before, ())
        after = successor(before, scene)
        for one in gone:
            _take_over(after, one)
        longest = max([0, *(len(one) for one in after.values.values() if isinstance(one, list))])
        if len(after.domains) > DOMAINS_MAX or longest > LIST_TOTAL_MAX:
            words = f"Together they have more than {DOMAINS_MAX} domains, or than {LIST_TOTAL_MAX} items in a list."
            raise Refused("MERGE_BLOCKED", words, ("companies",))
        try:
            bounded(after.values)
        except Refused as refusal:
            words = "Together their custom attributes are too large."
            raise Refused("MERGE_BLOCKED", words, ("companies",)) from refusal
        also = [Effect(one, replace(successor(one, scene), state=MERGED, into=after.id), ("state",)) for one in gone]
        events = [event(after, scene, "companyMerged", mergedIds=_listed_ids([one.id for one in gone]))]
        events += [ended(one, scene, into=after.id) for one in gone]
        return Effect(before, after, ("mergedIds",), events, also).announced()


def _take_over(company: Company, other: Company) -> None:
    for attribute in RULES:
        if getattr(company, attribute) is None:
            setattr(company, attribute, getattr(other, attribute))
    company.domains = list(dict.fromkeys([*company.domains, *other.domains]))
    company.tag_ids = list(dict.fromkeys([*company.tag_ids, *other.tag_ids]))
    company.subjects = [*company.subjects, *other.subjects]
    company.merged_ids = [*company.merged_ids, other.id, *other.merged_ids]
    both = [name for name in other.values if name in company.values]
    united = {name: _united(company.values[name], other.values[name]) for name in both}
    company.values = {**other.values, **company.values, **united}


def _united(own: object, other: object) -> object:
    """Return one's own value; of lists the items of both, each once."""
    if not isinstance(own, list) or not isinstance(other, list):
        return own
    return list({item[ITEM_ID]: item for item in (*other, *own)}.values())


def write(company: Company, wish: Wish, scene: Scene) -> list[str]:
    """Write a wish into a company of one's own; return the contract's names of the fields that changed."""
    changed = []
    for attribute, value in wish.scalars.items():
        if getattr(company, attribute) != value:
            setattr(company, attribute, value)
            changed.append(RULES[attribute][0])
    domains = _listed(company.domains, wish.domains)
    if len(domains) > DOMAINS_MAX:
        raise Refused("TOO_MANY", f"A company has at most {DOMAINS_MAX} domains.", ("domains",))
    tags = tags_after(company.tag_ids, wish.tags, scene)
    values = written(company.values, wish.attributes)
    if wish.attributes:
        bounded(values)
    for name, old, now in (
        ("domains", company.domains, domains),
        ("tags", company.tag_ids, tags),
        ("customAttributes", company.values, values),
    ):
        if old != now:
            changed.append(name)
    company.domains, company.tag_ids, company.values = domains, tags, values
    return changed


def _listed(held: list[str], wish: Listing[str] | None) -> list[str]:
    if wish is None:
        return held
    if wish.replace is not None:
        return list(dict.fromkeys(wish.replace))
    gone = set(wish.remove)
    return list(dict.fromkeys([*(one for one in held if one not in gone), *wish.add]))
