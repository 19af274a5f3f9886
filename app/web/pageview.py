"""What the protocol's page and screen say, as the properties of our `pageView`. All pure.

A text that is too long is cut, one of another kind is left out: a look at a page is worth keeping without it.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from app.catalog.values import STRING_MAX

_UNFIT = re.compile("[\x00-\x1f\x7f]")
CAMPAIGN = ("source", "medium", "name", "term", "content")


def page_view(given: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Return url, path, title, referrer, language, userAgent and campaign, as far as they are said.

    The message's own properties count before those of its context; its `name` is the title where it has no other.
    """
    own, page = _object(given.get("properties")), _object(context.get("page"))
    found = {
        "url": _text(own.get("url")) or _text(page.get("url")),
        "path": _text(own.get("path")) or _text(page.get("path")),
        "title": _text(own.get("title")) or _text(page.get("title")) or _text(given.get("name")),
        "referrer": _text(own.get("referrer")) or _text(page.get("referrer")),
        "language": _text(context.get("locale")),
        "userAgent": _text(context.get("userAgent")),
        "campaign": _campaign(context.get("campaign")),
    }
    return {name: value for name, value in found.items() if value}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return _UNFIT.sub(" ", value[:STRING_MAX]) if isinstance(value, str) and value else None


def _campaign(given: Any) -> str | None:
    """Return it as in the query of a link, `source=mail&medium=email`: properties of events are no objects."""
    if not isinstance(given, dict):
        return _text(given)
    found = {name: text for name in CAMPAIGN if (text := _text(given.get(name)))}
    return _text(urlencode(found))
