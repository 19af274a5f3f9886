"""Which column becomes which field: what somebody wishes, checked against the samples. All pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from app.catalog import definitions, values
from app.catalog.checks import Checks
from app.catalog.model import AttributeDefinition, Catalog
from app.core import clock, text
from app.core.errors import Refused
from app.imports.fields import CUSTOM, FIELDS, IDENTIFIERS, Field
from app.imports.formats import FORMATS, SETTLED
from app.imports.reading import Reader, bare, reader
from app.imports.table import Cell, Row

# What a message shows of a sample.
_SHOWN_CHARACTERS = 40


class Entry(NamedTuple):
    """A wish for one column: its field, its format where it has one, the type of an attribute that is to be made."""

    column: str
    field: str
    format: str | None = None
    create_attribute: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A mapped column: where it stands, its header, its field, how its cells are read.

    `kind` is a type of attributes or one of `fields`; `attribute` the name of a custom attribute, `create` whether it
    is to be made.
    """

    index: int
    header: str
    field: str
    kind: str
    format: str | None = None
    attribute: str | None = None
    create: bool = False


@dataclass(frozen=True, slots=True)
class Mapping:
    """A checked mapping: of persons or of companies, its columns in the order of the wish."""

    target: str
    columns: tuple[Column, ...]

    def created(self) -> list[tuple[str, str]]:
        """Return name and type of the attributes that are to be made before the first row is written."""
        return [(one.attribute, one.kind) for one in self.columns if one.attribute is not None and one.create]

    def to_document(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"target": self.target, "columns": [asdict(one) for one in self.columns]}

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> "Mapping":
        """Return the mapping of such values."""
        return cls(document["target"], tuple(Column(**one) for one in document["columns"]))


def check_mapping(
    entries: Sequence[Entry], columns: Sequence[str], samples: Sequence[Row], target: str, catalog: Catalog
) -> Mapping:
    """Return the checked mapping, or raise Refusals (MAPPING_INVALID) with a path for everything that is wrong."""
    checks = Checks()
    if not {entry.field for entry in entries} & set(IDENTIFIERS[target]):
        *first, last = IDENTIFIERS[target]
        words = f"No row could be told from another: map a column to {', '.join(first)} or {last}."
        checks.refused.append(Refused("MAPPING_INVALID", words, ("mapping",)))
    rows = [row for row in samples if row.problem is None]
    taken: set[str] = set()
    mapped = []
    for place, entry in enumerate(entries):
        wish = _Wish(entry, place, target, catalog, checks)
        index, field = wish.index(columns), wish.field(taken)
        if index is not None and field is not None:
            cells = [row.cells[index] for row in rows if index < len(row.cells)]
            mapped.append(wish.column(index, columns[index], field, cells))
    checks.settle()
    return Mapping(target, tuple(filter(None, mapped)))


@dataclass(frozen=True, slots=True)
class _Wish:
    """One entry under its checks; each notes what is wrong and returns None."""

    entry: Entry
    place: int
    target: str
    catalog: Catalog
    checks: Checks

    def refuse(self, part: str, message: str) -> None:
        self.checks.refused.append(Refused("MAPPING_INVALID", message, ("mapping", str(self.place), part)))

    def index(self, columns: Sequence[str]) -> int | None:
        sought = self.entry.column
        alike = sought if sought in columns else text.composed(sought)
        for index, column in enumerate(columns):
            if alike in (column, text.composed(column)):
                return index
        self.refuse("column", f"The file has no column {_shown(self.entry.column)}.")
        return None

    def field(self, taken: set[str]) -> Field | None:
        name = self.entry.field
        found = self._custom(name.removeprefix(CUSTOM)) if name.startswith(CUSTOM) else self._own(name)
        if found is None:
            return None
        if found.place in taken and not found.several:
            self.refuse("field", f"{found.name} holds one value; another column is mapped to it already.")
        taken.add(found.place)
        return found

    def _own(self, name: str) -> Field | None:
        found = FIELDS[self.target].get(name)
        if found is None:
            known = ", ".join(FIELDS[self.target])
            self.refuse("field", f"There is no field {_shown(name)}. There are {known} and {CUSTOM}<name>.")
        elif self.entry.create_attribute:
            self.refuse("createAttribute", f"{name} is there already; only {CUSTOM}<name> can be made.")
        return found

    def _custom(self, name: str) -> Field | None:
        defined = self.catalog.attribute(self.target, name)
        if self.entry.create_attribute:
            defined = self._created(name, self.entry.create_attribute, defined)
        elif defined is None:
            words = f"There is no attribute {_shown(name)}. Define it first, or say its type by createAttribute."
            self.refuse("field", words)
        if defined is None:
            return None
        made = defined
        # The place is that of no field of the API.
        place = CUSTOM + text.caseless(defined.name)
        return Field(CUSTOM + defined.name, defined.type, place, lambda value: values.attribute(made, value))

    def _created(self, name: str, type_: str, defined: AttributeDefinition | None) -> AttributeDefinition | None:
        if defined is not None:
            self.refuse("createAttribute", f"{defined.name} is defined already, as {defined.type}: map it without.")
            return defined
        if type_ == "LIST":
            self.refuse("createAttribute", "A LIST says which fields its items have: define it first.")
            return None
        try:
            trimmed = definitions.name(name, "an attribute", brackets=False)
        except Refused as refusal:
            self.refuse("field", refusal.message)
            return None
        return AttributeDefinition("", self.target, trimmed, type_, clock.EPOCH)

    def column(self, index: int, header: str, field: Field, cells: Sequence[Cell]) -> Column | None:
        try:
            settled = self._format(field.kind, cells)
        except Refused as refusal:
            self.refuse("format", refusal.message)
            return None
        problem = _problem(reader(field.kind, settled), field, cells)
        if problem:
            self.refuse("field", f"No sample of {_shown(self.entry.column)} fits {field.name}. {problem}")
        attribute = field.name.removeprefix(CUSTOM) if field.name.startswith(CUSTOM) else None
        create = self.entry.create_attribute is not None
        return Column(index, header, field.name, field.kind, settled, attribute, create)

    def _format(self, kind: str, cells: Iterable[Cell]) -> str | None:
        given, known = self.entry.format, FORMATS.get(kind)
        if known is None:
            if given:
                raise Refused("INVALID", "Only a column of dates or numbers has a format.")
            return None
        if given and given not in known:
            raise Refused("INVALID", f"There is no format {_shown(given)} for it. There are {' and '.join(known)}.")
        if given:
            return given
        return SETTLED[kind]([found for cell in cells if isinstance(cell, str) and (found := bare(cell))])


def _problem(read: Reader, field: Field, cells: Iterable[Cell]) -> str | None:
    """Return what is wrong with the first sample, where there are samples and none of them becomes a value."""
    problem = None
    for cell in cells:
        try:
            value = read(cell)
            if value is None:
                continue
            for one in value if field.several else (value,):
                field.check(one)
        except Refused as refusal:
            problem = problem or f"{_shown(cell)}: {refusal.message}"
        else:
            return None
    return problem


def _shown(cell: Cell) -> str:
    written = str(cell)
    return repr(written if len(written) <= _SHOWN_CHARACTERS else f"{written[:_SHOWN_CHARACTERS]}…")
