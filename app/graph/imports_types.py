"""What imports look like, and what they are made and mapped with."""

from collections.abc import Sequence
from enum import Enum
from types import SimpleNamespace
from typing import Any

import strawberry

from app.graph import enums
from app.graph.connections import Connection, Place
from app.graph.declare import First, Info, about, given, needed, relation, value
from app.graph.relations import After, total_of
from app.graph.results import ERRORS, UserError
from app.graph.scalars import JSON, DateTime
from app.graph.types import Node, PageInfo
from app.imports import model


@strawberry.enum(description="What a file is.")
class ImportFormat(Enum):
    """Formats."""

    CSV = value("CSV", "Values by commas, semicolons, tabs or bars.")
    TXT = value("TXT", "The same, as text.")
    XLSX = value("XLSX", "A workbook: the first visible sheet with rows.")
    XLS = value("XLS", "A workbook of before 2007.")
    JSON = value("JSON", "A list of objects.")
    NDJSON = value("NDJSON", "One object a line.")
    ZIP = value("ZIP", "Any of them, packed: the first file counts.")


@strawberry.enum(description="What the rows of a file are.")
class ImportTarget(Enum):
    """Targets."""

    PERSON = value("PERSON", "Persons.")
    COMPANY = value("COMPANY", "Companies.")


@strawberry.enum(description="How far an import is.")
class ImportState(Enum):
    """States."""

    UPLOADED = value("UPLOADED", "Its columns are known: map them.")
    MAPPED = value("MAPPED", "It can be run.")
    CHECKED = value("CHECKED", "A dry run has ended; it can be run.")
    RUNNING = value("RUNNING", "It runs, or waits for another one of the account.")
    DONE = value("DONE", "All rows are in.")
    DONE_WITH_ERRORS = value("DONE_WITH_ERRORS", "All rows were looked at; some failed.")
    FAILED = value("FAILED", "The file can't be read; what was done before stays.")
    CANCELLED = value("CANCELLED", "Somebody stopped it; what was done before stays.")
    REVERTING = value("REVERTING", "It is being taken back.")
    REVERTED = value("REVERTED", "It was taken back.")


@strawberry.enum(description="What a row does with who is there.")
class DuplicateRule(Enum):
    """Rules."""

    SKIP = value("SKIP", "Nothing.")
    REWRITE = value("REWRITE", "Its values are written; a row of leads fills what is empty of a customer.")


@strawberry.enum(description="In earnest, or only to see what would happen.")
class ImportMode(Enum):
    """Modes."""

    DRY_RUN = value("DRY_RUN", "Nothing is written but counts and failed rows.")
    COMMIT = value("COMMIT", "Rows are written.")


@strawberry.type(description="What was found out about a file.")
class ImportDetection:
    """Detection."""

    charset: str | None = about("Its charset, as IANA names it.")
    delimiter: str | None = about("What stands between values.")
    sheet: str | None = about("The sheet that is read.")
    notices: list[str] = about("What one should know before it is run.")


@strawberry.type(description="A column of a file.")
class ImportColumn:
    """Column."""

    name: str = about("Its header.")
    samples: list[str] = about("Some of what stands in it.")
    suggestion: str | None = about("The field that it seems to be.")


@strawberry.type(description="Which field a column fills.")
class ColumnMapping:
    """Mapping."""

    column: str = about("The header.")
    field: str = about("The field.")
    format: str | None = about("How dates or numbers are written, where that was to be settled.")


@strawberry.type(description="created + updated + unchanged + skipped + failed = processed.")
class ImportCounts:
    """Counts."""

    rows: int = about("Rows of the file.")
    processed: int = about("Rows that were looked at.")
    created: int = about("Profiles that were made.")
    updated: int = about("Profiles that were changed.")
    promoted: int = about("Of these: leads who became customers.")
    unchanged: int = about("Rows by which nothing changed.")
    skipped: int = about("Rows of somebody who is there, by the rule SKIP.")
    failed: int = about("Rows that could not be taken.")


@strawberry.type(description="A row that failed, or what an undo kept of it.")
class RowError:
    """Failed row."""

    row: int = about("The line of the file, the header being 1; the row of the sheet; the place in a JSON list from 1.")
    column: str | None = about("The column of what is wrong first.")
    message: str = about("Why, and what can be done.")
    values: JSON = about("The row as it stands in the file, by column.")


@strawberry.type(description="A page of failed rows.")
class RowErrorConnection:
    """Failed rows."""

    nodes: list[RowError] = about("In the order of the file; behind them what an undo kept.")
    page_info: PageInfo = about("Where the page lies.")
    total_count: int = relation(total_of, "How many there are on all pages.")


@strawberry.type(description="Rows that failed for one reason.")
class RowErrorGroup:
    """Reason."""

    message: str = about("Why; `…` stands for ids, which are those of each row.")
    column: str | None = about("The column.")
    rows: int = about("How many rows.")
    samples: list[int] = about("Some of the rows.")


