"""What a mapping is checked for before a row is read, and what is kept of it."""

from datetime import date

import orjson
import pytest

from app.catalog.model import COMPANY, PERSON, AttributeDefinition, Catalog, ItemField
from app.core import clock
from app.core.errors import Refusals
from app.imports.formats import FORMATS
from app.imports.mapping import Column, Entry, Mapping, check_mapping
from app.imports.table import Cell, Row

TYPES = ("STRING", "INTEGER", "DECIMAL", "BOOLEAN", "DATE", "DATE_TIME", "LIST")
COLUMNS = ("id", "Value", "Other")
ID = Entry("id", "externalId")


def catalog() -> Catalog:
    """Return a catalog with one attribute of each type, called as the type is; of companies, `Size`."""
    made = Catalog("a")
    for type_ in TYPES:
        items = (ItemField("n", "INTEGER"),) if type_ == "LIST" else ()
        made.add(AttributeDefinition(f"i{type_}", PERSON, type_, type_, clock.EPOCH, item_fields=items))
    made.add(AttributeDefinition("iSize", COMPANY, "Size", "INTEGER", clock.EPOCH))
    return made


def checked(*entries: Entry, values: tuple[Cell, ...] = (), target: str = PERSON) -> Mapping:
    """Check a mapping of three columns; `values` are the samples of the second one."""
    samples = [Row(line, (f"i{line}", value, "")) for line, value in enumerate(values, start=2)]
    return check_mapping(entries, COLUMNS, samples, target, catalog())


def mapped(field: str, *values: Cell, format: str | None = None) -> Column:  # noqa: A002 - the contract's name
    """Return the second column, mapped beside the external id."""
    return checked(ID, Entry("Value", field, format), values=values).columns[1]


def refused(*entries: Entry, values: tuple[Cell, ...] = (), target: str = PERSON) -> list[tuple[tuple[str, ...], str]]:
    """Return paths and messages of what is refused; its code is always the same."""
    with pytest.raises(Refusals) as error:
        checked(*entries, values=values, target=target)
    assert {refusal.code for refusal in error.value.refusals} == {"MAPPING_INVALID"}
    return [(refusal.path, refusal.message) for refusal in error.value.refusals]


def at(part: str, message: str, place: int = 1) -> list[tuple[tuple[str, ...], str]]:
    """Return the one refusal of an entry."""
    return [(("mapping", str(place), part), message)]


def test_a_mapping_knows_where_each_column_stands() -> None:
    """In the order of the wish, with the kind of its cells."""
    mapping = checked(Entry("Other", "email"), Entry("id", "externalId"), Entry("Value", "customAttributes.integer"))
    assert mapping == Mapping(
        PERSON,
        (
            Column(2, "Other", "email", "EMAIL"),
            Column(0, "id", "externalId", "STRING"),
            Column(1, "Value", "customAttributes.INTEGER", "INTEGER", attribute="INTEGER"),
        ),
    )
    assert mapping.created() == []


def test_a_mapping_is_kept_as_plain_values() -> None:
    """And comes back the same."""
    mapping = checked(ID, Entry("Value", "customAttributes.Shoe.size", None, "DECIMAL"), values=("1,5",))
    document = orjson.loads(orjson.dumps(mapping.to_document()))
    assert Mapping.of_document(document) == mapping
    assert mapping.created() == [("Shoe.size", "DECIMAL")]


@pytest.mark.parametrize("field", ["email", "phone", "externalId"])
def test_one_identifier_is_enough_for_persons(field: str) -> None:
    """Any of the three."""
    assert checked(Entry("id", field)).columns[0].field == field


@pytest.mark.parametrize("field", ["name", "domains", "externalId"])
def test_one_identifier_is_enough_for_companies(field: str) -> None:
    """Any of the three."""
    assert checked(Entry("id", field), target=COMPANY).columns[0].field == field


def test_without_an_identifier_nothing_is_mapped() -> None:
    """The message says what is missing."""
    told = "No row could be told from another: map a column to {}."
    assert refused(Entry("id", "firstName")) == [(("mapping",), told.format("email, phone or externalId"))]
    assert refused(Entry("id", "industry"), target=COMPANY) == [
        (("mapping",), told.format("name, domains or externalId"))
    ]
    assert len(refused()) == 1


