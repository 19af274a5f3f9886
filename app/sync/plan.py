"""What a record of persons makes of a person: the table of cases, as changes of the one path. All pure.

A change is planned anew whenever somebody else was faster; what it decided last stands in its `verdict`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from app.catalog.checks import Listing
from app.changes.model import Effect, Guard, Scene, Wished, successor
from app.claims.model import Locator
from app.core.errors import Refused
from app.persons import plan as persons
from app.persons.finder import COMPANIES
from app.persons.model import CUSTOMER, LEAD, CrmLink, Person
from app.persons.wish import Contact
from app.persons.wish import Wish as PersonWish
from app.sync.incoming import CREATED, UPDATED, Incoming, Left, Source, Verdict, note
from app.sync.known import shut
from app.sync.model import CONVERTED, DELETED, ERASED, Link
from app.sync.slots import fingerprint
from app.sync.weigh import Trouble, Weighed


class PersonRecord(Wished[Person]):
    """A record of persons."""

    __slots__ = ("incoming", "wish")
    wish: PersonWish

    def __init__(self, incoming: Incoming) -> None:
        self.incoming = incoming
        # All that it names, so that whoever has any of it is looked up.
        self.wish = self._wish(incoming.weighed(None), None)

    def wary(self) -> Sequence[Locator]:
        """Return whom it names, as long as it is nobody's record: somebody may be made of it."""
        link = self.incoming.link
        return () if link is not None and link.profile else self.wish.named()

    def others(self) -> list[Locator]:
        """Return what is looked up besides: the persons of its records, and whose it was before it was deleted."""
        return [*self._records(), *self._former(), *self._whose()]

    def _records(self) -> list[Locator]:
        """Return what finds the persons of its own record, of the contact or the lead it was."""
        source, record = self.incoming.source, self.incoming.record
        found = [source.locator(record.id)]
        if record.became:
            found.append(source.locator(record.became, source.contact))
        if record.came_from:
            found.append(source.locator(record.came_from, source.lead))
        return found

    def _former(self) -> list[Locator]:
        """Return what finds whose a record was that is there again, whatever their email is by now."""
        link = self.incoming.link
        return [Locator("id", link.profile)] if link is not None and link.state == DELETED and link.profile else []

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:  # noqa: ARG002 - looked up one by one
        """Return the effect; raises Left where nothing is to be written, Refused where it can't be."""
        incoming = self.incoming
        incoming.verdict = Verdict()
        own, *before = [scene.find(one) for one in self._records()]
        link = incoming.link
        if own is None and link is not None and self._left_here(link, scene):
            # Deleted here: nothing is made again, nor of the contact that a lead became.
            incoming.verdict.state = ERASED
            if incoming.record.became and not any(before):
                incoming.verdict.became = incoming.record.became
            raise Left
        known = own or next(filter(None, before), None)
        if incoming.record.converted and incoming.source.type == LEAD:
            return self._converted(own, known, scene)
        self._told_apart(own, before)
        if known is not None:
            return self._apply(known, scene)
        return self._new(scene.met([*self._former(), *self.wish.named()]), scene)

    def _whose(self) -> list[Locator]:
        """Return what finds those of whom it might be, where that could not be told."""
        link = self.incoming.link
        return [Locator("id", one) for one in link.whose] if link is not None else []

    def _left_here(self, link: Link, scene: Scene) -> bool:
        """Tell whether the person of a record is gone, or all are of whom it might be."""
        linked = bool(link.profile) and (link.state != DELETED or not scene.met(self._former()))
        return linked or link.state == ERASED or (bool(link.whose) and not scene.met(self._whose()))

    def _new(self, found: Sequence[Person], scene: Scene) -> Effect[Person]:
        source = self.incoming.source
        if len(found) > 1:
            raise self.incoming.several(found)
        if not found:
            self._shut_out(scene)
            effect = persons.Create(self.wish, source.type or LEAD).plan(None, scene)
            return self._linked(effect, self.incoming.weighed(None), scene, CREATED)
        (person,) = found
        other = next((one for one in person.crm_links if self._kin(one)), None)
        if other is not None:
            raise self.incoming.another(person, other.record_id)
        return self._apply(person, scene)

    def _shut_out(self, scene: Scene) -> None:
        """See that nobody is made of a record that names somebody who was erased since it was made; raises Left."""
        erased = max(filter(None, map(scene.erased, self.wary())), default=None)
        if shut(self.incoming.record, erased):
            self.incoming.verdict.state = ERASED
            raise Left

    def _kin(self, link: CrmLink) -> bool:
        source = self.incoming.source
        if link.connection not in (None, source.connection):
            # A record of another org: a person has one in each.
            return False
        return (link.system, link.object) == (source.system, source.entity)

    def _apply(self, person: Person, scene: Scene) -> Effect[Person]:
        made = self.incoming.weighed(person)
        if self.incoming.source.type == LEAD and person.type == CUSTOMER:
            _only_filling(made, person, self.incoming.link)
        wish = self._wish(made, person)
        if self.incoming.source.type == CUSTOMER and person.type == LEAD:
            wish = replace(wish, type=CUSTOMER)
        effect = persons.Update(wish).plan(person, scene)
        return self._linked(effect, made, scene, UPDATED)

    def _converted(self, own: Person | None, known: Person | None, scene: Scene) -> Effect[Person]:
        """Return what becomes of the person of a lead that was converted: a customer, who has the contact as well."""
        verdict, record = self.incoming.verdict, self.incoming.record
        verdict.state = CONVERTED
        link = self.incoming.link
        verdict.base = link.base if link is not None else {}
        if known is None:
            # Its contact comes by itself.
            raise Left
        if own is not None and record.became:
            verdict.became = self._contact(own, record.became, scene)
        effect = persons.Update(PersonWish(type=CUSTOMER)).plan(known, scene)
        return self._linked(effect, None, scene, UPDATED)

    def _contact(self, person: Person, contact: str, scene: Scene) -> str | None:
        """Return the contact that is to be linked with the person of its lead, unless it is somebody else's here."""
        other: Person | None = scene.find(self.incoming.source.locator(contact, self.incoming.source.contact))
        if other is not None and other.id != person.id:
            words = f"The contact that this lead became is {other.id} here: merge them."
            self.incoming.verdict.troubles.append(Trouble(words))
            # Who has one that is somebody else's here gets no other one.
            self.incoming.verdict.whose = [person.id]
            return None
        return contact

    def _told_apart(self, own: Person | None, before: Sequence[Person | None]) -> None:
        """List that the lead which a contact was is somebody else here, who gets no other contact for that."""
        others = [one.id for one in before if one is not None and own is not None and one.id != own.id]
        if others:
            words = f"The lead that this contact was is {others[0]} here: merge them."
            self.incoming.verdict.troubles.append(Trouble(words))
            self.incoming.verdict.whose = others

    def _joined(self, effect: Effect[Person], scene: Scene) -> Effect[Person]:
        """Return an effect by which the person belongs to the company of the record as well."""
        company = self.incoming.company
        if company is None:
            return effect
        joined = persons.Link(company.id, company.subject).plan(effect.after, scene)
        if not joined.changed:
            return effect
        after = replace(joined.after, version=effect.after.version) if effect.changed else joined.after
        changed = (*effect.changed, *joined.changed)
        gone = Refused("COMPANY_NOT_FOUND", "The company of this record was deleted.")
        made = Effect(effect.before, after, changed, [*effect.events, *joined.events])
        made.guards = (Guard(COMPANIES, company.id, gone),)
        for one in made.events:
            one.changed = None
        return made

    def _linked(self, effect: Effect[Person], made: Weighed | None, scene: Scene, outcome: str) -> Effect[Person]:
        """Return an effect with the link of the record on the person, and the event that says where it came from."""
        source, verdict = self.incoming.source, self.incoming.verdict
        effect = self._joined(effect, scene)
        person = effect.after
        record = self.incoming.record
        records = [(source.entity, record.id, record.came_from)]
        if verdict.became:
            records.append((source.contact, verdict.became, record.id))
        missing = [one for one in records if not _has(person, source.system, *one)]
        if effect.changed or missing:
            if not effect.changed:
                person = successor(person, scene)
                effect = Effect(effect.before, person, ("crmLinks",))
            person.crm_links = _stamped(person.crm_links, source, records, scene.now)
            changed = effect.changed if "crmLinks" in effect.changed or not missing else (*effect.changed, "crmLinks")
            effect.changed = changed
            effect.events.append(persons.event(person, scene, "crmSynced", source.said(self.incoming.record.id)))
            effect.announced()
            verdict.outcome = outcome
        verdict.profile = person.id
        note(verdict, made, self.incoming.source.slots, person)
        return effect

    def _wish(self, made: Weighed, person: Person | None) -> PersonWish:
        """Return what is written of the slots that are taken; the last identifier stays."""
        wish, found = PersonWish(), self.incoming.found
        for slot in made.take:
            value = found.values[slot.name]
            if slot.custom:
                wish.attributes[slot.place] = value
            elif not slot.several:
                wish.scalars[slot.place] = value
        wish.emails = self._contacts("emails", made, person)
        wish.phones = self._contacts("phones", made, person)
        if person is not None and persons.identified(person):
            _keep_last(wish, made, person)
        return wish

    def _contacts(self, place: str, made: Weighed, person: Person | None) -> Listing[Contact] | None:
        slots = [one for one in self.incoming.source.slots if one.place == place and not one.custom]
        taken = [one for one in made.take if one in slots]
        if not taken:
            return None
        found = self.incoming.found.values
        stays = {found[one.name] for one in slots if found.get(one.name) is not None}
        held = taken[0].all_of(person) if person is not None else []
        gone = [one for slot in taken for one in held if self.incoming.was(slot, one) and one not in stays]
        added = [
            Contact(found[one.name], one.both or None if one.first else None, (place,))
            for one in taken
            if found[one.name] is not None
        ]
        once = {one.value: one for one in reversed(added)}
        return Listing(None, list(reversed(once.values())), gone)


