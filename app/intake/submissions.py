"""Forms and what is sent in: each submission is kept as it came, once; what fits reaches a profile by the rules.

A profile and its submission are written in one unit, so that neither a repetition nor a deletion falls between them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from app.catalog.checks import has_unknown
from app.catalog.model import PERSON, Catalog
from app.catalog.service import CatalogService
from app.changes.model import Ask, Effect, Guard
from app.changes.service import change_of, settled
from app.claims.model import Locator, digest
from app.core import clock, ids
from app.core.actor import Actor, Scope
from app.core.errors import Refusals, Refused, unavailable
from app.core.pages import Page, Slice
from app.intake import channels, form_store, forms
from app.intake.channels import FORM, Told
from app.intake.contacts import Channels
from app.intake.forms import Form, Reading, Submission, Submitted
from app.intake.visit import ANONYMOUS_ID_MAX, IDENTIFY, Message
from app.intake.visitors import Visitors
from app.mongo.engine import Clash, Insert
from app.persons.model import Line, Person
from app.persons.service import Persons
from app.timeline.admit import when

FORMS_MAX = 1000
TRIES = 8


@dataclass(frozen=True, slots=True)
class Sent:
    """A submission as it was sent in; `anonymous_id` is the visitor who filled the form in."""

    form_id: str
    values: Any
    submission_id: str | None = None
    anonymous_id: str | None = None
    occurred_at: datetime | None = None


class _Known(Refused):
    """The submission was kept before."""

    def __init__(self) -> None:
        super().__init__("WRONG_STATE", "This submission was taken already.", ("submissionId",))


class Forms:
    """The forms of all accounts."""

    def __init__(
        self,
        store: form_store.FormStore,
        catalog: CatalogService,
        persons: Persons,
        channels: Channels,
        visitors: Visitors,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._persons = persons
        self._channels = channels
        self._visitors = visitors

    # ------------------------------------------------------------ forms

    async def save(self, account: str, given: Form) -> Form:
        """Make a form, or with an id overwrite one; refuses NOT_FOUND, TOO_MANY and what `forms.checked` does."""
        form = await self._checked(account, given)
        if form.id:
            if not await self._store.overwrite(form):
                raise Refused("NOT_FOUND", "There is no such form.", ("id",))
            return form
        if await self._store.count(account) >= FORMS_MAX:
            raise Refused("TOO_MANY", f"An account has at most {FORMS_MAX} forms.")
        form = replace(form, id=ids.new("frm"))
        await self._store.insert(form)
        return form

    async def _checked(self, account: str, given: Form) -> Form:
        try:
            return forms.checked(given, await self._catalog.of(account))
        except Refusals as refusals:
            if not has_unknown(refusals):
                raise
            # It may have been defined by another process a moment ago.
            return forms.checked(given, await self._catalog.fresh(account))

    async def all(self, account: str) -> Sequence[Form]:
        """Return an account's forms, oldest first."""
        return await self._store.forms(account)

    async def page(self, account: str, form_id: str | None, part: Slice) -> Page[Submission]:
        """Return a part of the submissions of a form, or of all, newest first."""
        return await self._store.page(account, form_id, part)

    # ------------------------------------------------------------ submissions

    async def submit(self, actor: Actor, sent: Sent) -> Person | None:
        """Take a submission in; returns the person whom it reached, None where it reached nobody.

        Refuses NOT_FOUND, INVALID, TOO_LONG, TOO_OLD, and PERSON_NOT_FOUND for one of somebody who was deleted.
        """
        form = await self._store.form(actor.account, sent.form_id)
        if form is None:
            raise Refused("NOT_FOUND", "There is no such form.", ("formId",))
        new = _new(form, sent, website=not actor.may(Scope.EVENTS_WRITE))
        reading = forms.read(form, orjson.loads(new.values), await self._fitting(form))
        told = _told(sent, reading.key, new) if reading.key else None
        actor = replace(actor, origin=channels.origin(FORM))
        known = await self._store.submission(new.account, new.id) if sent.submission_id else None
        kept = known or await self._kept(actor, form, new, told)
        if told is None or not kept.reached:
            return None
        line = await self._reached(kept, told.contact)
        if line is None:
            raise _gone()
        await self._channels.tell(actor, line, replace(told, occurred_at=_moment(sent, known, line.person)))
        await self._joined(actor, sent, told.contact)
        return line.person

    async def _fitting(self, form: Form) -> Catalog:
        catalog = await self._catalog.of(form.account)
        unknown = any(catalog.attribute(PERSON, name) is None for name in forms.attributes(form))
        return await self._catalog.fresh(form.account) if unknown else catalog

    async def _reached(self, kept: Submission, key: Locator) -> Line | None:
        """Return whom a submission reached, whoever has its key by now; None where they are gone."""
        line = await self._line(kept.account, key)
        if line and kept.line in line.person.subjects:
            return replace(line, subject=kept.line)
        person = await self._persons.heir(kept.account, kept.person_id) if kept.person_id else None
        if person is None:
            return None
        known = line.subject if line and line.person.id == person.id else person.subjects[0]
        return Line(person, known)

    async def _line(self, account: str, key: Locator) -> Line | None:
        (line,) = await self._persons.lines(account, [key])
        return line

    async def _kept(self, actor: Actor, form: Form, new: Submission, told: Told | None) -> Submission:
        """Keep a submission, with whom it reached in one unit; returns it as it is kept, be it by somebody faster."""
        for _ in range(TRIES):
            if told is not None and form.reaches:
                kept = await self._with_change(actor, form, new, told)
            else:
                kept = await self._alone(new, told.contact if told else None)
            if kept := kept or await self._store.submission(new.account, new.id):
                return kept
        raise unavailable()

    async def _with_change(self, actor: Actor, form: Form, new: Submission, told: Told) -> Submission | None:
        """Keep it with what it changes of a person; None where somebody was faster."""
        if await self._channels.erased(actor.account, told):
            raise _gone()
        try:
            effect = await self._changed(actor, form, new, told.contact)
        except _Known:
            return None
        if effect.changed:
            return await self._store.submission(new.account, new.id)
        line = await self._line(actor.account, told.contact)
        known = line.subject if line and line.person.id == effect.after.id else None
        mine = replace(new, person_id=effect.after.id, reached=True, line=known)
        return mine if await self._beside(mine) else None

    async def _alone(self, new: Submission, key: Locator | None) -> Submission | None:
        """Keep it, with whose it is: so it goes when they go. None where somebody was faster."""
        line = await self._line(new.account, key) if key else None
        if line is None:
            return new if await self._store.keep(new) else None
        mine = replace(new, person_id=line.person.id, line=line.subject)
        return mine if await self._beside(mine) else None

    async def _changed(self, actor: Actor, form: Form, new: Submission, key: Locator) -> Effect[Person]:
        there = Guard(form_store.SUBMISSIONS, new.id, _Known(), 0)

        def make(reading: Reading) -> Submitted:
            return Submitted(form, key, reading.wish, partial(_with, there, new))

        def ask(_: int, reading: Reading | Refusals) -> Ask[Person]:
            others = [] if isinstance(reading, Refusals) else reading.wish.named()
            return Ask(actor.account, actor.origin, change_of(reading, make), (key,), others, guards=(there,))

        given = orjson.loads(new.values)
        (outcome,) = await self._persons.changes.asked(actor.account, [given], partial(forms.read, form), ask)
        return settled(outcome)

    async def _beside(self, one: Submission) -> bool:
        """Keep a submission that changed nobody; False where its person is gone, or somebody was faster."""
        assert one.person_id is not None  # noqa: S101 - asked by the caller
        write = form_store.SUBMISSIONS, Insert(form_store.document(one))
        try:
            return await self._persons.beside(one.account, one.person_id, [write])
        except Clash:
            return False

    async def _joined(self, actor: Actor, sent: Sent, key: Locator) -> None:
        """Let the visitor who filled the form in be the person, where the caller may say so."""
        if sent.anonymous_id is not None:
            await self._visitors.take(actor, [Message(IDENTIFY, sent.anonymous_id, identity=(key,))])


