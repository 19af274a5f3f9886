"""Where following begins: behind all that was acknowledged before, and ahead of whatever becomes of who is followed."""

from typing import Any

import pytest

from app.live.feed import Feed
from app.mongo.engine import Batch
from app.persons.model import Person
from tests.api import Api
from tests.stories.test_events import order, shop
from tests.stories.test_live import CHANGES, FOLLOW, E
from tests.stories.test_merges import MERGE

__all__ = ["shop"]


class Late:
    """A process that hears of nothing until it is let: its batches wait."""

    def __init__(self, feed: Feed, patch: pytest.MonkeyPatch) -> None:
        self._feed = feed
        self._take = feed._take
        self._held: list[Batch] = []
        patch.setattr(feed, "_take", self._held.append)
        self._patch = patch

    def hear(self) -> None:
        """Hear of everything, and of what comes as it comes."""
        self._patch.setattr(self._feed, "_take", self._take)
        for batch in self._held:
            self._take(batch)


@pytest.mark.parametrize("follow", [{"person": E}, {}])
async def test_who_begins_hears_of_nothing_that_was_before(
    shop: Api, monkeypatch: pytest.MonkeyPatch, follow: dict[str, Any]
) -> None:
    """G the process is behind the store W follows T nothing acknowledged before, all that is acknowledged after."""
    late = Late(shop.service.feed, monkeypatch)
    await shop.track(order(eventId="before"))
    async with shop.live(FOLLOW, **follow) as socket, shop.live(CHANGES) as changes:
        ready = await socket.data()
        assert (ready["kind"], (await changes.data())["kind"]) == ("READY", "READY")
        after = (await shop.track(order(eventId="after")))[0]["event"]["id"]
        bea = await shop.made(externalId="bea")
        late.hear()
        last = (await shop.track(order(eventId="last")))[0]["event"]["id"]
        told = [(await socket.data())["event"] for _ in range(2 if follow else 3)]
        assert [one["id"] for one in told if one["type"] == "orderPlaced"] == [after, last]
        update = await changes.data()
        assert (update["kind"], update["personId"]) == ("CREATED", bea["id"])
    async with shop.live(FOLLOW, **follow, after=ready["cursor"]) as socket:
        assert (await socket.data())["kind"] == "READY"
        assert (await socket.data())["event"]["id"] == after


async def test_who_is_merged_while_somebody_begins_to_follow_is_followed(
    shop: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G found W merged before the follower has its seat T MERGED, then what the survivor does."""
    survivor = await shop.made(externalId="s")
    persons = shop.service.services.persons
    find = persons.find

    async with shop.live(FOLLOW) as heard:
        assert (await heard.data())["kind"] == "READY"

        async def found(*given: Any) -> Person | None:
            """Find a person whom somebody merges at once, and this process hears of it."""
            monkeypatch.setattr(persons, "find", find)
            person = await find(*given)
            both = [{"externalId": "s"}, E]
            assert (await shop(MERGE, input={"persons": both, "into": survivor["id"]}))["errors"] == []
            while (await heard.data())["kind"] != "MERGED":
                pass
            return person

        monkeypatch.setattr(persons, "find", found)
        async with shop.live(FOLLOW, person=E) as socket:
            assert [(await socket.data())["kind"] for _ in range(2)] == ["READY", "MERGED"]
            await shop.track({**order(), "person": {"externalId": "s"}})
            while (update := await socket.data())["event"]["type"] != "orderPlaced":
                pass
            assert update["person"] == {"externalId": "s"}
