"""What a form is, what of a submission fits a profile, and what is done with it by the rules of the form. All pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from app.catalog import values
from app.catalog.checks import Listing, tag_name
from app.catalog.model import PERSON, AttributeDefinition, Catalog
from app.changes.model import Change, Effect, Guard, Path, Scene
from app.claims.model import Locator
from app.core import text
from app.core.errors import Refusals, Refused
from app.intake.channels import FORM, action
from app.persons.model import LEAD, Person
from app.persons.plan import Create, Update
from app.persons.wish import CONTACTS_MAX, RULES, Contact, Wish, as_told

OPT_IN, OPT_OUT = "OPT_IN", "OPT_OUT"
OVERRIDE_ALL, ADD_ONLY_NEW, DO_NOT_UPDATE = "OVERRIDE_ALL", "ADD_ONLY_NEW", "DO_NOT_UPDATE"
EMAIL, PHONE, TAGS, ATTRIBUTE = "email", "phone", "tags", "customAttributes."
# By which person field a form finds its person.
KEYS = {"EMAIL": EMAIL, "PHONE": PHONE}
SCALARS = {name: attribute for attribute, (name, _) in RULES.items()}
GENDERS = frozenset({"MALE", "FEMALE", "UNKNOWN"})
NAME_MAX = 255
FIELDS_MAX = 200
TAGS_MAX = 50
VALUES_BYTES_MAX = 256_000
# From a website, whose key is public: as much as a message of the wire.
WEBSITE_BYTES_MAX = 32_768


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a form, and which field of a person it fills; None: it is kept, and fills nothing."""

    name: str
    person_field: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A form. Only an enabled OPT_IN form reaches profiles: leads by one rule, customers by another."""

    id: str
    account: str
    name: str
    kind: str
    enabled: bool
    key: str
    lead_rule: str
    customer_rule: str
    fields: tuple[FormField, ...]

    @property
    def reaches(self) -> bool:
        """Whether submissions reach profiles at all."""
        return self.enabled and self.kind == OPT_IN

    def rule(self, person: Person) -> str:
        """Return the rule for somebody who is known."""
        return self.lead_rule if person.type == LEAD else self.customer_rule


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission as it came; `values` are JSON, `person_id` whoever is known by its key, `reached`: it was told.

    `line` is the line of activity of its key, where somebody had that already.
    """

    id: str
    account: str
    form_id: str
    values: str
    occurred_at: datetime
    received_at: datetime
    person_id: str | None = None
    reached: bool = False
    line: str | None = None


# ---------------------------------------------------------------- forms


def checked(form: Form, catalog: Catalog) -> Form:
    """Return the form; refuses names that are none, and fields that fill nothing or the same, with their paths."""
    refused: list[Refused] = []
    name = text.composed(form.name).strip()
    try:
        _named(name)
    except Refused as refusal:
        refused.append(refusal.under("name"))
    if len(form.fields) > FIELDS_MAX:
        raise Refusals([*refused, Refused("TOO_MANY", f"A form has at most {FIELDS_MAX} fields.", ("fields",))])
    names, filled = set[str](), set[str]()
    for index, one in enumerate(form.fields):
        at = ("fields", str(index))
        try:
            _unique(_named(one.name), names, "name")
            if one.person_field is not None:
                _unique(_filled(one.person_field, catalog), filled, "personField")
        except Refused as refusal:
            refused.append(refusal.under(*at))
    if refused:
        raise Refusals(refused)
    return replace(form, name=name)


def _named(name: str) -> str:
    if not name:
        raise Refused("REQUIRED", "A name is not empty.")
    return text.line(text.short(NAME_MAX)(name))


def _unique(value: str, seen: set[str], at: str) -> None:
    if value in seen:
        raise Refused("INVALID", "Another field of the form has it already.", (at,))
    seen.add(value)


