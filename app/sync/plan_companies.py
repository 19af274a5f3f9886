"""What a record of companies makes of a company. All pure."""

from typing import Any

from app.catalog.checks import Listing
from app.changes.model import Effect, Scene, Wished
from app.claims.model import Locator
from app.companies import plan as companies
from app.companies.model import Company
from app.companies.wish import Wish as CompanyWish
from app.core.text import caseless
from app.sync.incoming import CREATED, UPDATED, Incoming, Left, Verdict, note
from app.sync.model import DEAD, ERASED, LINKED
from app.sync.slots import Slot, fingerprint
from app.sync.weigh import Trouble, Weighed


class CompanyRecord(Wished[Company]):
    """A record of companies, known by its link, else by domain or name."""

    __slots__ = ("incoming", "wish")
    wish: CompanyWish

    def __init__(self, incoming: Incoming) -> None:
        self.incoming = incoming
        self.wish = self._wish(incoming.weighed(None), None)

    def others(self) -> list[Locator]:
        """Return what finds the company of the link, be it merged into another one."""
        link = self.incoming.link
        known = link.profile if link is not None else None
        return [Locator("id", known), Locator("company.id", known)] if known else []

    def plan(self, held: Company | None, scene: Scene) -> Effect[Company]:  # noqa: ARG002 - looked up one by one
        """Return the effect; raises Left where nothing is to be written, Refused where it can't be."""
        incoming = self.incoming
        incoming.verdict = Verdict()
        known = next(iter(scene.met(self.others())), None)
        link = incoming.link
        if known is None and link is not None and link.profile and link.state in (LINKED, *DEAD):
            incoming.verdict.state = ERASED
            raise Left
        found = [known] if known is not None else scene.met(self.wish.named())
        if len(found) > 1:
            raise incoming.several(found)
        if not found:
            return self._noted(companies.Create(self.wish).plan(None, scene), incoming.weighed(None), scene, CREATED)
        (company,) = found
        other = incoming.taken.get(company.id, incoming.record.id)
        if known is None and other != incoming.record.id:
            raise incoming.another(company, other)
        made = incoming.weighed(company)
        return self._noted(companies.Update(self._wish(made, company)).plan(company, scene), made, scene, UPDATED)

    def _noted(self, effect: Effect[Company], made: Weighed, scene: Scene, outcome: str) -> Effect[Company]:
        verdict, source = self.incoming.verdict, self.incoming.source
        if effect.changed:
            verdict.outcome = outcome
            said = source.said(self.incoming.record.id)
            effect.events.append(companies.event(effect.after, scene, "crmSynced", **said))
        verdict.profile = effect.after.id
        self.incoming.taken[effect.after.id] = self.incoming.record.id
        note(verdict, made, source.slots, effect.after)
        return effect

    def _wish(self, made: Weighed, company: Company | None) -> CompanyWish:
        scalars: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        added, gone = [], []
        found = self.incoming.found
        for slot in made.take:
            value = found.values[slot.name]
            if slot.custom:
                attributes[slot.place] = value
            elif slot.several:
                added += [value] if value is not None else []
                held = company.domains if company else ()
                gone += [one for one in held if one != value and self.incoming.was(slot, one)]
            elif slot.place == "name" and not _name(made, slot, value, company):
                continue
            else:
                scalars[slot.place] = value
        domains = Listing(None, added, gone) if added or gone else None
        return CompanyWish(scalars, domains, None, attributes)


def _name(made: Weighed, slot: Slot, value: str | None, company: Company | None) -> bool:
    """Tell whether a name is to be written: it never goes, and of two cases of one the first stays."""
    if company is None:
        return value is not None
    if value is None:
        own = company.name
        made.base[slot.name] = (None, fingerprint(own))
        words = "The name is empty in the CRM; a company has one, and keeps it."
        made.troubles.append(Trouble(words, slot, None, own, conflict=True))
        return False
    return caseless(value) != caseless(company.name) or value != company.name
