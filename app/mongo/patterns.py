"""Patterns without case, as MongoDB reads them: for whoever answers in its place."""

import re
from functools import lru_cache
from typing import Any

PATTERNS_KEPT = 1_000

# An i in any of the four ways that Python takes for one letter.
_LETTERS_I = re.compile("[iI\u0130\u0131]")


@lru_cache(maxsize=PATTERNS_KEPT)
def as_read(pattern: "re.Pattern[str]") -> "re.Pattern[str]":
    """Return a pattern as MongoDB reads it: to Python the dotless and the dotted i of Turkish are an i without case."""
    if not pattern.flags & re.IGNORECASE:
        return pattern
    apart = _LETTERS_I.sub(lambda found: "(?-i:[iI])" if found[0] in "iI" else f"(?-i:{found[0]})", pattern.pattern)
    return re.compile(apart, pattern.flags)


def within(query: Any) -> Any:
    """Return a query with each of its patterns as MongoDB reads it."""
    if isinstance(query, dict):
        return {name: within(part) for name, part in query.items()}
    if isinstance(query, list):
        return [within(part) for part in query]
    return as_read(query) if isinstance(query, re.Pattern) else query