def _filled(person_field: str, catalog: Catalog) -> str:
    """Return what a field fills, the same for all ways to write it."""
    if person_field in (EMAIL, PHONE, TAGS) or person_field in SCALARS:
        return person_field
    if not person_field.startswith(ATTRIBUTE):
        raise Refused("INVALID", f"A person has no field {person_field}.", ("personField",))
    definition = catalog.attribute(PERSON, person_field.removeprefix(ATTRIBUTE))
    if definition is None:
        words = f"There is no attribute {person_field.removeprefix(ATTRIBUTE)}. Define it first."
        raise Refused("UNKNOWN_ATTRIBUTE", words, ("personField",))
    if definition.type == "LIST":
        raise Refused("INVALID", "A field of a form can't fill a list.", ("personField",))
    return definition.id


def attributes(form: Form) -> list[str]:
    """Return the names of the attributes that a form fills."""
    named = [one.person_field for one in form.fields if one.person_field]
    return [one.removeprefix(ATTRIBUTE) for one in named if one.startswith(ATTRIBUTE)]


# ---------------------------------------------------------------- submissions


def written(given: Any, *, website: bool = False) -> str:
    """Return the values of a submission as they are kept; refuses what is no object, and what is too large."""
    if not isinstance(given, Mapping):
        raise Refused("INVALID", "Values are an object of field name and value.", ("values",))
    try:
        said = orjson.dumps(given)
    except TypeError as error:
        raise Refused("INVALID", "A whole number lies between -2^63 and 2^63-1.", ("values",)) from error
    limit = WEBSITE_BYTES_MAX if website else VALUES_BYTES_MAX
    if len(said) > limit:
        raise Refused("TOO_LONG", f"A submission has at most {limit:,} bytes.", ("values",))
    return said.decode()


@dataclass(frozen=True, slots=True)
class Reading:
    """What of a submission fits a profile: its key, None where it has none that is one, and all else as a wish."""

    key: Locator | None
    wish: Wish


def read(form: Form, given: Mapping[str, Any], catalog: Catalog) -> Reading:
    """Return what fits: what is empty or doesn't is left out, forbidden characters of names are dropped."""
    found: dict[str, Any] = {}
    for one in form.fields:
        value = given.get(one.name)
        if one.person_field is None or value in (None, "", []) or (isinstance(value, str) and not value.strip()):
            continue
        try:
            found[one.person_field] = _fitting(one.person_field, value, catalog)
        except (Refused, TypeError):
            # Kept as it came with the submission, and no reason to lose the rest of it.
            continue
    key = KEYS[form.key]
    contacts = {kind: found[kind] for kind in (EMAIL, PHONE) if found.get(kind) and kind != key}
    wish = Wish(
        scalars={SCALARS[name]: value for name, value in found.items() if name in SCALARS and value},
        emails=_contact(contacts.get(EMAIL)),
        phones=_contact(contacts.get(PHONE)),
        tags=Listing(None, found[TAGS]) if found.get(TAGS) else None,
        attributes={value[0]: value[1] for name, value in found.items() if name.startswith(ATTRIBUTE)},
    )
    return Reading(Locator(key, found[key]) if found.get(key) else None, wish)


def _contact(value: str | None) -> Listing[Contact] | None:
    return None if value is None else Listing(None, [Contact(value, None, ("values",))])


def _fitting(name: str, value: Any, catalog: Catalog) -> Any:
    """Return a value as a person has it; refuses it, or raises TypeError, where it doesn't fit."""
    if name.startswith(ATTRIBUTE):
        definition = catalog.attribute(PERSON, name.removeprefix(ATTRIBUTE))
        if definition is None or definition.type == "LIST":
            raise TypeError
        return definition.id, _attribute(definition, value)
    if name == TAGS:
        return _tags(value)
    said = _text(value)
    if name in (EMAIL, PHONE):
        return {EMAIL: text.email, PHONE: text.phone}[name](said)
    attribute = SCALARS[name]
    if attribute == "gender" and said.upper() not in GENDERS:
        raise TypeError
    said = said.upper() if attribute == "gender" else as_told(attribute, said)
    return RULES[attribute][1](said)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return str(value).strip()


