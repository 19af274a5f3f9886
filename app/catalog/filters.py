"""Filters that persons and companies share: and, or, not, texts, comparisons, tags and custom attributes. All pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from app.catalog.model import AttributeDefinition, Catalog
from app.catalog.values import day, field_of, fits, token
from app.core import text
from app.core.errors import Fault

TERMS_MAX = 200
DEPTH_MAX = 10
VALUES_MAX = 1000
# As long as anything that is kept; MongoDB takes no pattern over 32 KiB.
TEXT_MAX = 4096
# From here on a double stands for several whole numbers.
EXACT_BELOW = 2**53

# A filter as it comes in: the contract's names and plain values.
Wanted = Mapping[str, Any]
Query = dict[str, Any]
Normal = Callable[[str], str]

# Where a profile's document lists the ids that were merged into it.
MERGED = "mergedIds"
_COMPARE = {"eq": "$eq", "ne": "$ne", "gt": "$gt", "gte": "$gte", "lt": "$lt", "lte": "$lte"}
NOTHING: Query = {"_id": {"$in": []}}
# To MongoDB and to Python alike: the dollar sign is true before a last line break as well.
_END = r"(?![\s\S])"


@dataclass(slots=True)
class Inherited:
    """Which companies carry a tag: member persons have it too; and which one a company was merged into."""

    companies: Mapping[str, Sequence[str]]
    into: Mapping[str, str] = field(default_factory=dict)


def bad(message: str) -> Fault:
    """Return the refusal of a filter that can't be meant."""
    return Fault("BAD_VARIABLES", message, status=400)


def tag_names(wanted: Wanted | None) -> set[str]:
    """Return every tag that a filter names, so that companies carrying it can be looked up before."""
    if not wanted:
        return set()
    found = {
        name
        for names in (wanted.get("tags") or {}).values()
        for name in ([names] if isinstance(names, str) else names or [])
    }
    for part in (*(wanted.get("and") or []), *(wanted.get("or") or []), wanted.get("not") or {}):
        found |= tag_names(part)
    return found


def unknown(catalog: Catalog, target: str, wanted: Wanted | None) -> bool:
    """Tell whether a filter names a tag or attribute that the catalog doesn't know: it may be a moment old."""
    if any(catalog.tag(name) is None for name in tag_names(wanted)):
        return True
    return lacks_attribute(catalog, target, wanted)


def lacks_attribute(catalog: Catalog, target: str, wanted: Wanted | None) -> bool:
    """Tell whether a filter names an attribute that the catalog doesn't know."""
    if not wanted:
        return False
    named = wanted.get("customAttribute")
    if named and catalog.attribute(target, named["name"]) is None:
        return True
    parts = (*(wanted.get("and") or []), *(wanted.get("or") or []), wanted.get("not"))
    return any(lacks_attribute(catalog, target, part) for part in parts)


