"""Stories X9: the file of what failed, repaired, gives what the original would have given."""

import json
from datetime import date, datetime
from typing import Any

import pytest

from app.imports import objects
from app.imports.header import header
from app.imports.table import COLUMNS_MAX, Unreadable
from tests.api import ATTRIBUTE, Api
from tests.stories import files
from tests.stories.files import downloaded, uploaded
from tests.stories.importing import MAP, Import, imported, mapped, ran, reverted

# All rows but the last, which shows what the columns are, fail by this; repaired it is a phone number.
BAD, GOOD = "phone ", "3859112345"
KINDS = {"amount": "DECIMAL", "size": "INTEGER", "seen": "DATE_TIME", "day": "DATE", "note": "STRING"}
# A spreadsheet knows no zones.
NIGHT, MIDNIGHT = datetime.fromisoformat("2020-01-02T03:04:05"), datetime.fromisoformat("2020-01-03T00:00")
SHEET: list[list[Any]] = [
    ["email", "phone", "tags", *KINDS],
    ["a@x.example", "phone 1", "x; y", 1.234, 41.0, NIGHT, date(2020, 1, 2), 1010],
    ["b@x.example", "phone 2", "z", 12.345, 2**53, date(2020, 1, 3), MIDNIGHT, date(2020, 1, 3)],
    ["c@x.example", "phone 3", 5, 100.001, -3, None, None, NIGHT],
    ["d@x.example", "phone 4", "=x", -0.0001234, 0, None, None, "01010"],
    ["right@x.example", "38591999999", None, None, None, None, None, None],
]
ITEMS = [{"sku": "a; b", "n": 1.5}, {"sku": "01"}]
OBJECTS: list[dict[str, Any]] = [
    {"email": "a@x.example", "phone": "phone 1", "tags": ["x;y", "z"], "amount": 1.234, "orders": ITEMS, "size": 2**62},
    {"email": ["b@x.example", "c@x.example"], "phone": ["phone 2"], "amount": 12.345, "orders": [], "note": True},
    {"email": "d@x.example", "phone": "phone 3", "note": '["a"]', "home": {"city": "Graz, Mitte"}, "size": 5.0},
    {"email": "right@x.example", "phone": "38591999999"},
]
PEOPLE = "{ persons { nodes { emails { address } phones { number } tags city customAttributes } } }"


async def define(api: Api) -> None:
    """Define the attributes that the files are about."""
    fields = [{"name": "sku", "type": "STRING"}, {"name": "n", "type": "DECIMAL"}]
    wanted: list[dict[str, Any]] = [{"name": name, "type": kind} for name, kind in KINDS.items()]
    for one in (*wanted, {"name": "orders", "type": "LIST", "itemFields": fields}):
        assert (await api(ATTRIBUTE, input={"target": "PERSON", **one}))["errors"] == []


async def people(api: Api) -> list[dict[str, Any]]:
    """Return who is there; items of lists without their ids."""
    nodes: list[dict[str, Any]] = (await api(PEOPLE))["nodes"]
    for one in nodes:
        for item in one["customAttributes"].get("orders", []):
            del item["__id"]
    return sorted(nodes, key=lambda one: str(one["emails"]))


async def failed(api: Api, data: bytes, name: str) -> tuple[Import, bytes]:
    """Import a file of which all rows but one fail; returns the import, and the file of what failed."""
    one = await uploaded(api, data, name)
    fields = {column["name"]: column["suggestion"] for column in one["columns"] if column["suggestion"]}
    done = await ran(api, await mapped(api, one, fields, tag=None))
    assert done["counts"]["failed"] == done["counts"]["rows"] - 1, done["rowErrors"]
    return done, await downloaded(api, f"/imports/{done['id']}/errors.csv")


