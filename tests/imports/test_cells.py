"""Rows to what a client of the API would send."""

from typing import Any

import pytest

from app.catalog.checks import Listing
from app.catalog.model import COMPANY, PERSON, AttributeDefinition, Catalog
from app.companies import wish as company
from app.core import clock
from app.core.errors import Refusals
from app.imports import cells
from app.imports.cells import Converted, Converter
from app.imports.mapping import Entry, check_mapping
from app.imports.table import Cell, Row
from app.persons import wish as person


def catalog() -> Catalog:
    """Return a catalog with two attributes of persons."""
    made = Catalog("a")
    for name, type_ in (("Shoe size", "DECIMAL"), ("Member", "BOOLEAN")):
        made.add(AttributeDefinition(name, PERSON, name, type_, clock.EPOCH))
    return made


def converter(*fields: str, target: str = PERSON, **formats: str) -> Converter:
    """Return the converter of a file whose headers are the fields in capitals."""
    entries = [Entry(field.upper(), field, formats.get(field)) for field in fields]
    return Converter(check_mapping(entries, [field.upper() for field in fields], [], target, catalog()))


def convert(values: dict[str, Cell], target: str = PERSON, **formats: str) -> Converted:
    """Convert one row, given by its fields."""
    return converter(*values, target=target, **formats).convert(Row(2, tuple(values.values())))


PERSONS_ROW: dict[str, Cell] = {
    "externalId": " K-1 ",
    "firstName": "Anna",
    "lastName": "O'Neil",
    "gender": "weiblich",
    "birthDate": "04.05.1990",
    "preferredLanguage": "de-AT",
    "timeZone": "Europe/Vienna",
    "profilePicture": "https://x.at/a.png",
    "email": "Ann@X.at; b@x.at",
    "phone": "436601234567.0",
    "tags": "vip; new",
    "customAttributes.shoe SIZE": "38,5",
    "customAttributes.Member": "ja",
}
COMPANIES_ROW: dict[str, Cell] = {
    "name": " Firma GmbH ",
    "externalId": 17.0,
    "domains": "https://www.firma.at/de; firma.com",
    "vatNumber": "ATU12345678",
    "tags": ["vip"],
}


def test_a_row_becomes_what_a_client_would_send_of_a_person() -> None:
    """Contacts and tags are added; the API's own checks take it."""
    given = convert(PERSONS_ROW, birthDate="DD.MM.YYYY").given
    assert given == person.Given(
        scalars={
            "external_id": "K-1",
            "first_name": "Anna",
            "last_name": "O'Neil",
            "gender": "FEMALE",
            "birth_date": "1990-05-04",
            "preferred_language": "de-AT",
            "time_zone": "Europe/Vienna",
            "profile_picture": "https://x.at/a.png",
        },
        emails=Listing(add=[("Ann@X.at", None), ("b@x.at", None)]),
        phones=Listing(add=[("436601234567", None)]),
        tags=Listing(add=["vip", "new"]),
        attributes={"Shoe size": 38.5, "Member": True},
    )
    assert isinstance(given, person.Given)
    assert person.check(given, catalog()).attributes == {"Shoe size": 38.5, "Member": True}


def test_a_row_becomes_what_a_client_would_send_of_a_company() -> None:
    """Domains and tags are added; the API's own checks take it."""
    given = convert(COMPANIES_ROW, COMPANY).given
    assert given == company.Given(
        scalars={"name": "Firma GmbH", "external_id": "17", "vat_number": "ATU12345678"},
        domains=Listing(add=["firma.at", "firma.com"]),
        tags=Listing(add=["vip"]),
    )
    assert isinstance(given, company.Given)
    assert company.check(given, catalog()).scalars["name"] == "Firma GmbH"


@pytest.mark.parametrize("absent", ["", " ", "-", "n/a", "NULL", None])
@pytest.mark.parametrize(
    ("row", "target", "nothing"), [(PERSONS_ROW, PERSON, person.Given()), (COMPANIES_ROW, COMPANY, company.Given({}))]
)
def test_absent_cells_are_left_out(row: dict[str, Cell], target: str, nothing: Any, absent: Cell) -> None:
    """In every column; so they clear nothing."""
    assert convert(dict.fromkeys(row, absent), target) == Converted(nothing, [])


def test_a_short_row_is_filled_with_absent_cells() -> None:
    """What follows the last column is nobody's."""
    made = converter("externalId", "firstName", "email")
    assert made.convert(Row(2, ("K-1",))).given.scalars == {"external_id": "K-1"}
    assert made.convert(Row(3, ("K-1", "A", "a@x.at", "more"))).given.scalars == {
        "external_id": "K-1",
        "first_name": "A",
    }


