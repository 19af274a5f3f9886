"""Sixty-four at once who make one of several persons, spread over two processes: one outcome, no contact is lost."""

import itertools

from tests.stories.test_merges import MERGE, READ, REVERT
from tests.system.pair import Pair
from tests.system.test_races import made

MANY = 64
PEOPLE = 8


async def test_overlapping_merges_leave_one_person(pair: Pair) -> None:
    """A with B, B with C and so on round: whoever comes later finds the survivor."""
    rows = [{"externalId": f"p{n}", "emails": [{"address": f"p{n}@x.com"}]} for n in range(PEOPLE)]
    ids = await made(pair, *rows)
    couples = itertools.islice(itertools.cycle(itertools.pairwise(ids)), MANY)
    inputs = [{"input": {"persons": [{"id": one}, {"id": other}]}} for one, other in couples]
    payloads = await pair.race(MERGE, *inputs)
    assert [one["errors"] for one in payloads if one["errors"]] == []
    found = [await pair.ask(0, READ, by={"id": one}) for one in ids]
    assert {one["id"] for one in found} == {ids[0]}
    assert sorted(each["address"] for each in found[0]["emails"]) == [f"p{n}@x.com" for n in range(PEOPLE)]
    assert sorted(found[0]["mergedIds"]) == sorted(ids[1:])
    assert len({one["merge"]["id"] for one in payloads if one["merge"]}) == PEOPLE - 1
    assert await pair.findings() == []


async def test_overlapping_undoings_give_everybody_back(pair: Pair) -> None:
    """Each merge is undone once, however many ask for it, and all are as they were."""
    rows = [{"externalId": f"p{n}", "emails": [{"address": f"p{n}@x.com"}]} for n in range(PEOPLE)]
    ids = await made(pair, *rows)
    before = [await pair.ask(0, READ, by={"id": one}) for one in ids]
    couples = [{"input": {"persons": [{"id": ids[0]}, {"id": one}]}} for one in ids[1:]]
    merges = [(await pair.ask(0, MERGE, **couple))["merge"]["id"] for couple in couples]
    payloads = await pair.race(REVERT, *[{"id": merges[n % len(merges)]} for n in range(MANY)])
    codes = [[each["code"] for each in one["errors"]] for one in payloads]
    assert sorted(codes) == [[]] * len(merges) + [["ALREADY_REVERTED"]] * (MANY - len(merges))
    assert [await pair.ask(1, READ, by={"id": one}) for one in ids] == before
    assert await pair.findings() == []