class Builder:
    """Builds one query and counts its terms.

    `texts` maps the filter's text fields to fields of the document, `normal` those that are compared in a normal form
    and stand in it among the document's words; `special` has what only this kind of profile knows.
    """

    def __init__(
        self,
        catalog: Catalog,
        target: str,
        texts: Mapping[str, str],
        *,
        normal: Mapping[str, Normal],
        special: Mapping[str, Callable[[Any], list[Query]]],
        inherited: Inherited | None = None,
    ) -> None:
        self._catalog = catalog
        self._target = target
        self._texts = texts
        self._normal = normal
        self._inherited = inherited or Inherited({})
        self._terms = 0
        self._special: dict[str, Callable[[Any], list[Query]]] = {
            "ids": lambda value: [_of_ids(bounded(value))],
            "tags": self._tags,
            "customAttribute": self._attribute,
            "createdAt": lambda value: [compared("createdAt", value)],
            "updatedAt": lambda value: [compared("updatedAt", value)],
            **special,
        }

    def all_of(self, wanted: Wanted, depth: int = 1) -> Query:
        """Return the query of a filter; refuses one too large or contradictory with BAD_VARIABLES."""
        if depth > DEPTH_MAX:
            raise bad(f"A filter is nested at most {DEPTH_MAX} levels deep.")
        terms: list[Query] = []
        for name, value in wanted.items():
            if value is None:
                continue
            self._count()
            terms += self._term(name, value, depth)
        if not terms:
            # A filter that says nothing is one to look at as well: thousands of them are no shorter way round.
            self._count()
        return {"$and": terms} if len(terms) > 1 else terms[0] if terms else {}

    def _count(self) -> None:
        self._terms += 1
        if self._terms > TERMS_MAX:
            raise bad(f"A filter has at most {TERMS_MAX} terms.")

    def _term(self, name: str, value: Any, depth: int) -> list[Query]:
        if name == "and":
            return [self.all_of(part, depth + 1) for part in value]
        if name == "or":
            return [{"$or": [self.all_of(part, depth + 1) for part in value]}] if value else [NOTHING]
        if name == "not":
            return [{"$nor": [self.all_of(value, depth + 1)]}]
        if name in self._texts:
            normal = self._normal.get(name)
            return strings(self._texts[name], value, normal=normal, word=normal)
        return self._special[name](value)

    def _tags(self, wanted: Wanted) -> list[Query]:
        if all(names is None for names in wanted.values()):
            raise bad("A filter on tags says which.")
        terms: list[Query] = []
        if wanted.get("has") is not None:
            terms.append(self._tag(wanted["has"]))
        if wanted.get("hasAny") is not None:
            terms.append(self._any_tag(bounded(wanted["hasAny"])))
        if wanted.get("hasAll") is not None:
            terms += [self._tag(name) for name in bounded(wanted["hasAll"])]
        if wanted.get("hasNone"):
            terms.append({"$nor": [self._tag(name) for name in bounded(wanted["hasNone"])]})
        return terms

    def _tag(self, name: str) -> Query:
        return self._any_tag([name])

    def _any_tag(self, names: Sequence[str]) -> Query:
        found = dict.fromkeys(tag.id for tag in map(self._catalog.tag, names) if tag)
        if not found:
            return NOTHING
        companies = dict.fromkeys(one for tag_id in found for one in self._inherited.companies.get(tag_id, ()))
        own: Query = {"tags": {"$in": list(found)} if len(found) > 1 else next(iter(found))}
        return {"$or": [own, {"companies.id": {"$in": list(companies)}}]} if companies else own

    def _attribute(self, wanted: Wanted) -> list[Query]:
        definition = self._catalog.attribute(self._target, wanted["name"])
        if definition is None:
            raise bad(f"There is no attribute {wanted['name']}.")
        return attribute(definition, wanted)


def attribute(definition: AttributeDefinition, wanted: Wanted) -> list[Query]:
    """Return the terms on one custom attribute."""
    field = field_of(definition)
    terms: list[Query] = []
    fits = {"string": ("STRING",), "number": ("INTEGER", "DECIMAL"), "boolean": ("BOOLEAN",), "date": ("DATE",)}
    fits["dateTime"] = ("DATE_TIME",)
    for name, types in fits.items():
        value = wanted.get(name)
        if value is None:
            continue
        if definition.type not in types:
            raise bad(f"{definition.name} is {definition.type}: it can't be compared with `{name}`.")
        if name == "string":
            terms += strings(field, value, normal=None, word=partial(token, definition.id))
        elif name == "boolean":
            terms.append({field: value})
        else:
            read = _KEPT.get(definition.type, _as_it_is)
            terms.append(
                compared(field, {k: v if k == "exists" else read(v) for k, v in value.items() if v is not None})
            )
    if wanted.get("exists") is not None:
        terms.append({field: {"$exists": wanted["exists"]}})
    if not terms:
        raise bad("A filter on an attribute says how to compare it.")
    return terms


def _whole(value: float) -> float:
    """Return what whole numbers are compared with; refuses what stands for several of them, or for none."""
    if type(value) is float and abs(value) < EXACT_BELOW:
        return value
    if type(value) is float or not fits(value):
        raise bad("A whole number is compared with one of -2^63 to 2^63-1; from 2^53 on without point and exponent.")
    return value


def _as_it_is(value: Any) -> Any:
    return value


# Type of an attribute → how a value is asked for as it is kept: a decimal as a double.
_KEPT: dict[str, Callable[[Any], Any]] = {"DATE": day, "INTEGER": _whole, "DECIMAL": float}


