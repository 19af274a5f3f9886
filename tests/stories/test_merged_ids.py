"""Ids that were merged away: they find the survivor wherever an id is taken."""

from tests.api import Api
from tests.stories.test_merges import merged, reverted

PERSONS = "query($filter: PersonFilter) { persons(filter: $filter) { totalCount nodes { id } } }"
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
TAG = "mutation($ids: [ID!], $add: [String!]!) { tagPersons(ids: $ids, add: $add) { changed errors { code } } }"


async def test_an_id_that_was_merged_finds_the_survivor_wherever_ids_are_taken(api: Api) -> None:
    """In filters at any depth, in batches and as a node, also over two merges; an undone merge ends that."""
    one, two, three, other = [await api.made(externalId=name) for name in ("1", "2", "3", "4")]
    first = await merged(api, two, three)
    await merged(api, one, two)
    for wanted, found in (
        ({"ids": [three["id"], two["id"]]}, {one["id"]}),
        ({"ids": [one["id"], three["id"], other["id"]]}, {one["id"], other["id"]}),
        ({"or": [{"ids": [three["id"]]}, {"externalId": {"eq": "4"}}]}, {one["id"], other["id"]}),
        ({"not": {"ids": [three["id"]]}}, {other["id"]}),
        ({"ids": [three["id"]], "externalId": {"eq": "4"}}, set()),
        ({"ids": []}, set()),
    ):
        page = await api(PERSONS, filter=wanted)
        assert ({each["id"] for each in page["nodes"]}, page["totalCount"]) == (found, len(found)), wanted
    assert await api(NODES, ids=[three["id"], two["id"]]) == [{"id": one["id"]}] * 2
    assert (await api(TAG, ids=[three["id"]], add=["kept"])) == {"changed": 1, "errors": []}
    await reverted(api, first)
    page = await api(PERSONS, filter={"ids": [three["id"]]})
    assert [each["id"] for each in page["nodes"]] == [three["id"]]


async def test_no_text_finds_whoever_has_an_id_merged_into_it(api: Api) -> None:
    """Ids stand among the words of the survivor, but a search or an external id that looks like one means nobody."""
    one, two = await api.made(externalId="1"), await api.made(externalId="2")
    await merged(api, one, two)
    alike = await api.made(externalId=f"={two['id']}")
    page = await api(PERSONS, filter={"ids": [two["id"]]})
    assert [each["id"] for each in page["nodes"]] == [one["id"]]
    for text in (two["id"], "per"):
        found = await api("query($s: String) { persons(search: $s) { nodes { id } } }", s=text)
        assert one["id"] not in {each["id"] for each in found["nodes"]}
    page = await api(PERSONS, filter={"externalId": {"eq": f"={two['id']}"}})
    assert [each["id"] for each in page["nodes"]] == [alike["id"]]
