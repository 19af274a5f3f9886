"""The options of `profiles import`, and what is sent of them; light, for every command loads it."""

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

_FORMAT = re.compile(r"(?P<field>.+):(?P<format>[DMY]+[./-][DMY]+[./-][DMY]+|1[.,]234[.,]56)")


class TargetKind(StrEnum):
    """What rows are."""

    person = "person"
    company = "company"


class PersonKind(StrEnum):
    """What persons are."""

    lead = "lead"
    customer = "customer"


class DuplicateKind(StrEnum):
    """What a row does with who is there."""

    skip = "skip"
    rewrite = "rewrite"


def _writable(path: Path | None) -> Path | None:
    """Return a path, refused before anything is done where no file can be written there."""
    if path is None:
        return None
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder.")
    part = part_of(path)
    try:
        part.touch()
        part.unlink()
    except OSError as error:
        raise typer.BadParameter(f"{path} can't be written: {error.strerror}.") from error
    return path


def part_of(path: Path) -> Path:
    """Return where a file is written until it is whole."""
    return path.with_name(f"{path.name}.part")


File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The table, or a ZIP of it.")]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="COLUMN=FIELD", help="A column and its field; `=FIELD:FORMAT` for dates, numbers."),
]
Target = Annotated[TargetKind, typer.Option(help="What its rows are.")]
Type = Annotated[PersonKind | None, typer.Option("--type", help="What its persons are; leads by default.")]
Duplicates = Annotated[DuplicateKind, typer.Option(help="What a row does with who is there.")]
Tag = Annotated[str | None, typer.Option(help="A tag for all of them; by default it names day and time.")]
NoTag = Annotated[bool, typer.Option("--no-tag", help="No tag.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Write nothing, only see what would happen.")]
Errors = Annotated[
    Path | None, typer.Option(metavar="OUT.csv", callback=_writable, help="Where to write the rows that failed.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Take the suggested fields without a question.")]
Url = Annotated[str, typer.Option(help="Address of the service.")]
Key = Annotated[str, typer.Option(help="A key with PEOPLE_READ and PEOPLE_MANAGE.")]


def entries(given: Sequence[str] | None) -> list[dict[str, str]] | None:
    """Return the mapping that was given, None where nothing was; a column may have any character, also `=`."""
    return [_entry(one) for one in given] if given else None


def _entry(text: str) -> dict[str, str]:
    column, _, field = text.rpartition("=")
    if not (column and field):
        raise typer.BadParameter(f"{text!r} is no COLUMN=FIELD.", param_hint="--map")
    found = _FORMAT.fullmatch(field)
    return {"column": column, "field": field} if found is None else {"column": column, **found.groupdict()}


def making(target: TargetKind, kind: PersonKind | None) -> dict[str, str]:
    """Return what createImport is told."""
    if kind is not None and target != TargetKind.person:
        raise typer.BadParameter("Only persons have a type.", param_hint="--type")
    return {"target": target.upper(), **({"personType": kind.upper()} if kind else {})}


def handling(duplicates: DuplicateKind, tag: str | None, *, no_tag: bool) -> dict[str, str | None]:
    """Return what mapImport is told; without a tag it is left to the service."""
    if no_tag and tag is not None:
        raise typer.BadParameter("Give a tag or none.", param_hint="--no-tag")
    told: dict[str, str | None] = {"duplicates": duplicates.upper()}
    return {**told, "tag": tag} if no_tag or tag is not None else told