async def got(api: Api, data: bytes, name: str, first: Import) -> list[dict[str, Any]]:
    """Return who is there by a file that is mapped as another one was, and take it back."""
    one = await uploaded(api, data, name)
    payload = await api(MAP, id=one["id"], input={"mapping": first["mapping"], "tag": None})
    assert payload["errors"] == [], payload
    done = await ran(api, payload["import"])
    assert done["state"] == "DONE", done["rowErrors"]
    found = await people(api)
    assert (await reverted(api, done))["reverted"]["kept"] == 0
    return found


def repaired(file: bytes) -> bytes:
    """Return a file with numbers that are right."""
    return file.replace(BAD.encode(), GOOD.encode())


@pytest.mark.parametrize("made", [files.xlsx, files.xls])
async def test_what_failed_of_a_workbook_is_repaired(api: Api, made: Any) -> None:
    """G numbers, dates, moments and tags in rows that fail W the file is repaired T all is as by a right workbook."""
    await define(api)
    first, file = await failed(api, made(SHEET), f"people.{made.__name__}")
    right = [[cell.replace(BAD, GOOD) if isinstance(cell, str) else cell for cell in row] for row in SHEET]
    wanted = await got(api, made(right), f"people.{made.__name__}", first)
    assert await got(api, repaired(file), "errors.csv", first) == wanted
    kept = [one["customAttributes"] for one in wanted[:-1]]
    assert [one["amount"] for one in kept] == [1.234, 12.345, 100.001, -0.0001234]
    assert [one["note"] for one in kept] == ["1010", "2020-01-03", "2020-01-02T03:04:05.000Z", "01010"]


@pytest.mark.parametrize("name", ["people.json", "people.ndjson", "people.zip"])
async def test_what_failed_of_json_is_repaired(api: Api, name: str) -> None:
    """G lists, numbers and nested fields in rows that fail W the file is repaired T all is as by right JSON."""
    await define(api)
    listed = json.dumps(OBJECTS).encode()
    data = {
        "people.json": listed,
        "people.ndjson": b"\n".join(json.dumps(one).encode() for one in OBJECTS),
        "people.zip": files.packed({"people.json": listed}),
    }[name]
    first, file = await failed(api, data, name)
    assert [json.loads(line)["error"] for line in file.splitlines()] == [
        one["message"] for one in first["rowErrors"]["nodes"]
    ]
    wanted = await got(api, repaired(listed), "people.json", first)
    assert await got(api, repaired(file), "errors.ndjson", first) == wanted
    assert [one["tags"] for one in wanted] == [["x;y", "z"], [], [], []]
    assert wanted[0]["customAttributes"] == {"amount": 1.234, "orders": ITEMS, "size": 2**62}


async def test_a_number_that_was_shortened_stays_one(api: Api) -> None:
    """G whole numbers that a spreadsheet has rounded, in columns of texts W nobody repairs them T they fail again."""
    sheet: list[list[Any]] = [
        ["id", "city", "tags", "email"],
        [2.0**60, None, None, "a@x.example"],
        [None, 2.0**60, None, "b@x.example"],
    ]
    sheet += [[None, None, -(2.0**60), "c@x.example"], ["x", "1.5e+18", "t", "right@x.example"]]
    first, file = await failed(api, files.xlsx(sheet), "people.xlsx")
    again, same = await failed(api, file + b'"x","y","t","right@x.example",""\r\n', "errors.csv")
    assert [one["message"] for one in again["rowErrors"]["nodes"]] == [
        one["message"] for one in first["rowErrors"]["nodes"]
    ]
    assert (len(again["rowErrors"]["nodes"]), same) == (3, file)