def _has(person: Person, system: str, entity: str, record: str, lead: str | None) -> bool:
    return any(one.key == (system, entity, record) and lead in (None, one.lead) for one in person.crm_links)


def _stamped(
    links: Sequence[CrmLink], source: Source, records: Sequence[tuple[str, str, str | None]], now: datetime
) -> list[CrmLink]:
    """Return the links of a person with some of now: where they stand, or behind the others."""
    made = [CrmLink(source.system, entity, record, now, source.connection, lead) for entity, record, lead in records]
    fresh, known = {one.key: one for one in made}, {one.key: one.lead for one in links}
    fresh = {key: replace(one, lead=one.lead or known.get(key)) for key, one in fresh.items()}
    kept = [fresh.pop(one.key, one) for one in links]
    return [*kept, *fresh.values()]


def _only_filling(made: Weighed, person: Person, link: Link | None) -> None:
    """Leave of what is taken only what fills what is empty: the person has become more than the lead.

    What was agreed on before is kept: who is a lead again, by an undone merge, gets what was left.
    """
    left = [slot for slot in made.take if slot.ours(person) is not None]
    for slot in left:
        theirs = made.base[slot.name][0] if link is None else link.base.get(slot.name, (None,))[0]
        made.base[slot.name] = (theirs, fingerprint(slot.ours(person)))
    made.take = [slot for slot in made.take if slot not in left]
    if link is None:
        made.troubles.append(Trouble("This lead is a customer here: only what was empty has been filled."))


def _keep_last(wish: PersonWish, made: Weighed, person: Person) -> None:
    """Take back what would leave a person without any identifier."""
    emails = _left([one.address for one in person.emails], wish.emails)
    phones = _left([one.number for one in person.phones], wish.phones)
    external = wish.scalars.get("external_id", person.external_id)
    if emails or phones or external:
        return
    wish.emails = wish.phones = None
    wish.scalars.pop("external_id", None)
    for slot in made.take:
        if slot.place in ("emails", "phones", "external_id"):
            own = slot.ours(person)
            made.base[slot.name] = (made.base[slot.name][0], fingerprint(own))
            words = f"{slot.field} is empty in the CRM; it says who this is, and stays."
            made.troubles.append(Trouble(words, slot, None, own, conflict=True))


def _left(held: Sequence[str], wish: Listing[Contact] | None) -> list[str]:
    if wish is None:
        return list(held)
    return [*(one for one in held if one not in wish.remove), *(one.value for one in wish.add)]
