"""Which companies are wanted: the filter of the contract, and the query that finds them. All pure."""

from app.catalog.filters import Builder, Query, Wanted
from app.catalog.model import COMPANY, Catalog
from app.core.text import caseless

TEXTS = {"name": "name", "domain": "domains", "country": "country", "industry": "industry", "segment": "segment"}


def query(wanted: Wanted, catalog: Catalog) -> Query:
    """Return the query of a filter; refuses one too large or contradictory with BAD_VARIABLES."""
    return Builder(catalog, COMPANY, TEXTS, normal={"domain": caseless}, special={}).all_of(wanted)
