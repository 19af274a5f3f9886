"""Stories X1, X2, X4, X5 and X9: one data set in any file, and the file of what failed."""

import asyncio
from datetime import date
from typing import Any

import psutil
import pytest

from app.core import clock
from app.graph.operation import OPERATION_SECONDS
from app.imports import sheets, store
from app.imports.fields import FIELDS
from app.imports.store import CHUNKS, JOBS
from app.mongo.engine import Delete, Engine, Insert, Update
from app.mongo.twin import Twin
from tests import api as apis
from tests.api import Api, opened
from tests.stories import files
from tests.stories.files import cells, downloaded, uploaded
from tests.stories.importing import CREATE, MAP, RUN, created, followed, imported, mapped, ran, reverted

HEADER = ["First name", "Last name", "E-mail", "Mobile", "Birthday", "City"]
PEOPLE: list[list[Any]] = [
    HEADER,
    ["Žana", "Ćosić", "zana@b.example; z@b.example", "+385 91 123 4567", date(1980, 5, 4), "Zagreb"],
    ["Bob", "O'Neil", "bob@c.example", None, date(1975, 12, 31), "Graz,\nMitte"],
    ["Chloé", None, None, "+33612345678", None, 'the "Île"'],
]
FORMATS = {
    "people.csv": files.text(PEOPLE),
    "people.txt": files.text(PEOPLE, "\t"),
    "people.xlsx": files.xlsx(PEOPLE),
    "people.xls": files.xls(PEOPLE),
    "people.json": files.listed(PEOPLE),
    "people.ndjson": files.lines(PEOPLE),
    "people.zip": files.packed({"people.csv": files.text(PEOPLE)}),
}
PERSONS = """{ persons { nodes { firstName lastName birthDate city type tags
  emails { address primary } phones { number } } } }"""


async def profiles(api: Api) -> list[dict[str, Any]]:
    """Return who is there, by name."""
    nodes: list[dict[str, Any]] = (await api(PERSONS))["nodes"]
    return sorted(nodes, key=lambda one: str(one["firstName"]))


async def test_one_data_set_in_any_format_gives_the_same_profiles(api: Api) -> None:
    """X1 G one data set as CSV, TXT, XLSX, XLS, JSON, NDJSON and ZIP W each is imported T the same profiles."""
    found = {}
    for name, data in FORMATS.items():
        one = await uploaded(api, data, name)
        assert one["format"] == name.rpartition(".")[2].upper()
        done = await ran(api, await mapped(api, one, tag=None))
        assert (done["state"], done["counts"]["created"]) == ("DONE", 3), (name, done)
        found[name] = await profiles(api)
        assert (await reverted(api, done))["reverted"]["kept"] == 0
    first = found["people.csv"]
    assert [one["city"] for one in first] == ["Graz,\nMitte", 'the "Île"', "Zagreb"]
    assert first[0]["birthDate"] == "1975-12-31"
    assert {name: one == first for name, one in found.items()} == dict.fromkeys(FORMATS, True)


