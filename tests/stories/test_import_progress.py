"""Stories of imports that are followed: the last update always comes, and then the stream ends."""

import pytest

from app.graph import imports
from tests.api import Api
from tests.stories.importing import MAP, ONE, PROGRESS, RUN, Import, created, followed, mapped

PEOPLE = "Email\na@x.example\nb@x.example\n"
EMAIL = {"mapping": [{"column": "Email", "field": "email"}]}


async def ended(api: Api, one: Import) -> Import:
    """Return an import when its run is over, looked at by queries alone."""
    while (now := await api(ONE, id=one["id"]))["state"] == "RUNNING":
        pass
    found: Import = now
    return found


@pytest.mark.parametrize("again", [False, True])
async def test_a_run_between_two_looks_ends_the_stream(api: Api, monkeypatch: pytest.MonkeyPatch, again: bool) -> None:  # noqa: FBT001 - two cases of one story
    """G a follower of an import that was mapped W a dry run fits between two looks T it is told, and that is the end.

    Also where it was mapped anew by then.
    """
    monkeypatch.setattr(imports, "TELL_SECONDS", 1.0)
    one = await mapped(api, await created(api, PEOPLE))
    async with api.live(PROGRESS, id=one["id"]) as socket:
        first = await socket.next()
        assert first["payload"]["data"]["importProgress"]["import"]["state"] == "MAPPED"
        await api(RUN, id=one["id"], mode="DRY_RUN")
        assert (await ended(api, one))["state"] == "CHECKED"
        if again:
            await api(MAP, id=one["id"], input=EMAIL)
        last = (await socket.next())["payload"]["data"]["importProgress"]["import"]
        assert (last["state"], last["counts"]["processed"]) == ("MAPPED" if again else "CHECKED", 2)
        assert (await socket.next())["type"] == "complete"


async def test_who_follows_a_run_that_is_over_is_told_once(api: Api) -> None:
    """G a dry run that is over W it is followed T it is told once, and the stream ends; the next run as well."""
    one = await mapped(api, await created(api, PEOPLE))
    for mode, state in (("DRY_RUN", "CHECKED"), ("COMMIT", "DONE")):
        await api(RUN, id=one["id"], mode=mode)
        await ended(api, one)
        assert [step["state"] for step in await followed(api, one["id"])] == [state]