def _tags(value: Any) -> list[str]:
    names = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(tag_name(_text(one)) for one in names[:TAGS_MAX]))


# A field of a form is a text, where nobody took care that it is more.
_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "INTEGER": int,
    "DECIMAL": float,
    "BOOLEAN": lambda said: {"true": True, "false": False}.get(said.lower(), said),
}


def _attribute(definition: AttributeDefinition, value: Any) -> Any:
    if definition.type == "STRING":
        value = _text(value)
    elif isinstance(value, str):
        value = value.strip()
        try:
            value = _FROM_TEXT.get(definition.type, str)(value)
        except ValueError as error:
            raise TypeError from error
    return values.attribute(definition, value)


# ---------------------------------------------------------------- what is done


@dataclass(frozen=True, slots=True)
class Submitted(Change[Person]):
    """A form was sent in: whoever has its key is changed by the rule for what they are, or a lead is made.

    `guard` keeps the submission, with the person, in the same unit where there is something to change.
    """

    form: Form
    key: Locator
    wish: Wish
    guard: Callable[[str, str | None], Guard]

    def named(self) -> Sequence[tuple[Locator, Path]]:
        """Return the key, and the identifiers that came with it."""
        return [(self.key, ("values",)), *self.wish.places()]

    def definitions(self) -> Collection[str] | None:
        """Return the attributes that are filled."""
        return self.wish.definitions()

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:
        """Return the person as it is now."""
        reach = [(self.key, ("values",))]
        if held is None:
            made = fitting(self.wish, None, scene)
            effect = Create(made, action(FORM, None).makes or LEAD, reach).plan(None, scene)
        else:
            wish = by_rule(self.form.rule(held), fitting(self.wish, held, scene), held)
            effect = Update(wish).plan(held, scene)
        line = scene.line(self.key) if held else None
        return replace(effect, guards=[self.guard(effect.after.id, line)] if effect.changed else [])


def by_rule(rule: str, wish: Wish, held: Person) -> Wish:
    """Return what of a wish a rule lets through; contacts and tags only ever join those that are there."""
    if rule == DO_NOT_UPDATE:
        return Wish()
    if rule == OVERRIDE_ALL:
        return wish
    new = {name: value for name, value in wish.scalars.items() if getattr(held, name) is None}
    unset = {name: value for name, value in wish.attributes.items() if name not in held.values}
    return replace(wish, scalars=new, attributes=unset)


def fitting(wish: Wish, held: Person | None, scene: Scene) -> Wish:
    """Return the wish without what belongs to somebody else, and what there is no room for."""

    def free(kind: str, value: str) -> bool:
        owner: Person | None = scene.find(Locator(kind, value))
        return owner is None or (held is not None and owner.id == held.id)

    def joining(kind: str, listing: Listing[Contact] | None, count: int) -> Listing[Contact] | None:
        if listing is None or count >= CONTACTS_MAX:
            return None
        return Listing(None, [one for one in listing.add if free(kind, one.value)])

    external_id = wish.scalars.get("external_id")
    taken = {"external_id"} if external_id and not free("externalId", external_id) else set()
    scalars = {name: value for name, value in wish.scalars.items() if name not in taken}
    kept = {**(held.values if held else {}), **wish.attributes}
    emails = joining(EMAIL, wish.emails, len(held.emails) if held else 0)
    phones = joining(PHONE, wish.phones, len(held.phones) if held else 0)
    return replace(
        wish, scalars=scalars, emails=emails, phones=phones, attributes=wish.attributes if _bounded(kept) else {}
    )


def _bounded(kept: Mapping[str, Any]) -> bool:
    try:
        values.bounded(kept)
    except Refused:
        return False
    return True
