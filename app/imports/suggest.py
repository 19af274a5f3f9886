"""Which field a column is likely to be: by its header, by what is defined, by its samples. All pure."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice

from rapidfuzz import fuzz

from app.catalog.model import PERSON, Catalog
from app.core.errors import Refused
from app.imports.fields import CUSTOM, EMAIL, FIELDS, PHONE, folded
from app.imports.formats import is_date
from app.imports.reading import reader, tidy
from app.imports.table import Cell, Row

# 80 % of the samples must be emails, or phones: one of five may be something else.
OTHERS_ONE_OF = 5
ALIKE = 90
ALIKE_CHARACTERS = 5
# In this order: the first that fits, and of two columns the one that keeps a field.
_SYNONYM, _NAME, _ATTRIBUTE, _CONTENT, _ALIKE, _ID = range(6)
_TABLE: dict[str, dict[str, list[str]]] = tomllib.loads((files(__package__) / "synonyms.toml").read_text("utf-8"))
# Target → folded synonym → field.
SYNONYMS = {
    target: {
        folded(word): field
        for part in ("both", target.lower())
        for field, words in _TABLE[part].items()
        for word in words
    }
    for target in FIELDS
}
_AMOUNT = re.compile(r"-.*|[0-9]+\.[0-9]+")
_READ = {kind: reader(kind, None) for kind in (EMAIL, PHONE)}


@dataclass(frozen=True, slots=True, order=True)
class _Guess:
    """A field for a column; the smaller one is the better one."""

    rank: int
    distance: float
    column: int
    field: str


def suggestions(columns: Sequence[str], samples: Sequence[Row], target: str, catalog: Catalog) -> list[str | None]:
    """Return the likely field of each column, None where nothing is likely; a single-value field only once."""
    rows = [row.cells for row in samples if row.problem is None]
    guesses = []
    for place, header in enumerate(columns):
        cells = [cells[place] for cells in rows if place < len(cells)]
        guesses += [_Guess(rank, far, place, field) for rank, far, field in _guessed(header, cells, target, catalog)]
    found: list[str | None] = [None] * len(columns)
    for guess in sorted(guesses):
        own = FIELDS[target].get(guess.field)
        if found[guess.column] is None and ((own and own.several) or guess.field not in found):
            found[guess.column] = guess.field
    return found


def _guessed(header: str, cells: Sequence[Cell], target: str, catalog: Catalog) -> Iterator[tuple[int, float, str]]:
    word = folded(header)
    if word in SYNONYMS[target]:
        yield _SYNONYM, 0, SYNONYMS[target][word]
    yield from ((_NAME, 0, name) for name in FIELDS[target] if word == folded(name))
    if attribute := _attribute(header, target, catalog):
        yield _ATTRIBUTE, 0, CUSTOM + attribute
    if target == PERSON and (content := _content(cells)):
        yield _CONTENT, 0, content
    yield from _alike(word, target)
    if word == "id":
        yield _ID, 0, "externalId"


def _attribute(header: str, target: str, catalog: Catalog) -> str | None:
    """Return the attribute that is named so, with or without what stands before it in a mapping."""
    for name in (header, header.removeprefix(CUSTOM)):
        if exact := catalog.attribute(target, name):
            return exact.name
    words = {folded(header), folded(header.removeprefix(CUSTOM))} - {""}
    names = [one.name for one in catalog.attributes.values() if one.target == target and folded(one.name) in words]
    return names[0] if len(names) == 1 else None


def _content(cells: Sequence[Cell]) -> str | None:
    """Return `email` or `phone` where nearly all samples are such."""
    given = [cell for cell in cells if (tidy(cell) if isinstance(cell, str) else cell is not None)]
    allowed = len(given) // OTHERS_ONE_OF
    for kind, field in ((EMAIL, "email"), (PHONE, "phone")):
        # Counted no further than it takes to know.
        others = islice((cell for cell in given if not _fits(kind, field, cell)), allowed + 1)
        if given and len(list(others)) <= allowed:
            return field
    return None


def _fits(kind: str, field: str, cell: Cell) -> bool:
    if not isinstance(cell, (str, int, float)) or isinstance(cell, bool):
        return False
    # The full check of what has no @ costs a hundred microseconds.
    if kind == EMAIL and "@" not in str(cell):
        return False
    try:
        values = _READ[kind](cell) or []
        # The digits of a date or an amount would do for a phone.
        if kind == PHONE and any(is_date(value) or _AMOUNT.fullmatch(value) for value in values):
            return False
        return bool(values) and all(FIELDS[PERSON][field].check(value) for value in values)
    except Refused:
        return False


def _alike(word: str, target: str) -> Iterator[tuple[int, float, str]]:
    if len(word) < ALIKE_CHARACTERS:
        return
    best: dict[str, float] = {}
    for synonym, field in SYNONYMS[target].items():
        if len(synonym) >= ALIKE_CHARACTERS:
            best[field] = max(best.get(field, 0), fuzz.ratio(word, synonym))
    yield from ((_ALIKE, 100 - score, field) for field, score in best.items() if score >= ALIKE)