def test_a_column_exists() -> None:
    """By its header as it stands there."""
    assert refused(ID, Entry("value", "city")) == at("column", "The file has no column 'value'.")


def test_a_field_exists() -> None:
    """Those of the other target don't."""
    [(path, message)] = refused(ID, Entry("Value", "industry"))
    assert path == ("mapping", "1", "field")
    assert message.startswith("There is no field 'industry'. There are externalId, firstName, ")
    assert message.endswith(" email, phone, tags and customAttributes.<name>.")
    assert checked(ID, Entry("Value", "industry"), target=COMPANY).columns[1].field == "industry"
    assert refused(Entry("id", "email"), target=COMPANY)[-1][0] == ("mapping", "0", "field")


@pytest.mark.parametrize("field", ["email", "phone", "tags"])
def test_fields_with_several_values_take_several_columns(field: str) -> None:
    """Domains of companies as well."""
    assert len(checked(ID, Entry("Value", field), Entry("Other", field)).columns) == 3
    assert len(checked(ID, Entry("Value", "domains"), Entry("Other", "domains"), target=COMPANY).columns) == 3


@pytest.mark.parametrize("field", ["firstName", "customAttributes.STRING"])
def test_other_fields_take_one_column(field: str) -> None:
    """An attribute in any case is the same."""
    again = field.replace("STRING", "string")
    message = f"{field} holds one value; another column is mapped to it already."
    assert refused(ID, Entry("Value", field), Entry("Other", again)) == at("field", message, 2)


def test_one_column_may_fill_two_fields() -> None:
    """An email is often the external id as well."""
    assert len(checked(ID, Entry("id", "email")).columns) == 2


def test_an_attribute_is_defined_or_created() -> None:
    """Nothing is defined by a slip of the pen."""
    message = "There is no attribute 'Size'. Define it first, or say its type by createAttribute."
    assert refused(ID, Entry("Value", "customAttributes.Size")) == at("field", message)
    assert checked(ID, Entry("Value", "customAttributes.Size"), target=COMPANY).columns[1].kind == "INTEGER"
    made = checked(ID, Entry("Value", "customAttributes. Size ", None, "BOOLEAN"))
    assert made.columns[1] == Column(1, "Value", "customAttributes.Size", "BOOLEAN", None, "Size", create=True)


def test_a_created_attribute_has_a_free_name() -> None:
    """In any case; and one that an attribute can have."""
    taken = "STRING is defined already, as STRING: map it without."
    assert refused(ID, Entry("Value", "customAttributes.String", None, "STRING")) == at("createAttribute", taken)
    brackets = "The name of an attribute can't contain any of { } [ ]."
    assert refused(ID, Entry("Value", "customAttributes.a[0]", None, "STRING")) == at("field", brackets)
    empty = "The name of an attribute can't be empty."
    assert refused(ID, Entry("Value", "customAttributes. ", None, "STRING")) == at("field", empty)
    twice = "customAttributes.new holds one value; another column is mapped to it already."
    new = [Entry(column, "customAttributes.new", None, "STRING") for column in ("Value", "Other")]
    assert refused(ID, *new) == at("field", twice, 2)


