"""Wishes: rows as they came in, checked against the account's catalog, each for itself."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from app.catalog.checks import has_unknown
from app.catalog.model import Catalog
from app.catalog.service import CatalogService
from app.core.errors import Refusals

G = TypeVar("G")
W = TypeVar("W")


async def wishes(
    catalogs: CatalogService, account: str, given: Sequence[G], check: Callable[[G, Catalog], W]
) -> list[W | Refusals]:
    """Return the checked wish of each row, or what is wrong with it."""
    catalog = await catalogs.of(account)
    found = [_checked(one, catalog, check) for one in given]
    if any(isinstance(one, Refusals) and has_unknown(one) for one in found):
        # An attribute may have been defined by another process a moment ago.
        catalog = await catalogs.fresh(account)
        found = [_checked(one, catalog, check) for one in given]
    return found


def _checked(given: G, catalog: Catalog, check: Callable[[G, Catalog], W]) -> W | Refusals:
    try:
        return check(given, catalog)
    except Refusals as refusals:
        return refusals