@strawberry.type(description="What an undo did.")
class ImportUndo:
    """Undo."""

    deleted: int = about("Profiles that the import had made, and that are gone again.")
    restored: int = about("Rows whose values were put back as they were.")
    kept: int = about("Rows of which something stays, because somebody changed it since; see `rowErrors`.")


def mapping_of(root: strawberry.Parent[model.Import]) -> Sequence[SimpleNamespace]:
    """Return the mapping as it was wished, with the formats that were settled."""
    columns = (root.mapping or {}).get("columns", ())
    return [SimpleNamespace(column=one["header"], field=one["field"], format=one["format"]) for one in columns]


async def row_errors(
    root: strawberry.Parent[model.Import], info: Info, first: First = 20, after: After = None
) -> Connection[model.RowError]:
    """Page through failed rows."""
    place = Place(info.context, "rowErrors", root.id)
    page = await info.context.services.imports.errors(root, place.part(first, after))
    return Connection(page, place, model.position, count=root.troubles)


@strawberry.type(description="A file on its way to profiles.")
class Import(Node):
    """Import."""

    file_name: str = about("What the file is called.")
    format: ImportFormat = strawberry.field(
        resolver=lambda root: root.detected["format"], description="What the file is."
    )
    target: ImportTarget = about("What its rows are.")
    person_type: enums.PersonType | None = about("What persons of it are; LEAD where nothing is said.")
    state: ImportState = about("How far it is.")
    mode: ImportMode | None = about("Of the run that is under way or was the last.")
    detected: ImportDetection = strawberry.field(
        resolver=lambda root: SimpleNamespace(**root.detected), description="What was found out about the file."
    )
    columns: list[ImportColumn] = about("Its columns.")
    mapping: list[ColumnMapping] = relation(mapping_of, "Which field each column fills; others are left out.")
    duplicates: DuplicateRule = about("What is done with who is there.")
    tag: str | None = about("What every profile of it is tagged with.")
    counts: ImportCounts = about("What became of the rows.")
    row_errors: RowErrorConnection = relation(row_errors, "Rows that failed.")
    error_groups: list[RowErrorGroup] = strawberry.field(
        resolver=lambda root: root.groups, description="Equal messages together, whomever they name; most rows first."
    )
    reverted: ImportUndo | None = strawberry.field(
        resolver=lambda root: root.undo,
        description="Of a reverted import: how much came back and how much was kept because somebody changed it since.",
    )
    created_at: DateTime = about("When it was made.")
    started_at: DateTime | None = about("When its last run, or its undo, was asked for.")
    finished_at: DateTime | None = about("When that was over.")


@strawberry.type(description="A page of imports.")
class ImportConnection:
    """Imports."""

    nodes: list[Import] = about("The imports, newest first.")
    page_info: PageInfo = about("Where the page lies.")


@strawberry.type(description="An import that was written.")
class ImportPayload:
    """Import."""

    import_: Import | None = strawberry.field(
        name="import", description="The import as it is now; null where it was refused."
    )
    errors: list[UserError] = about(ERRORS)


@strawberry.type(description="An import that went on.")
class ImportUpdate:
    """Progress."""

    import_: Import = strawberry.field(name="import", description="The import as it is now.")


@strawberry.input(description="`uploadId` comes from POST /uploads; `content` is for small imports sent with the call.")
class CreateImportInput:
    """Import."""

    upload_id: strawberry.ID | None = given("The file that was uploaded.")
    content: str | None = given("Or what stands in it.")
    file_name: str | None = given("What it is called; that of the upload where nothing is said.")
    format: ImportFormat | None = given("What it is; found out where nothing is said.")
    target: ImportTarget = given("What its rows are.", "PERSON")
    person_type: enums.PersonType | None = given("What persons of it are; LEAD where nothing is said.")


@strawberry.input(
    description="`field` is a person or company field, `email`, `phone`, `tags`, or `customAttributes.<name>`."
)
class ColumnMappingInput:
    """Mapping."""

    column: str = needed("The header.")
    field: str = needed("The field.")
    format: str | None = given(
        "Of a date or number column, where the samples leave it open: DD.MM.YYYY, MM/DD/YYYY, 1.234,56 ..."
    )
    create_attribute: enums.AttributeType | None = given("Makes the attribute, of this type.")


@strawberry.input(description="How a file is to be imported.")
class MapImportInput:
    """Mapping."""

    mapping: list[ColumnMappingInput] = needed("Which field each column fills; others are left out.")
    duplicates: DuplicateRule = given("What is done with who is there.", "REWRITE")
    tag: str | None = given("What every profile of it is tagged with: `Import <date> <time>` if absent, null: nothing.")


def shown(one: model.Import | None) -> Any:
    """Return what an update of an import shows."""
    return SimpleNamespace(import_=one)