def _new(form: Form, sent: Sent, *, website: bool) -> Submission:
    """Return a submission as it would be kept; refuses what can't be one."""
    for name, value, limit in (
        ("submissionId", sent.submission_id, channels.ID_MAX),
        ("anonymousId", sent.anonymous_id, ANONYMOUS_ID_MAX),
    ):
        try:
            if value is not None:
                channels.identifier(value, limit)
        except Refused as refusal:
            raise refusal.under(name) from refusal
    now = clock.now()
    said, at = forms.written(sent.values, website=website), when(sent.occurred_at, now)
    mark = digest(FORM, sent.submission_id) if sent.submission_id else ids.new("fsm", now)
    return Submission(f"{form.account}|{form.id}|{mark}", form.account, form.id, said, at, now)


def _moment(sent: Sent, known: Submission | None, person: Person) -> datetime | None:
    """Return when it is shown as sent in: where nobody says, not before its person was made; None: now."""
    if sent.occurred_at is not None or known is None:
        return sent.occurred_at
    return max(known.occurred_at, person.created_at)


def _told(sent: Sent, key: Locator, submission: Submission) -> Told:
    properties = {"formId": sent.form_id, "submissionId": sent.submission_id}
    said = {name: value for name, value in properties.items() if value is not None}
    return Told(FORM, key, (submission.id,), properties=said)


def _with(guard: Guard, new: Submission, person_id: str, line: str | None) -> Guard:
    """Return the guard that keeps a submission with whom it reached."""
    mine = replace(new, person_id=person_id, reached=True, line=line)
    return replace(guard, change=form_store.document(mine))


def _gone() -> Refused:
    return Refused("PERSON_NOT_FOUND", "This was sent in by a person who was deleted.", ("values",))