@pytest.mark.parametrize("suffix", ["csv", "ndjson"])
async def test_a_file_of_as_many_columns_as_there_may_be_is_repaired(api: Api, suffix: str) -> None:
    """G a row of it fails W the file of errors comes T the column that it has more is no reason to refuse it."""
    names = ["email", "phone", *(f"c{place}" for place in range(COLUMNS_MAX - 2))]
    table = [names, ["a@x.example", "phone 1", *names[2:]], ["right@x.example", "38591999999", *names[2:]]]
    made = files.text(table) if suffix == "csv" else files.lines(table)
    first, file = await failed(api, made, f"people.{suffix}")
    assert len(first["columns"]) == COLUMNS_MAX
    wanted = await got(api, repaired(made), f"people.{suffix}", first)
    assert await got(api, repaired(file), f"errors.{suffix}", first) == wanted
    with pytest.raises(Unreadable):
        header([*names, "c", "error"])


async def test_cells_beyond_the_header_are_in_the_file(api: Api) -> None:
    """W a row is longer than the header T its cells are behind the error, and it fails until they are in order."""
    first, file = await failed(api, b"email,city\na@x.example,Graz, Mitte,=8010\nb@x.example,Linz\n", "people.csv")
    (error,) = first["rowErrors"]["nodes"]
    assert error["values"] == {"email": "a@x.example", "city": "Graz", "Column 3": " Mitte", "Column 4": "=8010"}
    assert file.decode("utf-8-sig").splitlines()[1].endswith('quotes."," Mitte","\'=8010"')
    again, _ = await failed(api, file + b"b@x.example,Linz,\r\n", "errors.csv")
    assert "Put what belongs together in quotes" in again["rowErrors"]["nodes"][0]["message"]
    right = b'email,city,error\na@x.example,"Graz, Mitte, 8010",\n'
    assert [one["city"] for one in await got(api, right, "errors.csv", first)] == ["Graz, Mitte, 8010", "Linz"]


async def test_fields_that_have_no_column_are_in_the_file(api: Api) -> None:
    """W an object of JSON has a field that none of the first 1,000 has T it is there, by its name."""
    lines = [json.dumps({"email": "b@x.example", "city": "Graz"}), *['{"email": "none"}'] * 999]
    last = {"email": "a@x.example", "zip": 8010.5, "city": None}
    first, file = await failed(api, "\n".join([*lines, json.dumps(last)]).encode(), "people.ndjson")
    told = json.loads(file.splitlines()[-1])
    assert told.pop("error").startswith("The field 'zip' has no column")
    assert told == last
    assert first["mapping"][0]["field"] == "email"


async def test_a_file_of_many_fields_can_be_imported_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """W objects have all columns that there may be, and later ones more T what has no room is left out, and said."""
    monkeypatch.setattr(objects, "SAMPLE_OBJECTS", 2)
    known = {"email": "c@x.example", **{f"f{number}": "x" for number in range(COLUMNS_MAX - 2)}}
    last = [{"email": "a@x.example", "zip": 8010}, {"email": "b@x.example", "zip": 1010, "street": "Ring"}]
    lines = [known, {"email": "none"}, *last]
    _, file = await failed(api, "\n".join(map(json.dumps, lines)).encode(), "people.ndjson")
    _, one, two = map(json.loads, file.splitlines())
    assert (one["zip"], two["zip"], "street" in two) == (8010, 1010, False)
    assert ("left out" in one["error"], "left out" in two["error"]) == (False, True)
    assert len((await uploaded(api, file, "errors.ndjson"))["columns"]) == COLUMNS_MAX + 1


async def test_reasons_that_differ_in_whom_they_name_are_one(api: Api) -> None:
    """W rows match several persons, each of them others T they are one group; each row says whom it matches."""
    for name in "abcd":
        await api.made(emails=[{"address": f"{name}@x.example"}])
    rows = "Email,Email 2\na@x.example,b@x.example\nc@x.example,d@x.example\n"
    done = await imported(api, rows, {"Email": "email", "Email 2": "email"})
    (group,) = done["errorGroups"]
    assert (group["message"], group["rows"]) == ("This row matches several persons: ….", 2)
    assert len({one["message"] for one in done["rowErrors"]["nodes"]}) == 2
