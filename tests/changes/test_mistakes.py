"""A mistake in the plan of one change: it is that one's own, and those who share its chunk don't notice."""

from app.changes.model import Ask, Change, Effect, Scene
from app.core.errors import Fault
from app.mongo.engine import Engine
from app.persons.model import Person
from app.persons.plan import Update
from app.persons.wish import Wish
from tests.make import ACTOR, email, house


class Broken(Change[Person]):
    """A plan that nobody meant so."""

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:
        """Fail."""
        raise KeyError(held, scene)


async def test_a_mistake_of_one_plan_harms_no_neighbour(engine: Engine) -> None:
    """It is a fault of its own, that says nothing of anybody; the next change of the chunk is carried out."""
    home = house(engine)
    ana, bea = email("ana@b.example"), email("bea@b.example")
    for one in (ana, bea):
        await home.person(one.value)
    good = Update(Wish(scalars={"first_name": "Bea"}))
    asks = [Ask(ACTOR.account, "API", Broken(), (ana,)), Ask(ACTOR.account, "API", good, (bea,))]
    broken, changed = await home.persons.apply(asks)
    assert isinstance(broken, Fault)
    assert (broken.code, "ana" in str(broken)) == ("INTERNAL", False)
    assert isinstance(changed, Effect)
    assert changed.after.first_name == "Bea"