async def test_a_workbook_that_takes_long_is_failed_before_its_time_is_over(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W a workbook takes longer than a call may T the import is FAILED, with what to do; a run has longer."""
    assert sheets.WORKBOOK_LOOK_SECONDS_MAX < OPERATION_SECONDS < sheets.WORKBOOK_SECONDS_MAX
    one = await mapped(api, await uploaded(api, FORMATS["people.xlsx"], "people.xlsx"), tag=None)
    monkeypatch.setattr(sheets, "WORKBOOK_LOOK_SECONDS_MAX", 0.001)
    sent = await api.http.post(
        "/uploads?fileName=people.xlsx",
        content=FORMATS["people.xlsx"],
        headers={"Authorization": f"Bearer {api.key}", "Content-Type": "application/octet-stream"},
    )
    late = (await api(CREATE, input={"uploadId": sent.json()["uploadId"]}))["import"]
    assert late["state"] == "FAILED"
    assert "too large to be read" in late["rowErrors"]["nodes"][0]["message"]
    assert (await ran(api, one))["state"] == "DONE"


TEXT = files.text(PEOPLE).decode()
WAYS = {
    "a BOM": TEXT.encode("utf-8-sig"),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16 LE": TEXT.encode("utf-16-le"),
    "semicolons": files.text(PEOPLE, ";"),
    "all in quotes": files.text(PEOPLE, ";", quoting=1),
    "bars": files.text(PEOPLE, "|"),
    "a sep= line": b"sep=;\r\n" + files.text(PEOPLE, ";"),
}


async def test_charsets_and_dialects_are_found_out(api: Api) -> None:
    """X2 G UTF-8 BOM, UTF-16, `;` delimiter, quoted newlines W imported T right."""
    wanted = None
    for way, data in WAYS.items():
        done = await ran(api, await mapped(api, await uploaded(api, data, "people.csv"), tag=None))
        assert (done["state"], done["counts"]["created"]) == ("DONE", 3), (way, done)
        found = await profiles(api)
        wanted = wanted or found
        assert found == wanted, way
        await reverted(api, done)
    assert [one["city"] for one in wanted or ()] == ["Graz,\nMitte", 'the "Île"', "Zagreb"]


async def test_a_zip_with_two_files_is_the_first(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """X4 G a file that is too large T refused with the advice to zip; G a zip with 2 files T the first only."""
    monkeypatch.setattr("app.web.uploads.UPLOAD_BYTES_MAX", 1_000)
    headers = {"Authorization": f"Bearer {api.key}"}
    large = files.text([["email"], *([f"p{number}@b.example"] for number in range(100))])
    answer = await api.http.post("/uploads", files={"file": ("people.csv", large)}, headers=headers)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert "ZIP" in error["message"]
    both = files.packed({"__MACOSX/x": b"y", "people.csv": large, "more.csv": files.text(PEOPLE)})
    one = await uploaded(api, both, "people.zip")
    assert any("more.csv" in notice for notice in one["detected"]["notices"])
    done = await ran(api, await mapped(api, one))
    assert (done["state"], done["counts"]["created"]) == ("DONE", 100)


@pytest.mark.often
async def test_twenty_thousand_rows_are_followed_in_bounded_memory() -> None:
    """X5 G 20,000 rows W imported T progress comes, the counters add up, memory is bounded."""
    rows = 20_000
    data = files.text([["email", "firstName"], *([f"p{number}@b.example", "Ann"] for number in range(rows))])
    async with opened(Counting()) as api:
        one = await mapped(api, await uploaded(api, data, "people.csv"), tag=None)
        before = psutil.Process().memory_info().rss
        await api(RUN, id=one["id"], mode="DRY_RUN")
        steps = await followed(api, one["id"])
        more = psutil.Process().memory_info().rss - before
    seen = [step["counts"]["processed"] for step in steps]
    assert (seen[-1], steps[-1]["counts"]["created"], steps[-1]["state"]) == (rows, rows, "CHECKED")
    assert len(seen) > 3
    assert seen == sorted(seen)
    assert more < 64 * 2**20


class Counting(Twin):
    """A twin on which others have their turn as on a real store."""

    async def unit(self, work: Any) -> Any:
        """Do a unit, a moment later."""
        await asyncio.sleep(0)
        return await super().unit(work)


BROKEN = [
    HEADER,
    ["=1+1", "Ćosić", "no email; z@b.example", "+385911234567", "04/05/1980", "Zagreb"],
    ["Bob", "Cole", "bob@c.example", "", "13/05/1980", "Graz"],
    ["+49 tel", 'the "one"', "none", "-5", "05/05/1980", "two\nlines; of it"],
    ["Dora", "Day", "dora@c.example", "@x", "06/05/1980", "-"],
]


async def errors_of(api: Api, one: dict[str, Any]) -> bytes:
    """Return the file of what failed."""
    return await downloaded(api, f"/imports/{one['id']}/errors.csv")


async def test_what_failed_is_repaired_and_imported_again(api: Api) -> None:
    """X9 G rows that failed W their file is repaired, and imported as the original was T they are in, nothing twice."""
    first = await ran(api, await mapped(api, await uploaded(api, files.text(BROKEN, ";"), "my people.csv"), tag=None))
    assert (first["state"], first["counts"]["created"], first["counts"]["failed"]) == ("DONE_WITH_ERRORS", 1, 3)
    given = {column["column"]: column for column in first["mapping"]}
    file = await errors_of(api, first)
    rows = cells(file, ";")
    assert list(rows[0]) == [*HEADER, "error"]
    assert [row["First name"] for row in rows] == ["'=1+1", "'+49 tel", "Dora"]
    assert [row["Mobile"] for row in rows] == ["+385911234567", "-5", "'@x"]
    assert [row["error"] for row in rows] == [one["message"] for one in first["rowErrors"]["nodes"]]
    # Once more as it is: the same rows fail, for the same reasons.
    again = await ran(api, await once_more(api, file, given))
    assert [row | {"error": ""} for row in cells(await errors_of(api, again), ";")] == [
        row | {"error": ""} for row in rows
    ]
    repaired = file.decode().replace("no email; ", "").replace("none", "e@c.example").replace("'@x", "")
    repaired = (
        repaired.replace("'=1+1", "Ana").replace("'+49 tel", "Eva").replace('"-5"', '""').replace('the ""one""', "One")
    )
    last = await ran(api, await once_more(api, repaired.encode(), given))
    assert (last["state"], last["counts"]["created"]) == ("DONE", 3), last["rowErrors"]
    found = {one["firstName"]: (one["birthDate"], one["city"]) for one in await profiles(api)}
    assert found == {
        "Ana": ("1980-05-04", "Zagreb"),
        "Bob": ("1980-05-13", "Graz"),
        "Eva": ("1980-05-05", "two\nlines; of it"),
        "Dora": ("1980-05-06", None),
    }


async def once_more(api: Api, file: bytes, given: dict[str, Any]) -> dict[str, Any]:
    """Map a file as the original was."""
    one = await uploaded(api, file, "errors.csv")
    payload = await api(MAP, id=one["id"], input={"mapping": list(given.values()), "tag": None})
    assert payload["errors"] == [], payload
    mapped_one: dict[str, Any] = payload["import"]
    return mapped_one


async def test_what_an_undo_kept_is_in_the_file(api: Api) -> None:
    """Behind the failed rows, with the row; a workbook's file has commas, and its dates as they were."""
    table: list[list[Any]] = [
        ["email", "firstName", "birthDate"],
        ["a@b.example", "Ann", None],
        ["none", "Bob", date(1980, 5, 4)],
    ]
    one = await ran(api, await mapped(api, await uploaded(api, files.xlsx(table), "people.xlsx"), tag=None))
    await api(apis.UPDATE, by={"email": "a@b.example"}, input={"lastName": "Berg"})
    back = await reverted(api, one)
    assert back["reverted"]["kept"] == 1
    failed, kept = cells(await errors_of(api, back))
    assert (failed["email"], failed["firstName"], failed["birthDate"]) == ("none", "Bob", "1980-05-04")
    assert kept["error"].startswith("kept: ")
    assert kept["error"].endswith("(row 2)")


async def test_files_are_for_who_may_see_them(api: Api) -> None:
    """By the scopes of persons; other accounts' imports are unknown; the name of the file can't hurt."""
    one = await imported(api, "email,firstName\nnone,x\na@b.example,y\n", fileName='a"\r\nb;č.csv')
    path = f"/imports/{one['id']}/errors.csv"
    account, _, key = await api.service.services.access.create_account("Other")
    asked = [(api, 200), (Api(api.service, key, account.id), 404), (api.as_("nobody"), 401)]
    asked += [(await api.key_with(scope), 200) for scope in ("PEOPLE_READ", "PEOPLE_MANAGE")]
    asked += [(await api.key_with(scope), 403) for scope in ("WEB_SDK", "EVENTS_WRITE", "MOBILE_SDK")]
    for who, status in asked:
        headers = {"Authorization": f"Bearer {who.key}"}
        answer = await api.http.get(path, headers=headers)
        assert answer.status_code == status, who.key
        template = await api.http.get("/imports/template.csv", headers=headers)
        assert template.status_code == (200 if status == 404 else status)
    (named,) = [
        (await api.http.get(path, headers={"Authorization": f"Bearer {api.key}"})).headers["content-disposition"]
    ]
    assert named == "attachment; filename=\"a_b__-errors.csv\"; filename*=UTF-8''a%22b%3B%C4%8D-errors.csv"
    for other in ("/imports/imp_x/errors.csv", "/imports/../errors.csv", f"/imports/{'x' * 500}/errors.csv"):
        headers = {"Authorization": f"Bearer {api.key}"}
        assert (await api.http.get(other, headers=headers)).status_code == 404
    foreign = {"Authorization": f"Bearer {api.key}", "Origin": "https://evil.example"}
    assert (await api.http.get(path, headers=foreign)).status_code == 403


ATTRIBUTES = {
    "Loyalty points": "INTEGER",
    "price": "DECIMAL",
    "city": "STRING",
    "Vorname": "STRING",
    "shoe size": "INTEGER",
    "shoeSize": "INTEGER",
    "active": "BOOLEAN",
    "since": "DATE",
    "seen": "DATE_TIME",
    "=sum, of": "STRING",
    "+49 171 1234567": "STRING",
}


@pytest.mark.parametrize("target", ["PERSON", "COMPANY"])
async def test_a_template_can_be_imported_as_it_is(api: Api, target: str) -> None:
    """All fields and attributes are columns that are suggested right, and no row fails."""
    for name, kind in ATTRIBUTES.items():
        codes = await api.codes(apis.ATTRIBUTE, input={"target": target, "name": name, "type": kind})
        assert codes == []
    file = await downloaded(api, f"/imports/template.csv?target={target.lower()}")
    one = await uploaded(api, file, "template.csv", target=target)
    suggested = [column["suggestion"] for column in one["columns"]]
    wanted = [*FIELDS[target], *(f"customAttributes.{name}" for name in sorted(ATTRIBUTES))]
    assert sorted(suggested) == sorted(wanted)
    done = await ran(api, await mapped(api, one), "DRY_RUN")
    assert (done["state"], done["counts"]["created"], done["counts"]["failed"]) == ("CHECKED", 2, 0), done["rowErrors"]
    assert len(cells(file)[0]) == len(wanted)


async def test_a_template_of_something_else_is_refused(api: Api) -> None:
    """A target that is none."""
    headers = {"Authorization": f"Bearer {api.key}"}
    assert (await api.http.get("/imports/template.csv?target=pets", headers=headers)).status_code == 400


async def test_what_stood_in_a_file_goes_with_it(api: Api, engine: Engine) -> None:
    """G an import is over T whatever of it has values of the file in it lapses; the import is told without samples."""
    people = "First,Last,Email,Phone,City\nAnn,Berg,ann@b.example,+385911234567,Zagreb\nBob,Cole,bob@c.example,,Graz\n"
    done = await imported(api, f"{people}Cyd,D/D,cyd@d.example,,Linz\n")
    assert done["columns"][2]["samples"] == ["ann@b.example", "bob@c.example", "cyd@d.example"]
    assert await api(CREATE, input={"content": people.partition("\n")[2]})
    told = "query { imports(first: 9) { nodes { state columns { samples } errorGroups { message } } } }"
    assert "b.example" in str(await api(told))
    lasting = [one for one in await engine.find(CHUNKS, {}) if "until" not in one]
    jobs = await engine.find(JOBS, {})
    assert not [value for value in ("b.example", "38591", "Berg", "Zagreb", "D/D") if value in str(lasting + jobs)]
    await engine.write(CHUNKS, [Delete({"until": {"$exists": True}}, many=True)])
    found = (await api(told))["nodes"]
    assert [column["samples"] for column in found[1]["columns"]] == [[]] * 5
    assert (found[0]["state"], "b.example" in str(found)) == ("FAILED", False)


OLD = {"$set": {"columns": [["email", ["ann@b.example"], "email"]]}}


async def test_samples_of_a_time_when_they_stood_with_the_columns_are_gone(api: Api) -> None:
    """G an import that was kept so W it is read T its document has them no more."""
    one = await created(api, "email\nann@b.example\n")
    engine = api.service.store.engine
    await engine.write(JOBS, [Update({"_id": one["id"]}, OLD)])
    found = await api("query { imports(first: 9) { nodes { id columns { name suggestion } } } }")
    assert found["nodes"] == [{"id": one["id"], "columns": [{"name": "email", "suggestion": "email"}]}]
    assert "ann@" not in str(await engine.find(JOBS, {"_id": one["id"]}))


async def test_samples_of_that_time_go_though_nobody_reads_them(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """G imports that were kept so W a process begins T none has them, and what runs is worked on."""
    monkeypatch.setattr(store, "PART_ROWS", 2)
    engine = api.service.store.engine
    for _ in range(5):
        one = await created(api, "email\nann@b.example\n")
        await engine.write(JOBS, [Update({"_id": one["id"]}, OLD)])
    await engine.write(JOBS, [Insert({"_id": "lock|acc_other", "import": "imp_other", "until": clock.now()})])
    unsee, done = store.Store.unsee, asyncio.Event()

    async def told(kept: store.Store) -> None:
        await unsee(kept)
        done.set()

    monkeypatch.setattr(store.Store, "unsee", told)
    async with opened(engine), asyncio.timeout(20):
        await done.wait()
    assert "ann@" not in str(await engine.find(JOBS, {}))
    assert (await imported(api, "email\nann@b.example\n"))["state"] == "DONE"
