"""What is read while a login or a merge moves it: before a change is refused by it, it is looked at again."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import pytest

from app.changes.chunk import Chunk
from app.claims.model import COLLECTION as CLAIMS
from app.mongo.engine import Document
from tests.api import UPDATE, Api
from tests.stories.mobile import Phone


class Between:
    """Has something happen once, before or behind the next read of claims."""

    def __init__(self, work: Callable[[], Awaitable[Any]], *, behind: bool) -> None:
        self.work: Callable[[], Awaitable[Any]] | None = work
        self.behind = behind

    async def __call__(self, read: Callable[[], Awaitable[list[Document]]]) -> list[Document]:
        """Read, with that."""
        work, self.work = self.work, None
        if work is None:
            return await read()
        if self.behind:
            found = await read()
            await work()
            return found
        await work()
        return await read()


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Between], None]:
    """Give what has the next change read with something in between."""
    found = Chunk._found

    def set_up(one: Between) -> None:
        async def interrupted(chunk: Chunk[Any], collection: str, keys: Collection[str]) -> list[Document]:
            if collection != CLAIMS:
                return await found(chunk, collection, keys)
            return await one(lambda: found(chunk, collection, keys))

        monkeypatch.setattr(Chunk, "_found", interrupted)

    return set_up


async def test_an_older_claim_beside_a_newer_person(api: Api, between: Callable[[Between], None]) -> None:
    """W a change by a phone has read whose it is, and then somebody logs in there T their heir is changed."""
    phone = Phone(api)
    await phone.opened()
    between(Between(lambda: phone.login("ann@x.example"), behind=True))
    payload = await api(UPDATE, by=phone.by, input={"firstName": "Ann"})
    assert payload["errors"] == []
    assert payload["person"]["firstName"] == "Ann"
    assert [one["address"] for one in payload["person"]["emails"]] == ["ann@x.example"]


async def test_an_older_person_beside_a_newer_claim(api: Api, between: Callable[[Between], None]) -> None:
    """W a person was read, and then a merge takes them and their email in T the survivor is changed."""
    gone, stays = [await api.made(emails=[{"address": f"{name}@x.example"}], type="LEAD") for name in ("ann", "bea")]
    merge = "mutation($input: MergePersonsInput!) { mergePersons(input: $input) { errors { code } } }"
    wanted = {"persons": [{"id": gone["id"]}, {"id": stays["id"]}], "into": stays["id"]}
    between(Between(lambda: api(merge, input=wanted), behind=False))
    wish = {"firstName": "Ann", "emails": {"add": [{"address": "ann@x.example"}]}}
    payload = await api(UPDATE, by={"id": gone["id"]}, input=wish)
    assert payload["errors"] == []
    assert (payload["person"]["id"], payload["person"]["firstName"]) == (stays["id"], "Ann")


async def test_whose_it_really_is_is_told(api: Api) -> None:
    """W nothing moves T DUPLICATE_EMAIL."""
    lead = await api.made(emails=[{"address": "bea@x.example"}])
    await api.made(emails=[{"address": "ann@x.example"}])
    wish = {"emails": {"add": [{"address": "ann@x.example"}]}}
    assert await api.codes(UPDATE, by={"id": lead["id"]}, input=wish) == ["DUPLICATE_EMAIL"]
