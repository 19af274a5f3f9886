"""Messages of many visitors in one call of the store: each stretch has an outcome of its own."""

from app.core.errors import Fault
from app.intake import activity
from app.intake.activity import Page, Step
from app.intake.sessions import visitor_key
from app.intake.visit import TRACK, Message, Verdict
from app.intake.visit_chunk import Stretch, VisitChunk
from app.intake.visit_record import COLLECTION
from app.mongo.engine import Engine


def broken(page: Page, step: Step) -> None:
    """Fail behind half of the work, as nobody meant it."""
    activity.record(page, step)
    raise KeyError(step.message.anonymous_id)


async def test_a_mistake_of_one_rule_harms_no_neighbour(engine: Engine) -> None:
    """Nothing of that stretch happened; the others are taken."""

    def stretch(anonymous_id: str, rule: activity.Rule) -> Stretch:
        return Stretch("acc_1", anonymous_id, (Step(rule, Message(TRACK, anonymous_id, "m1"), "look"),))

    rules = {"a": activity.record, "b": broken, "c": activity.record}
    first, failed, last = await VisitChunk(engine).run([stretch(*one) for one in rules.items()])
    assert isinstance(failed, Fault)
    assert (failed.code, first, last) == ("INTERNAL", [Verdict()], [Verdict()])
    kept = await engine.find(COLLECTION, {})
    assert {one["_id"] for one in kept} == {visitor_key("acc_1", "a"), visitor_key("acc_1", "c")}
    assert await engine.count("events", {}) == 4
