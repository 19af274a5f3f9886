"""What is said of a visitor while nobody knows who it is: kept as text, and read again when somebody does. All pure.

Identifiers are no part of it: they may be somebody's, or become so, and are kept by themselves where nobody has them.
"""

from dataclasses import replace

import orjson

from app.catalog.model import Catalog
from app.core.errors import Refusals, Refused
from app.persons import wish
from app.persons.wish import Given, Wish

TRAITS_BYTES_MAX = 65_536


def written(given: Given) -> str:
    """Return what is kept of traits: identifiers, type and tags are passed over."""
    scalars = {name: value for name, value in given.scalars.items() if name != "external_id"}
    kept = {"scalars": scalars, "attributes": given.attributes or {}}
    return orjson.dumps({name: value for name, value in kept.items() if value}).decode()


def merged(old: str | None, new: str | None) -> str | None:
    """Return what is kept of both, the newer word for word; refuses what is too much with TOO_LONG."""
    if old is None or new is None:
        kept = new or old
        return bounded(kept) if kept else None
    first, last = orjson.loads(old), orjson.loads(new)
    both = {name: first.get(name, {}) | last.get(name, {}) for name in first | last}
    return bounded(orjson.dumps(both).decode())


def bounded(kept: str) -> str:
    """Return what is to be kept; refuses what is too much with TOO_LONG."""
    if len(kept.encode()) > TRAITS_BYTES_MAX:
        words = f"What is kept of a visitor has at most {TRAITS_BYTES_MAX} bytes."
        raise Refused("TOO_LONG", words, ("traits",))
    return kept


def read(kept: str | None) -> Given:
    """Return the traits that were kept."""
    found = orjson.loads(kept) if kept else {}
    return Given(scalars=found.get("scalars", {}), attributes=found.get("attributes"), nested=True)


def plain(given: Given) -> Given:
    """Return traits without what a browser never decides; refuses another type with WEB_SDK_RESTRICTED."""
    if given.type is not None:
        words = "A website changes no one's type."
        raise Refused("WEB_SDK_RESTRICTED", words, ("traits", "type"))
    return replace(given, tags=None)


def checked(given: Given, catalog: Catalog) -> Wish:
    """Return the wish of traits; raises Refusals with paths under `traits`."""
    try:
        return wish.check(given, catalog)
    except Refusals as refusals:
        raise Refusals([one.under("traits") for one in refusals.refusals]) from refusals


def recalled(kept: str | None, catalog: Catalog) -> Wish:
    """Return the wish of what was kept: what is no longer good, its attribute being gone, is left out."""
    given = read(kept)
    while True:
        try:
            return wish.check(given, catalog)
        except Refusals as refusals:
            given = _without(given, refusals.refusals[0].path)


def _without(given: Given, path: tuple[str, ...]) -> Given:
    """Return traits without the field that was refused."""
    name = path[0] if path else ""
    if name == "customAttributes" and len(path) > 1:
        rest = {key: value for key, value in given.attributes.items() if key != path[1]}
        return replace(given, attributes=rest)
    if name == "customAttributes":
        return replace(given, attributes=None)
    rest = {attribute: value for attribute, value in given.scalars.items() if wish.RULES[attribute][0] != name}
    return replace(given, scalars=rest) if rest != given.scalars else Given(nested=True)
