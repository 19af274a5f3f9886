"""What an identified visitor's lead is told by a website; a customer is told nothing. All pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.catalog.model import AttributeDefinition
from app.changes.model import Change, Effect, Scene, Wished
from app.core.errors import Refused
from app.intake import activity
from app.intake.activity import Page
from app.intake.identify import NOBODY, Overtaken, Unjoined, carried, free
from app.intake.visit import Message, Visitor
from app.persons.items import Items, ItemsRule
from app.persons.model import LEAD, Person
from app.persons.plan import Link, Update
from app.persons.wish import Wish


def restricted() -> Refused:
    """Return the refusal of what a website may do with leads alone."""
    return Refused("WEB_SDK_RESTRICTED", "A website changes leads alone.")


@dataclass(frozen=True, slots=True)
class Amend(Wished[Person]):
    """Write what is said of a lead; a customer is refused with WEB_SDK_RESTRICTED."""

    visitor: Visitor
    message: Message
    wish: Wish

    def plan(self, person: Person | None, scene: Scene) -> Effect[Person]:
        """Return the lead; identifiers of others are left out, for nobody is told whose they are."""
        lead = _lead(person)
        return followed(Update(free(self.wish, (), lead, scene)).plan(lead, scene), self, scene)


@dataclass(frozen=True, slots=True)
class Collect(Change[Person]):
    """Add items to a list of a lead; a customer is refused with WEB_SDK_RESTRICTED."""

    visitor: Visitor
    message: Message
    definition: AttributeDefinition
    rule: ItemsRule = field(compare=False)

    def definitions(self) -> Sequence[str]:
        """Return the list's own."""
        return (self.definition.id,)

    def plan(self, person: Person | None, scene: Scene) -> Effect[Person]:
        """Return the lead with the longer list."""
        return followed(Items(self.definition, self.rule).plan(_lead(person), scene), self, scene)


@dataclass(frozen=True, slots=True)
class Enrol(Change[Person]):
    """Make a lead a member of a company; who is a customer, or a member already, stays as they are."""

    visitor: Visitor
    message: Message
    link: Link

    def plan(self, person: Person | None, scene: Scene) -> Effect[Person]:
        """Return the member."""
        if person is None:
            raise Unjoined(NOBODY)
        there = any(one.company_id == self.link.company_id for one in person.memberships)
        if there or person.type != LEAD:
            return Effect(person, person, ())
        return followed(self.link.plan(person, scene), self, scene)


def followed(effect: Effect[Person], change: Amend | Collect | Enrol, scene: Scene) -> Effect[Person]:
    """Return a change of a lead that is an activity of the visitor as well."""
    if not effect.changed:
        return effect
    page = Page(change.visitor, scene.now, set())
    activity.seen(page, change.message)
    return carried(effect, page, change.message)


def _lead(person: Person | None) -> Person:
    if person is None:
        raise Overtaken
    if person.type != LEAD:
        raise restricted()
    return person