def test_every_problem_of_a_row_is_told_with_its_header() -> None:
    """And the rest of the row is there all the same."""
    row: dict[str, Cell] = {
        "externalId": "K-1",
        "birthDate": "4.5.90",
        "phone": "3.85E+11",
        "customAttributes.Member": "?",
    }
    converted = convert(row)
    assert converted.given.scalars == {"external_id": "K-1"}
    assert converted.problems == [
        ("BIRTHDATE", "The year of a date is written with four digits."),
        ("CUSTOMATTRIBUTES.MEMBER", "This is neither yes nor no: write true or false."),
        ("PHONE", "The spreadsheet has shortened this number: format the column as text there and export it again."),
    ]


def test_columns_of_one_field_are_put_together() -> None:
    """In the order of the mapping."""
    entries = [Entry("b", "email"), Entry("a", "email"), Entry("c", "tags"), Entry("a", "tags")]
    made = Converter(check_mapping(entries, ["a", "b", "c"], [], PERSON, catalog()))
    for _ in range(2):
        given = made.convert(Row(2, ("1@x.at; 2@x.at", "3@x.at", "t"))).given
        assert isinstance(given, person.Given)
        assert given.emails == Listing(add=[("3@x.at", None), ("1@x.at", None), ("2@x.at", None)])
        assert given.tags == Listing(add=["t", "1@x.at", "2@x.at"])


def test_rows_share_nothing_that_could_be_changed() -> None:
    """What is remembered of a text stays as it is."""
    made = converter("email", "tags")
    row = Row(2, ("a@x.at", "x; y"))
    first = made.convert(row).given
    assert first.tags is not None
    first.tags.add.append("z")
    again = made.convert(row).given
    assert again.tags == Listing(add=["x", "y"])


def test_cells_that_compare_equal_are_told_apart() -> None:
    """1, 1.0, true and "1" are one key of a dict."""
    made = converter("externalId", "firstName")
    values = ("1", True, 1, 1.0, "true", False, 0)
    texts = ["1", "true", "1", "1", "true", "false", "0"]
    assert [made.convert(Row(2, (value, value))).given.scalars["first_name"] for value in values] == texts


def test_what_texts_become_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that never repeats grows nothing without end, and long texts are not kept."""
    monkeypatch.setattr(cells, "CELL_CACHE", 3)
    made = converter("externalId")
    [(_, _, known, *_)] = made._scalars
    for number in [*range(10), *range(10)]:
        assert made.convert(Row(2, (f" {number} ",))).given.scalars == {"external_id": str(number)}
        assert len(known) <= 3
    long = "x" * (cells.CELL_CHARACTERS + 1)
    assert made.convert(Row(2, (long,))).given.scalars == {"external_id": long}
    assert long not in known
    assert known[" 9 "] == "9"


def refused(made: Converter, row: Row) -> list[str | None]:
    """Return the headers that the refusals of the API's checks lead to."""
    given = made.convert(row).given
    check: Any = person.check if isinstance(given, person.Given) else company.check
    with pytest.raises(Refusals) as error:
        check(given, catalog())
    return [made.column(refusal.path, row) for refusal in error.value.refusals]


def test_refusals_of_the_api_lead_to_their_column() -> None:
    """By the path, of contacts by the cell that held them."""
    names = ["id", "first", "mail", "more mails", "phone", "tags", "size"]
    fields = ["externalId", "firstName", "email", "email", "phone", "tags", "customAttributes.Shoe size"]
    entries = [Entry(*pair) for pair in zip(names, fields, strict=True)]
    made = Converter(check_mapping(entries, names, [], PERSON, catalog()))
    row = Row(2, ("null ", "A&B", "a@x.at; b", "c@x.at; d", "12", "x" * 257, "1e999"))
    assert refused(made, row) == ["first", "mail", "more mails", "phone", "tags", "size"]
    assert refused(made, Row(3, ("Null", "", "", "b"))) == ["id", "more mails"]
    many = Row(4, ("K", "", "", ";".join(f"{n}@x.at" for n in range(101))))
    assert refused(made, many) == ["more mails"]


def test_refusals_of_a_company_lead_to_their_column() -> None:
    """Its domains as well; one that no column holds leads nowhere."""
    made = converter("name", "domains", "notes", target=COMPANY)
    assert refused(made, Row(2, ("x" * 256, "a.at; b", "y" * 1024))) == ["NAME", "NOTES", "DOMAINS"]
    assert made.column(("industry",), Row(2, ("x", "", ""))) is None
    assert made.column(("domains", "7"), Row(2, ("x", "a.at", ""))) is None
