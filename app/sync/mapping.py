"""Which field of a CRM is which field of ours: what is checked when a mapping is saved, what is suggested. All pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.catalog.model import COMPANY, PERSON, Catalog
from app.core.errors import Refusals, Refused
from app.imports.fields import CUSTOM, FIELDS, IDENTIFIERS
from app.mongo.engine import Document
from app.persons.model import CUSTOMER, LEAD
from app.sync.crm import (
    BOOLEAN,
    DATE,
    DATE_TIME,
    DECIMAL,
    DYNAMICS,
    EMAIL,
    INTEGER,
    PHONE,
    PICKLIST,
    SALESFORCE,
    TEXT,
    URL,
    CrmField,
)

IN, OUT, BOTH = "IN", "OUT", "BOTH"
FIELDS_MAX = 200
# Entity → what its records are, in the order in which they are read: a lead that was converted comes before the
# contact that it became, and both after the company that they belong to.
ENTITIES: dict[str, dict[str, tuple[str, str | None]]] = {
    SALESFORCE: {"Account": (COMPANY, None), "Lead": (PERSON, LEAD), "Contact": (PERSON, CUSTOMER)},
    DYNAMICS: {"account": (COMPANY, None), "lead": (PERSON, LEAD), "contact": (PERSON, CUSTOMER)},
}
# What of ours a value of the CRM may become, and the directions in which that keeps its meaning.
_TEXTS = (TEXT, EMAIL, PHONE, URL, PICKLIST)
_EVERY = (IN, OUT, BOTH)
_FITS: dict[str, dict[str, tuple[str, ...]]] = {
    "text": {
        **dict.fromkeys(_TEXTS, _EVERY),
        **dict.fromkeys((INTEGER, DECIMAL, BOOLEAN, DATE, DATE_TIME), (IN,)),
    },
    "integer": {INTEGER: _EVERY},
    "decimal": {INTEGER: _EVERY, DECIMAL: _EVERY},
    "boolean": {BOOLEAN: _EVERY},
    "date": {DATE: _EVERY},
    "date-time": {DATE_TIME: _EVERY},
}
_GROUPS = {"INTEGER": "integer", "DECIMAL": "decimal", "BOOLEAN": "boolean", "DATE": "date", "DATE_TIME": "date-time"}
_NAMES = (("FirstName", "firstName"), ("LastName", "lastName"), ("Email", "email"), ("MobilePhone", "phone"))
_MAILING = (("MailingStreet", "address"), ("MailingCity", "city"), ("MailingCountry", "country"))
_DYNAMICS = (
    ("firstname", "firstName"),
    ("middlename", "middleName"),
    ("lastname", "lastName"),
    ("emailaddress1", "email"),
    ("mobilephone", "phone"),
    ("telephone1", "phone"),
    ("address1_line1", "address"),
    ("address1_city", "city"),
    ("address1_country", "country"),
)
# Of ours what is only read: a website is more than its domain, and none of several domains is the first.
_ONLY_READ = ("domains",)
# The usual mapping, as far as the CRM really offers it.
DEFAULTS: dict[str, Sequence[tuple[str, str]]] = {
    "Lead": (*_NAMES, ("Phone", "phone"), ("Street", "address"), ("City", "city"), ("Country", "country")),
    "Contact": (*_NAMES, ("MiddleName", "middleName"), ("Phone", "phone"), ("Birthdate", "birthDate"), *_MAILING),
    "Account": (("Name", "name"), ("Website", "domains"), ("Industry", "industry")),
    "lead": _DYNAMICS,
    "contact": (*_DYNAMICS, ("birthdate", "birthDate"), ("gendercode", "gender")),
    "account": (("name", "name"), ("websiteurl", "domains"), ("industrycode", "industry")),
}


@dataclass(frozen=True, slots=True)
class FieldMap:
    """A field of the CRM and one of ours: a name of the API's inputs, `email`, `phone`, `customAttributes.<name>`."""

    crm_field: str
    field: str
    direction: str = BOTH


@dataclass(frozen=True, slots=True)
class EntityMap:
    """An entity of the CRM, what its records are, and its fields."""

    object: str
    target: str
    person_type: str | None
    fields: tuple[FieldMap, ...]

    @property
    def goes(self) -> bool:
        """Whether anything of ours goes there."""
        return any(one.direction != IN for one in self.fields)

    def document(self) -> Document:
        """Return it as it is kept."""
        fields = [{"crm": one.crm_field, "field": one.field, "direction": one.direction} for one in self.fields]
        return {"object": self.object, "target": self.target, "type": self.person_type, "fields": fields}