def compared(field: str, wanted: Wanted) -> Query:
    """Return the term of a comparison; several bounds hold together."""
    terms = {_COMPARE[name]: value for name, value in wanted.items() if name in _COMPARE and value is not None}
    if wanted.get("exists") is not None:
        terms["$exists"] = wanted["exists"]
    if not terms:
        raise bad("A comparison says what to compare with.")
    return {field: terms}


def strings(field: str, wanted: Wanted, *, normal: Normal | None, word: Normal | None = None) -> list[Query]:
    """Return the terms of a string filter; text is compared without case, identifiers in their normal form.

    What equals a value is looked for by its `word` as well, which an index knows; the words alone wouldn't do.
    """
    given = [value if isinstance(value, list) else [value] for value in wanted.values()]
    for one in [one for values in given for one in values if isinstance(one, str)]:
        if "\0" in one:
            raise bad("A text can't contain the character U+0000.")
        _short(one)

    def same(value: str) -> Any:
        return normal(value) if normal else re.compile(f"^{re.escape(text.composed(value))}{_END}", re.IGNORECASE)

    def part(before: str, value: str, after: str) -> Query:
        flags = re.NOFLAG if normal is exact else re.IGNORECASE
        sought = (normal or text.composed)(value)
        # What has no normal form is in nothing, though nothing is in everything.
        return {field: re.compile(before + re.escape(sought) + after, flags)} if sought or not value else NOTHING

    makers: dict[str, Callable[[Any], Query]] = {
        "eq": lambda value: {**({"words": word(value)} if word else {}), field: same(value)},
        "ne": lambda value: {"$nor": [{field: same(value)}]},
        "in": lambda value: {
            **({"words": {"$in": [word(one) for one in bounded(value)]}} if word else {}),
            field: {"$in": [same(one) for one in bounded(value)]},
        },
        "notIn": lambda value: {field: {"$nin": [same(one) for one in bounded(value)]}},
        "contains": lambda value: part("", value, ""),
        "startsWith": lambda value: part("^", value, ""),
        "endsWith": lambda value: part("", value, _END),
        "exists": lambda value: {field: {"$exists": value}},
    }
    terms = [makers[name](value) for name, value in wanted.items() if value is not None]
    if not terms:
        raise bad("A comparison says what to compare with.")
    return terms


def _short(value: str) -> None:
    if len(value) > TEXT_MAX:
        raise bad(f"A text to look for has at most {TEXT_MAX} characters.")


def bounded(given: Sequence[str]) -> list[str]:
    """Return the list, or refuse one that is too long."""
    if len(given) > VALUES_MAX:
        raise bad(f"A filter lists at most {VALUES_MAX} values.")
    return list(given)


def merged(ids: Sequence[str]) -> Query:
    """Return the query of whoever has one of these ids merged into it."""
    return {"words": {"$in": [merged_word(one) for one in ids]}, MERGED: {"$in": list(ids)}}


def merged_word(id_: str) -> str:
    """Return the word by which an index knows whom an id was merged into; no search begins with it."""
    return f"={id_}"


def _of_ids(ids: list[str]) -> Query:
    # An id that was merged away means whoever survived.
    return {"$or": [{"_id": {"$in": ids}}, merged(ids)]} if ids else NOTHING


def search(words: str) -> Query:
    """Return the query of a search: every word begins some word of the profile, case and accents aside."""
    _short(words)
    found = text.words(words)
    if not found:
        return NOTHING
    # As text: a compiled pattern travels with the flag of Unicode, and with any flag MongoDB reads the whole index.
    return {"$and": [{"words": {"$regex": f"^{word}"}} for word in found[:TERMS_MAX]]}


def exact(value: str) -> str:
    """Compare as it stands."""
    return value


def narrows(query: Query) -> bool:
    """Tell whether the query of a filter asks for anything: one that doesn't finds everybody."""
    if "$or" in query:
        return all(map(narrows, query["$or"]))
    return any(map(narrows, query["$and"])) if "$and" in query else bool(query)


def joined(terms: Sequence[Query]) -> Query:
    """Return one query of several."""
    held = [term for term in terms if term]
    return {"$and": held} if len(held) > 1 else held[0] if held else {}
