"""How forms are saved, sent in, and what came in by them."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from app.core.actor import Scope
from app.graph.connections import Connection, Place
from app.graph.declare import First, Info, Input, argument, relation
from app.graph.forms_types import (
    Form,
    FormPayload,
    FormSubmissionConnection,
    SaveFormInput,
    SubmitFormInput,
)
from app.graph.relations import After
from app.graph.results import Payload, PersonPayload, settled
from app.graph.veil import seen
from app.intake import forms as model
from app.intake.form_store import position
from app.intake.submissions import Sent

# Who may know whom a submission reached: a website writes, and learns nothing.
SEEING = (Scope.PEOPLE_READ, Scope.PEOPLE_MANAGE, Scope.EVENTS_WRITE)


async def forms(info: Info) -> Sequence[model.Form]:
    """List forms."""
    return await info.context.services.forms.all(info.context.account)


async def form_submissions(
    info: Info,
    form_id: Annotated[strawberry.ID | None, argument("Of this form; of all where nothing is said.")] = None,
    first: First = None,
    after: After = None,
) -> Connection[model.Submission]:
    """Page through submissions."""
    context, place = info.context, Place(info.context, "formSubmissions", form_id)
    page = await context.services.forms.page(context.account, form_id, place.part(first, after))
    return Connection(page, place, position)


async def save_form(info: Info, input: Annotated[Input, argument("The form.", SaveFormInput)]) -> Payload:
    """Save a form."""
    context = info.context
    work = context.services.forms.save(context.account, _form(context.account, input))
    return await settled(context.actor, "form", work)


def _form(account: str, given: Input) -> model.Form:
    return model.Form(
        given.get("id") or "",
        account,
        given["name"],
        given["kind"],
        given["enabled"],
        given["key"],
        given["leadRule"],
        given["customerRule"],
        tuple(model.FormField(one["name"], one.get("personField")) for one in given["fields"]),
    )


async def submit_form(info: Info, input: Annotated[Input, argument("What was filled in.", SubmitFormInput)]) -> Payload:
    """Send a form in."""
    context = info.context
    work = context.services.forms.submit(context.actor, _sent(input))
    payload = await settled(context.actor, "person", work, deleted_person_ids=[])
    payload.person = seen(payload.person, context.actor) if context.actor.may(*SEEING) else None
    return payload


def _sent(given: Input) -> Sent:
    return Sent(
        given["formId"],
        given["values"],
        given.get("submissionId"),
        given.get("anonymousId"),
        given.get("occurredAt"),
    )


@strawberry.type
class FormQueries:
    """What can be asked about forms."""

    forms: list[Form] = relation(forms, "All forms, oldest first.")
    form_submissions: FormSubmissionConnection = relation(form_submissions, "Submissions, newest first.")


@strawberry.type
class FormMutations:
    """What can be done with forms."""

    save_form: FormPayload = relation(save_form, "Makes a form, or overwrites one; submissions that came stay.")
    submit_form: PersonPayload = relation(
        submit_form,
        "Takes a submission in: it is kept as it came; by the form's rules what fits reaches whoever has its email or"
        " phone, or makes a LEAD. `person` is null where it reached nobody, and for a website's key.",
    )
