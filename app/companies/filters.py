"""Which companies are wanted: the filter of the contract, and the query that finds them. All pure."""

from app.catalog.filters import Builder, Query, Wanted
from app.catalog.model import COMPANY, Catalog

TEXTS = {"name": "name", "domain": "domains", "country": "country", "industry": "industry", "segment": "segment"}


def _domain(value: str) -> str:
    return value.strip().casefold()


def query(wanted: Wanted, catalog: Catalog) -> Query:
    """Return the query of a filter; refuses one too large or contradictory with BAD_VARIABLES."""
    return Builder(catalog, COMPANY, TEXTS, normal={"domain": _domain}, special={}).all_of(wanted)