def test_only_attributes_are_created_and_no_lists() -> None:
    """The fields of a list's items are said beforehand."""
    own = "city is there already; only customAttributes.<name> can be made."
    assert refused(ID, Entry("Value", "city", None, "STRING")) == at("createAttribute", own)
    items = "A LIST says which fields its items have: define it first."
    assert refused(ID, Entry("Value", "customAttributes.new", None, "LIST")) == at("createAttribute", items)


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Each with the place of its entry; what is right is passed over."""
    entries = [
        Entry("nowhere", "nothing"),
        Entry("id", "city", "YYYY"),
        Entry("Value", "birthDate"),
        Entry("id", "city"),
    ]
    assert [path for path, _ in refused(*entries, values=("x",))] == [
        ("mapping",),
        ("mapping", "0", "column"),
        ("mapping", "0", "field"),
        ("mapping", "1", "format"),
        ("mapping", "2", "field"),
        ("mapping", "3", "field"),
    ]


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("email", "Ann", "'Ann': This is not an email address."),
        ("phone", "3.85E+11", "'3.85E+11': The spreadsheet has shortened this number"),
        ("phone", "12", "'12': A phone number has 7 to 15 digits"),
        ("birthDate", "04.05.90", "'04.05.90': The year of a date is written with four digits."),
        ("birthDate", "1850-01-01", "'1850-01-01': A birth date lies between 1900-01-01 and today."),
        ("gender", "Vienna", "'Vienna': This is not a gender"),
        ("firstName", "a&b", "'a&b': A name can't contain &."),
        ("timeZone", "Vienna", "'Vienna': A time zone is written like Europe/Vienna."),
        ("preferredLanguage", "Deutsch", "'Deutsch': A language is written like en or en-GB."),
        ("country", "x" * 51, f"'{'x' * 40}…': This has at most 50 characters."),
        ("tags", "y" * 257, f"'{'y' * 40}…': The name of a tag has at most 256 characters."),
        ("customAttributes.INTEGER", "1.5x", "'1.5x': This is not a number."),
        ("customAttributes.INTEGER", "1.5", "'1.5': This is not a whole number."),
        ("customAttributes.INTEGER", str(2**63), f"'{2**63}': A whole number lies between -2^63 and 2^63-1."),
        ("customAttributes.BOOLEAN", "maybe", "'maybe': This is neither yes nor no"),
        ("customAttributes.DATE_TIME", "soon", "'soon': This is not a date that is written like YYYY-MM-DD."),
        ("customAttributes.LIST", '[{"n": 1}]', "'[{\"n\": 1}]': A list comes from a JSON file"),
        ("customAttributes.LIST", ["a"], "\"['a']\": This takes a list of objects."),
        ("city", ["a", "b"], "\"['a', 'b']\": This is a list or an object; here stands one value."),
    ],
)
def test_one_sample_fits_its_field(field: str, value: Cell, why: str) -> None:
    """By the API's own checks too; the first one that doesn't is shown."""
    [(path, message)] = refused(ID, Entry("Value", field), values=("", value, "-"))
    assert path == ("mapping", "1", "field")
    assert message.startswith(f"No sample of 'Value' fits {field}. {why}")


def test_one_sample_that_fits_is_enough() -> None:
    """The others become errors of their rows; a column without samples fits whatever it is."""
    assert mapped("birthDate", "unknown", "1990-05-04").format == "YYYY-MM-DD"
    assert mapped("birthDate", "", "n/a", None).format == "YYYY-MM-DD"
    assert mapped("customAttributes.LIST", [{"n": 1}]).kind == "LIST"


def test_broken_and_short_rows_are_no_samples() -> None:
    """They show nothing of a column."""
    samples = [Row(2, ("a", "04/05/1990"), "broken"), Row(3, ("a",)), Row(4, ("a", "1990-05-04"))]
    columns = check_mapping([ID, Entry("Value", "birthDate")], COLUMNS, samples, PERSON, catalog()).columns
    assert columns[1].format == "YYYY-MM-DD"


@pytest.mark.parametrize("field", ["birthDate", "customAttributes.DATE", "customAttributes.DATE_TIME"])
@pytest.mark.parametrize(
    ("samples", "format_"),
    [
        (("1990-05-04", "1991-05-04"), "YYYY-MM-DD"),
        (("04.05.1990",), "DD.MM.YYYY"),
        (("4.5.1990", "31.12.1990."), "DD.MM.YYYY"),
        (("4. 5. 1990",), "DD.MM.YYYY"),
        (("04-05-1990",), "DD-MM-YYYY"),
        (("04/05/1990", "31/12/1990"), "DD/MM/YYYY"),
        (("04/05/1990", "12/31/1990"), "MM/DD/YYYY"),
        (("04/05/1990", "1990-05-04", "31/12/1990", "31/31/1990", "soon"), "DD/MM/YYYY"),
        (("04/05/1990 00:00", "12/31/1990 00:00:00"), "MM/DD/YYYY"),
        (("'04.05.1990",), "DD.MM.YYYY"),
        ((date(1990, 5, 4),), "YYYY-MM-DD"),
        ((date(1990, 5, 4), "04.05.1990"), "DD.MM.YYYY"),
    ],
)
def test_samples_settle_the_format_of_dates(field: str, samples: tuple[Cell, ...], format_: str) -> None:
    """ISO beside one pattern; what is no date at all settles nothing."""
    assert mapped(field, *samples).format == format_


def test_dates_that_read_in_two_ways_are_refused() -> None:
    """Until somebody says which one is meant, or writes them as ISO."""
    told = "05/04/1990 may begin with the day or with the month. Say which one by the format DD/MM/YYYY or MM/DD/YYYY, "
    message = f"{told}or write them as YYYY-MM-DD."
    wish = Entry("Value", "birthDate")
    assert refused(ID, wish, values=("05/04/1990", "06/06/1990")) == at("format", message)
    for format_ in ("DD/MM/YYYY", "MM/DD/YYYY"):
        assert mapped("birthDate", "05/04/1990", "06/06/1990", format=format_).format == format_


@pytest.mark.parametrize(
    "samples", [("31/12/1990", "12/31/1990"), ("04.05.1990", "04-05-1990"), ("04.05.1990", "31/12/1990")]
)
def test_dates_written_in_several_ways_are_refused(samples: tuple[str, str]) -> None:
    """No one pattern fits all of them."""
    message = "The dates of this column are written in several ways. Write them as YYYY-MM-DD."
    assert refused(ID, Entry("Value", "birthDate"), values=samples) == at("format", message)


@pytest.mark.parametrize("field", ["customAttributes.DECIMAL", "customAttributes.INTEGER"])
@pytest.mark.parametrize(
    ("samples", "format_"),
    [
        (("1234", "-5"), None),
        ((1234, 5.0), None),
        (("1,234", "1,234,567"), "1,234.56"),
        (("1,234", "5.0"), "1,234.56"),
        (("1.234", "1.234.567"), "1.234,56"),
        (("1.234", "5,0"), "1.234,56"),
        (("0.125", "1"), "1,234.56"),
        (("1 234", "5,0"), "1.234,56"),
        (("1 234", "7"), None),
        (("1.234", "5,0", "many"), "1.234,56"),
        (("1234.567", "8"), "1,234.56"),
    ],
)
def test_samples_settle_the_decimal_sign(field: str, samples: tuple[Cell, ...], format_: str | None) -> None:
    """By what all of them allow; where none has a sign there is nothing to settle."""
    assert mapped(field, *samples).format == format_


@pytest.mark.parametrize("field", ["customAttributes.DECIMAL", "customAttributes.INTEGER"])
def test_numbers_that_read_in_two_ways_are_refused(field: str) -> None:
    """Until somebody says which sign is the decimal one."""
    told = "{} in two ways. Say which one by the format 1.234,56 or 1,234.56."
    assert refused(ID, Entry("Value", field), values=("7", "1,234")) == at("format", told.format("1,234 reads"))
    mixed = "The decimal sign of this column is now a comma, now a point. "
    [(path, message)] = refused(ID, Entry("Value", field), values=("1.5", "1,5"))
    assert (path, message.startswith(mixed)) == (("mapping", "1", "format"), True)
    assert mapped(field, "7", "1,234", format="1,234.56").format == "1,234.56"


@pytest.mark.parametrize("type_", TYPES)
def test_only_dates_and_numbers_have_a_format(type_: str) -> None:
    """One of those that are listed, written as they are listed."""
    wish = Entry("Value", f"customAttributes.{type_}")
    known = FORMATS.get(type_)
    if known is None:
        message = "Only a column of dates or numbers has a format."
    else:
        message = f"There is no format 'yyyy' for it. There are {' and '.join(known)}."
        for one in known:
            assert checked(ID, wish._replace(format=one)).columns[1].format == one
    assert refused(ID, wish._replace(format="yyyy")) == at("format", message)


def test_a_given_format_fits_a_sample() -> None:
    """Else it is the wrong one."""
    [(path, message)] = refused(ID, Entry("Value", "birthDate", "MM/DD/YYYY"), values=("31/12/1990",))
    assert path == ("mapping", "1", "field")
    assert message.endswith("'31/12/1990': There is no such day, read as MM/DD/YYYY.")
