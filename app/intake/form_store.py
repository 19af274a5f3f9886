"""How forms and their submissions are kept: each submission once, newest first by form and by account."""

from collections.abc import Sequence
from typing import Any

from app.core import clock
from app.core.pages import Page, Slice, cut
from app.intake.forms import Form, FormField, Submission
from app.mongo.bound import Bound
from app.mongo.coalesce import Reads
from app.mongo.engine import Document, Engine, Insert, Sort, Stale, Update

FORMS, SUBMISSIONS = "forms", "formSubmissions"
BY_ACCOUNT: Sort = (("account", 1), ("_id", 1))
OF_FORM: Sort = (("account", 1), ("formId", 1), ("at", 1), ("_id", 1))
OF_ACCOUNT: Sort = (("account", 1), ("at", 1), ("_id", 1))
_NAMES = {
    "name": "name",
    "kind": "kind",
    "enabled": "enabled",
    "key": "key",
    "lead_rule": "leadRule",
    "customer_rule": "customerRule",
}


def form_document(form: Form) -> Document:
    """Return a form as it is kept."""
    kept: Document = {"_id": form.id, "account": form.account}
    kept |= {name: getattr(form, attribute) for attribute, name in _NAMES.items()}
    kept["fields"] = [{"name": one.name, "field": one.person_field} for one in form.fields]
    return kept


def _form(kept: Document) -> Form:
    fields = tuple(FormField(one["name"], one["field"]) for one in kept["fields"])
    said: dict[str, Any] = {attribute: kept[name] for attribute, name in _NAMES.items()}
    return Form(kept["_id"], kept["account"], fields=fields, **said)


def document(one: Submission) -> Document:
    """Return a submission as it is kept; values are text, for their names may be any."""
    return {
        "_id": one.id,
        "account": one.account,
        "formId": one.form_id,
        "values": one.values,
        "person": one.person_id,
        "reached": one.reached,
        "line": one.line,
        "at": one.occurred_at,
        "received": one.received_at,
        # A guard that it is not there yet looks at this.
        "version": 1,
    }


def _submission(kept: Document) -> Submission:
    return Submission(
        kept["_id"],
        kept["account"],
        kept["formId"],
        kept["values"],
        kept["at"],
        kept["received"],
        kept["person"],
        kept["reached"],
        kept["line"],
    )


def position(one: Submission) -> tuple[int, str]:
    """Return where a submission stands in its list."""
    return clock.millis(one.occurred_at), one.id


class FormStore:
    """The forms of all accounts, and what came in by them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reads = Reads(engine, FORMS)

    async def form(self, account: str, form_id: str) -> Form | None:
        """Return a form by its id."""
        kept = await self._reads.get(form_id)
        return _form(kept) if kept and kept["account"] == account else None

    async def forms(self, account: str) -> Sequence[Form]:
        """Return all forms of an account, oldest first (index `account,_id`)."""
        found = await Bound(self._engine, FORMS, account).find({}, sort=(("_id", 1),), hint=BY_ACCOUNT)
        return [_form(kept) for kept in found]

    async def count(self, account: str) -> int:
        """Return how many forms an account has."""
        return await Bound(self._engine, FORMS, account).count({}, hint=BY_ACCOUNT)

    async def insert(self, form: Form) -> None:
        """Keep a new form."""
        await self._engine.write(FORMS, [Insert(form_document(form))])

    async def overwrite(self, form: Form) -> bool:
        """Keep a form in place of the one that has its id; False where there is none."""
        kept = form_document(form)
        same = {"_id": kept.pop("_id"), "account": kept.pop("account")}
        try:
            await self._engine.write(FORMS, [Update(same, {"$set": kept}, must=True)])
        except Stale:
            return False
        return True

    async def submission(self, account: str, submission_id: str) -> Submission | None:
        """Return a submission by its id."""
        found = await Bound(self._engine, SUBMISSIONS, account).find({"_id": submission_id})
        return _submission(found[0]) if found else None

    async def keep(self, one: Submission) -> bool:
        """Keep a submission of nobody who is known; False where it was there already."""
        return not await self._engine.insert(SUBMISSIONS, [document(one)])

    async def page(self, account: str, form_id: str | None, part: Slice) -> Page[Submission]:
        """Return a part of the submissions, newest first (index `account,formId,at,_id`, or `account,at,_id`)."""
        where: Document = {} if form_id is None else {"formId": form_id}
        if part.position is not None:
            millis, last_id = part.position
            at, behind = clock.moment(millis), "$gt" if part.backward else "$lt"
            where["at"] = {f"{behind}e": at}
            where["$or"] = [{"at": {behind: at}}, {"_id": {behind: last_id}}]
        way = 1 if part.backward else -1
        found = await Bound(self._engine, SUBMISSIONS, account).find(
            where,
            sort=(("at", way), ("_id", way)),
            limit=part.limit + 1,
            hint=OF_ACCOUNT if form_id is None else OF_FORM,
        )
        return cut([_submission(kept) for kept in found], part)
