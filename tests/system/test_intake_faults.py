"""kill -9 at each command of a message and of a submission: the delivery that comes again makes it whole, once."""

from functools import partial
from typing import Any

from tests.stories.telling import MESSAGE
from tests.stories.test_forms import SAVE, SUBMIT
from tests.system.pair import Pair
from tests.system.test_faults import Order, both, dying, points
from tests.system.test_kills import again

__all__ = ["both", "dying"]

FIELDS = [{"name": "tel", "personField": "phone"}, {"name": "given", "personField": "firstName"}]
COUNTS = """query($by: PersonLocator!) { person(by: $by) { type firstName createdFrom version
  timeline { nodes { type } } } }"""


async def made(pair: Pair, phone: str) -> dict[str, Any]:
    """Return the person of a number, with what is on their timeline."""
    person: dict[str, Any] = await pair.ask(1, COUNTS, by={"phone": phone})
    return {**person, "timeline": [one["type"] for one in person["timeline"]["nodes"]]}


async def test_a_message_dies_at_each_step(both: Pair, dying: Order) -> None:
    """One lead, one entry, whichever command was the last."""
    message = partial(dying, account=await both.account(), work="message", ids=[])
    commands = await message(key="4366000000", at=0, answered=False)
    assert commands[-1] == "insert"
    for number, (at, answered) in enumerate(points(commands), 1):
        phone = f"43660{number:07d}"
        assert await message(key=phone, at=at, answered=answered) == "killed"
        given = {"contact": {"phone": phone}, "journeyId": "j", "messageId": phone, "attributes": {"firstName": "Ann"}}
        assert (await again(both, MESSAGE, input=given))["errors"] == []
        assert await made(both, phone) == {
            "type": "LEAD",
            "firstName": "Ann",
            "createdFrom": "FLOW",
            "version": 1,
            "timeline": ["journeyEntered", "personCreated"],
        }
    assert await both.findings() == []


async def test_a_submission_dies_at_each_step(both: Pair, dying: Order) -> None:
    """One lead, one event, one submission that names them, whichever command was the last."""
    account = await both.account()
    form = (await both.ask(0, SAVE, input={"name": "News", "key": "PHONE", "fields": FIELDS}))["form"]["id"]
    submit = partial(dying, account=account, work="submit", ids=[form])
    commands = await submit(key="4366000000", at=0, answered=False)
    assert commands[-1] == "insert"
    for number, (at, answered) in enumerate(points(commands), 1):
        phone = f"43660{number:07d}"
        assert await submit(key=phone, at=at, answered=answered) == "killed"
        given = {"formId": form, "values": {"tel": phone, "given": "Ann"}, "submissionId": phone}
        payload = await again(both, SUBMIT, input=given)
        assert payload["errors"] == []
        assert (await made(both, phone))["timeline"] == ["formSubmitted", "personCreated"]
        kept = await both.engine.find("formSubmissions", {"person": payload["person"]["id"]})
        assert len(kept) == 1
    mine = {"account": account}
    assert await both.engine.count("formSubmissions", mine) == await both.engine.count("persons", mine)
    assert await both.findings() == []
