"""What forms and their submissions look like, and what they are saved and sent in with."""

from enum import Enum

import orjson
import strawberry

from app.graph.declare import Info, about, given, needed, relation, value
from app.graph.results import ERRORS, UserError
from app.graph.scalars import JSON, DateTime
from app.graph.types import PageInfo, Person
from app.intake.forms import Submission
from app.persons.model import Person as PersonModel


@strawberry.enum(description="What a submission does with somebody who is known.")
class FormRule(Enum):
    """Rules."""

    OVERRIDE_ALL = value("OVERRIDE_ALL", "Writes every value that is not empty; contacts and tags join.")
    ADD_ONLY_NEW = value("ADD_ONLY_NEW", "Writes what the profile has no value for; contacts and tags join.")
    DO_NOT_UPDATE = value("DO_NOT_UPDATE", "Changes nothing; the submission is on the timeline all the same.")


@strawberry.enum(description="What a form is for.")
class FormKind(Enum):
    """Kinds."""

    OPT_IN = value("OPT_IN", "It makes and changes profiles.")
    OPT_OUT = value("OPT_OUT", "It reaches no profile: its submissions are kept, and nothing more.")


@strawberry.enum(description="By what a form finds its person.")
class FormKey(Enum):
    """Keys."""

    EMAIL = value("EMAIL", "By the field that fills `email`.")
    PHONE = value("PHONE", "By the field that fills `phone`.")


@strawberry.type(description="Which person field (firstName, email, customAttributes.size, ...) a form field fills.")
class FormField:
    """Field."""

    name: str = about("The field's name, as it stands in `values` of submissions.")
    person_field: str | None = about("What it fills; null: it is kept with the submission alone.")


@strawberry.type(description="A form, and what its submissions do with profiles.")
class Form:
    """Form."""

    id: strawberry.ID = about("The id, for `submitForm`.")
    name: str = about("What people call it.")
    kind: FormKind = about("What it is for.")
    enabled: bool = about("Whether submissions reach profiles; otherwise they are kept, and nothing more.")
    key: FormKey = about("By what it finds its person.")
    lead_rule: FormRule = about("What is done with a lead who is known.")
    customer_rule: FormRule = about("What is done with a customer who is known.")
    fields: list[FormField] = about("Its fields.")


@strawberry.type(description="A form that was saved.")
class FormPayload:
    """Form."""

    form: Form | None = about("The form as it is now; null where it was refused.")
    errors: list[UserError] = about(ERRORS)


async def submitted_by(root: strawberry.Parent[Submission], info: Info) -> PersonModel | None:
    """Return whoever has what a submission was known by, as they are now."""
    persons = info.context.services.persons
    return await persons.heir(info.context.account, root.person_id) if root.person_id else None


@strawberry.type(description="Every submission as it came, also where no rule let it reach a profile.")
class FormSubmission:
    """Submission."""

    id: strawberry.ID = strawberry.field(
        resolver=lambda root: root.id.partition("|")[2], description="The submission's id."
    )
    form_id: strawberry.ID = about("The form.")
    values: JSON = strawberry.field(
        resolver=lambda root: orjson.loads(root.values), description="All values by field name, as they came."
    )
    person: Person | None = relation(
        submitted_by, "Who has the email or phone that it came with; null where nobody had it."
    )
    occurred_at: DateTime = about("When it was filled in.")
    received_at: DateTime = about("When the service heard of it.")


@strawberry.type(description="A page of submissions.")
class FormSubmissionConnection:
    """Submissions."""

    nodes: list[FormSubmission] = about("The submissions, newest first.")
    page_info: PageInfo = about("Where the page lies.")


@strawberry.input(description="A field of a form, and what it fills.")
class FormFieldInput:
    """Field."""

    name: str = needed("The field's name, as it stands in `values` of submissions; 1 to 255 characters, each once.")
    person_field: str | None = given(
        "What it fills: `email`, `phone`, `tags`, a field of `UpdatePersonInput` such as `firstName`, or"
        " `customAttributes.<name>`; each at most once. Nothing where nothing is said."
    )


@strawberry.input(description="A form to make, or to overwrite.")
class SaveFormInput:
    """Form."""

    id: strawberry.ID | None = given("The form to overwrite; a new one where nothing is said.")
    name: str = needed("What people call it, 1 to 255 characters.")
    kind: FormKind = given("What it is for.", "OPT_IN")
    enabled: bool = given("Whether submissions reach profiles.", default=True)
    key: FormKey = given("By what it finds its person.", "EMAIL")
    lead_rule: FormRule = given("What is done with a lead who is known.", "OVERRIDE_ALL")
    customer_rule: FormRule = given("What is done with a customer who is known.", "ADD_ONLY_NEW")
    fields: list[FormFieldInput] = needed("Its fields, at most 200.")


@strawberry.input(description="A form that somebody filled in.")
class SubmitFormInput:
    """Submission."""

    form_id: strawberry.ID = needed("The form.")
    values: JSON = needed('Values by field name: `{"mail": "ann@example.com"}`; all are kept, empty ones fill nothing.')
    submission_id: str | None = given("Makes a retry count once for ever; 1 to 256 characters.")
    anonymous_id: str | None = given("The visitor who filled it in: their activity joins the person's.")
    occurred_at: DateTime | None = given("When it was filled in, at most 30 days ago; now where nothing is said.")