def read(kept: Document) -> EntityMap:
    """Return a mapping of what is kept."""
    fields = tuple(FieldMap(one["crm"], one["field"], one["direction"]) for one in kept["fields"])
    return EntityMap(kept["object"], kept["target"], kept["type"], fields)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A mapping as it came in: an entity, and `fields` as they stand there; none: the usual ones."""

    object: str
    target: str
    person_type: str | None
    fields: Sequence[FieldMap]


def suggested(entity: str, offered: Sequence[CrmField]) -> tuple[FieldMap, ...]:
    """Return the usual mapping of an entity, as far as the CRM offers its fields."""
    there = {one.name: one for one in offered}
    target = next(each[entity][0] for each in ENTITIES.values() if entity in each)
    found = []
    for crm_field, field in DEFAULTS[entity]:
        known, kind = there.get(crm_field), FIELDS[target][field].kind
        ways = [FieldMap(crm_field, field, way) for way in ((IN,) if field == "industry" else (BOTH, IN))]
        found += [one for one in ways if known is not None and misfit(one, known, kind) is None][:1]
    return tuple(found)


def checked(
    system: str, wanted: Sequence[Wanted], offered: Mapping[str, Sequence[CrmField]], catalog: Catalog
) -> list[EntityMap]:
    """Return a mapping that can be; raises Refusals with MAPPING_INVALID for all that can't."""
    refused: list[Refused] = []
    made, seen = [], set[str]()
    for index, one in enumerate(wanted):
        at = ("mappings", str(index))
        known = ENTITIES[system].get(one.object)
        if known is None:
            refused.append(_no(f"{one.object} can't be mapped; {', '.join(ENTITIES[system])} can.", *at, "object"))
            continue
        if one.object in seen:
            refused.append(_no(f"{one.object} stands there twice.", *at, "object"))
            continue
        seen.add(one.object)
        refused += _wrong_target(one, known, at)
        fields = tuple(one.fields) or suggested(one.object, offered[one.object])
        refused += _wrong_fields(fields, known[0], offered[one.object], catalog, (*at, "fields"))
        made.append(EntityMap(one.object, known[0], known[1], fields))
    if refused:
        raise Refusals(refused)
    return sorted(made, key=lambda one: list(ENTITIES[system]).index(one.object))


def anew(before: Sequence[EntityMap], now: Sequence[EntityMap]) -> list[EntityMap]:
    """Return the entities that are compared from the beginning: contacts also where companies are mapped anew."""
    fresh = [one for one in now if one not in before]
    joined = CUSTOMER if any(one.target == COMPANY for one in fresh) else None
    return [one for one in now if one in fresh or (joined is not None and one.person_type == joined)]


def _no(message: str, *path: str) -> Refused:
    return Refused("MAPPING_INVALID", message, path)


def _wrong_target(one: Wanted, known: tuple[str, str | None], at: tuple[str, ...]) -> list[Refused]:
    target, type_ = known
    refused = []
    if one.target != target:
        noun = "companies" if target == COMPANY else "persons"
        refused.append(_no(f"{one.object} records are {noun}.", *at, "target"))
    if one.person_type not in (None, type_):
        words = "of no type" if type_ is None else f"{type_}s"
        refused.append(_no(f"{one.object} records are {words}.", *at, "personType"))
    return refused


def _wrong_fields(
    fields: Sequence[FieldMap], target: str, offered: Sequence[CrmField], catalog: Catalog, at: tuple[str, ...]
) -> list[Refused]:
    if len(fields) > FIELDS_MAX:
        return [_no(f"At most {FIELDS_MAX} fields can be mapped.", *at)]
    there, refused = {one.name: one for one in offered}, []
    crm_fields, ours = set[str](), set[str]()
    for index, one in enumerate(fields):
        known, kind = there.get(one.crm_field), kind_of(one.field, target, catalog)
        place = (*at, str(index))
        if known is None:
            refused.append(_no(f"The CRM has no field {one.crm_field}.", *place, "crmField"))
        elif one.crm_field in crm_fields:
            refused.append(_no(f"{one.crm_field} stands there twice.", *place, "crmField"))
        if kind is None:
            refused.append(_no(f"There is no field {one.field} that a CRM could fill.", *place, "field"))
        elif _place(one.field, target, catalog) in ours and not _several(one.field, target):
            refused.append(_no(f"{one.field} takes one value, and stands there twice.", *place, "field"))
        crm_fields.add(one.crm_field)
        ours.add(_place(one.field, target, catalog))
        if known is not None and kind is not None and (why := misfit(one, known, kind)):
            refused.append(_no(why, *place, "direction" if "read-only" in why else "field"))
    named = [one.field for one in fields if one.direction != OUT]
    if not any(one in named for one in IDENTIFIERS[target]):
        words = " or ".join(IDENTIFIERS[target])
        refused.append(_no(f"Nothing says who a record is: map a field to {words}.", *at))
    return refused


def kind_of(field: str, target: str, catalog: Catalog) -> str | None:
    """Return the kind of values of a field of ours; None for what there is not, or what no CRM writes."""
    if field.startswith(CUSTOM):
        definition = catalog.attribute(target, field.removeprefix(CUSTOM))
        return None if definition is None or definition.type == "LIST" else definition.type
    known = FIELDS[target].get(field)
    return None if known is None or field == "tags" else known.kind


def _place(field: str, target: str, catalog: Catalog) -> str:
    """Return where a field of ours is kept: an attribute has one place, however its name is written."""
    definition = catalog.attribute(target, field.removeprefix(CUSTOM)) if field.startswith(CUSTOM) else None
    return field if definition is None else f"{CUSTOM}{definition.id}"


def _several(field: str, target: str) -> bool:
    known = FIELDS[target].get(field)
    return known is not None and known.several


def misfit(one: FieldMap, known: CrmField, kind: str) -> str | None:
    """Return why two fields can't be one."""
    ways = _FITS[_GROUPS.get(kind, "text")].get(known.kind, ())
    if one.field in _ONLY_READ:
        ways = tuple(way for way in ways if way == IN)
    if one.direction not in ways:
        if ways:
            return f"{one.crm_field} ({known.type}) can only be read into {one.field}: make it IN."
        return f"{one.crm_field} ({known.type}) doesn't fit {one.field} ({kind.lower()})."
    if one.direction != IN and not known.updateable:
        return f"{one.crm_field} is read-only in the CRM: make it IN."
    return None


def suggestion(entity: str, field: CrmField) -> str | None:
    """Return the field of ours that a field of the CRM usually is."""
    return dict(DEFAULTS[entity]).get(field.name)


def shown(maps: Sequence[EntityMap]) -> list[dict[str, Any]]:
    """Return mappings as documents."""
    return [one.document() for one in maps]
