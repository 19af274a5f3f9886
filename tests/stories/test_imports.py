"""Stories X: files become persons and companies, with the truth told beforehand, and a way back."""

from tests.api import Api
from tests.stories.importing import created, imported, mapped, ran, reverted

PEOPLE = """First name,Last name,Email,Phone,City
Ann,Berg,ann@b.example,+385911234567,Zagreb
Bob,Cole,bob@c.example,,Graz
"""


async def test_a_file_becomes_persons(api: Api) -> None:
    """G a file W it is made, mapped by what is suggested, run T its rows are persons, of the type LEAD, tagged."""
    one = await created(api, PEOPLE, fileName="people.csv")
    assert (one["state"], one["format"]) == ("UPLOADED", "CSV")
    suggested = [column["suggestion"] for column in one["columns"]]
    assert suggested == ["firstName", "lastName", "email", "phone", "city"]
    dry = await ran(api, await mapped(api, one), "DRY_RUN")
    assert dry["state"] == "CHECKED"
    done = await ran(api, dry)
    assert done["state"] == "DONE"
    expected = {"rows": 2, "processed": 2, "created": 2, "updated": 0, "promoted": 0, "unchanged": 0, "skipped": 0}
    assert done["counts"] == dry["counts"] == {**expected, "failed": 0}
    found = await api("{ persons { nodes { firstName type createdFrom tags emails { address } } } }")
    assert [(node["firstName"], node["type"], node["createdFrom"], node["tags"]) for node in found["nodes"]] == [
        ("Bob", "LEAD", "IMPORT", [done["tag"]]),
        ("Ann", "LEAD", "IMPORT", [done["tag"]]),
    ]
    again = await imported(api, PEOPLE, tag=None)
    assert (again["counts"]["unchanged"], again["counts"]["created"]) == (2, 0)
    back = await reverted(api, done)
    assert (back["state"], back["reverted"]) == ("REVERTED", {"deleted": 2, "restored": 0, "kept": 0})
    assert (await api("{ persons { totalCount } }"))["totalCount"] == 0
