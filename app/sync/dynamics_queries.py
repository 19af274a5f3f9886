"""What the Web API is asked, as it stands in a URL; pure. Names are checked and values quoted here."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote

import httpx

from app.sync.crm import Away, FieldGone
from app.sync.guard import name_of

API = "/api/data/v9.2"
READ_AT_ONCE = 50
FILTER_CHARACTERS = 4000
# What can be looked up by an index of the CRM is no longer.
VALUE_CHARACTERS = 450

SETS: Mapping[str, str] = MappingProxyType({"lead": "leads", "contact": "contacts", "account": "accounts"})

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def known(entity: str, *names: str) -> None:
    """Let through what can be an entity and names of columns; raises FieldGone."""
    if entity not in SETS:
        raise FieldGone(f"{entity} is no table that can be synchronized.", entity)
    for name in names:
        if not _NAME.fullmatch(name):
            raise FieldGone(f"There is no column {name!r}.", entity)


def is_id(text: str) -> bool:
    """Tell whether this can be the id of a record."""
    return _GUID.fullmatch(text) is not None


def modified(entity: str, since: str | None = None) -> str:
    """Return the options for records by the time of their last change, oldest first."""
    condition = f"&$filter={quote(f'modifiedon ge {since}')}" if since else ""
    return f"{condition}&$orderby={quote(f'modifiedon,{entity}id')}"


def by_id(entity: str, ids: Iterable[str]) -> Iterator[str]:
    """Give the options that find records; what can't be an id is none."""
    return _joined(f"{entity}id eq {one.lower()}" for one in dict.fromkeys(ids) if is_id(one))


def by_value(field: str, values: Iterable[str]) -> Iterator[str]:
    """Give the options that find the records with one of some values in a column of text."""
    doubled = (one.replace("'", "''") for one in dict.fromkeys(values) if _searchable(one))
    return _joined(f"{field} eq '{one}'" for one in doubled)


def _searchable(value: str) -> bool:
    """Tell whether a column can hold a value; others make the CRM refuse the whole question."""
    plain = all(char >= " " and not "\ud800" <= char <= "\udfff" for char in value)
    return plain and 0 < len(value) <= VALUE_CHARACTERS


def _joined(conditions: Iterable[str]) -> Iterator[str]:
    """Give filters of a length that a URL can have."""
    some: list[str] = []
    size = 0
    for one in map(quote, conditions):
        if some and (len(some) == READ_AT_ONCE or size + len(one) > FILTER_CHARACTERS):
            yield _filter(some)
            some, size = [], 0
        some.append(one)
        size += len(one)
    if some:
        yield _filter(some)


def _filter(conditions: Sequence[str]) -> str:
    return f"&$filter={quote(' or ').join(conditions)}"


def root(base: str) -> str:
    """Return the path of the API on the host of a base address."""
    return httpx.URL(base).path.rstrip("/") + API


def within(base: str, link: Any, last: str | None = None) -> str:
    """Return a link that the CRM gave; raises Away where it leads out of the API, or where the last one led."""
    try:
        url = httpx.URL(link)
    except (httpx.InvalidURL, TypeError) as error:
        raise Away("The CRM names a next page that is no URL.") from error
    home = httpx.URL(base)
    near = (url.scheme, name_of(url), url.port) == (home.scheme, name_of(home), home.port)
    if not near or url.userinfo or not url.path.startswith(f"{root(base)}/") or ".." in unquote(url.path):
        raise Away("The CRM sends us out of its API for the next page.")
    if link == last:
        raise Away("The CRM sends us to the same page again.")
    return str(link)
