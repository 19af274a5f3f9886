"""What connections to CRMs look like, and what they are made and mapped with."""

from enum import Enum

import strawberry

from app.companies.model import Company as CompanyModel
from app.core import clock
from app.graph import enums
from app.graph.connections import Connection, Place
from app.graph.declare import First, Info, about, given, needed, relation, value
from app.graph.imports_types import ImportTarget
from app.graph.relations import After
from app.graph.results import ERRORS, UserError
from app.graph.scalars import JSON, DateTime
from app.graph.types import Company, Node, PageInfo, Person
from app.persons.model import Person as PersonModel
from app.sync import model


@strawberry.enum(description="How a connection is.")
class SyncState(Enum):
    """States."""

    DISCONNECTED = value("DISCONNECTED", "It was given up; connecting the same CRM again takes it up.")
    IDLE = value("IDLE", "It waits for its next run, or to be started.")
    RUNNING = value("RUNNING", "It runs.")
    PAUSED = value("PAUSED", "It rests until it is started.")
    FAILING = value("FAILING", "Its last run went wrong, see `lastError`; it is tried again by itself.")


@strawberry.enum(description="Which way values go.")
class SyncDirection(Enum):
    """Directions."""

    IN = value("IN", "From the CRM to the profile.")
    OUT = value("OUT", "From the profile to the CRM.")
    BOTH = value("BOTH", "Both ways; where both were changed, the later change holds, the CRM's on a tie.")


@strawberry.enum(description="Whether something is still to be looked at.")
class SyncIssueState(Enum):
    """States of issues."""

    OPEN = value("OPEN", "Somebody should look at it.")
    RETRYING = value("RETRYING", "It is tried again by itself.")
    RESOLVED = value("RESOLVED", "It is done.")


@strawberry.enum(description="A side of a connection.")
class SyncSide(Enum):
    """Sides."""

    CRM = value("CRM", "What stands in the CRM.")
    PROFILE = value("PROFILE", "What stands here.")


@strawberry.type(description="Which field of the CRM is which field of a profile.")
class SyncField:
    """Field."""

    crm_field: str = about("The field's name in the CRM.")
    field: str = about("The profile's: `firstName`, `email`, `phone`, ... or `customAttributes.<name>`.")
    direction: SyncDirection = about("Which way values go.")


@strawberry.type(
    description="object: Lead and Contact in Salesforce, lead and contact in Dynamics, Account or account for"
    " companies."
)
class SyncMapping:
    """Mapping."""

    object: str = about("The object of the CRM.")
    target: ImportTarget = about("What its records are.")
    person_type: enums.PersonType | None = about("What persons of it are: leads or customers.")
    fields: list[SyncField] = about("Its fields.")


@strawberry.type(description="What the last run did, or the one that is under way.")
class SyncCounts:
    """Counts."""

    pulled: int = about("Records that were read.")
    pushed: int = about("Records that were written.")
    created: int = about("Profiles that were made.")
    updated: int = about("Profiles that were changed.")
    unchanged: int = about("Records by which nothing changed.")
    failed: int = about("Records and profiles that went wrong; each is an issue.")


async def _person(root: strawberry.Parent[model.SyncIssue], info: Info) -> PersonModel | None:
    """Return the person of an issue."""
    return await info.context.services.persons.get(info.context.account, root.person_id) if root.person_id else None


async def _company(root: strawberry.Parent[model.SyncIssue], info: Info) -> CompanyModel | None:
    """Return the company of an issue."""
    found = root.company_id
    return await info.context.services.companies.get(info.context.account, found) if found else None


@strawberry.type(description="A record, or a profile, that somebody should look at.")
class SyncIssue:
    """Issue."""

    id: strawberry.ID = about("The issue's id.")
    state: SyncIssueState = about("Whether it is tried again by itself.")
    object: str = about("The object of the CRM.")
    record_id: str = about("The record; empty where a profile has none yet.")
    message: str = about("What is wrong, in the CRM's own words where it said so.")
    person: Person | None = relation(_person, "The person.")
    company: Company | None = relation(_company, "The company.")
    field: str | None = about("Of a conflict, or a value that can't be taken: the field.")
    crm_value: JSON | None = about("The CRM's value.")
    profile_value: JSON | None = about("The profile's value.")
    at: DateTime = about("When it was noticed.")


@strawberry.type(description="A page of issues.")
class SyncIssueConnection:
    """Issues."""

    nodes: list[SyncIssue] = about("The issues, newest first; the newest 10,000 are kept.")
    page_info: PageInfo = about("Where the page lies.")


async def issues_of(
    root: strawberry.Parent[model.Connection], info: Info, first: First = 20, after: After = None
) -> Connection[model.SyncIssue]:
    """Page through issues."""
    place = Place(info.context, "syncIssues", root.id)
    page = await info.context.services.syncs.issues(root, place.part(first, after))
    return Connection(page, place, lambda one: (clock.millis(one.at), one.id))


@strawberry.type(description="A CRM that profiles are kept in step with.")
class SyncConnection(Node):
    """Connection."""

    system: enums.CrmSystem = about("The system.")
    name: str = about("What people call it.")
    base_url: str = about("Where it is.")
    state: SyncState = about("How it is.")
    mappings: list[SyncMapping] = about("Which fields are which; empty before they were mapped.")
    last_run_at: DateTime | None = about("When its last run began.")
    last_error: str | None = about("What went wrong in its last run; null where nothing did.")
    counts: SyncCounts = about("What its last run did, or does.")
    issues: SyncIssueConnection = relation(issues_of, "What somebody should look at.")


@strawberry.type(description="A connection that was written.")
class SyncPayload:
    """Connection."""

    connection: SyncConnection | None = about("The connection as it is now; null where it was refused.")
    errors: list[UserError] = about(ERRORS)


@strawberry.type(description="An issue that was taken up.")
class SyncIssuePayload:
    """Issue."""

    issue: SyncIssue | None = about("The issue as it was, and what becomes of it.")
    errors: list[UserError] = about(ERRORS)


@strawberry.type(description="A connection that went on.")
class SyncUpdate:
    """Progress."""

    connection: SyncConnection = about("The connection as it is now.")


@strawberry.type(description="A field that a CRM offers.")
class CrmObjectField:
    """Field."""

    name: str = about("Its name.")
    label: str = about("What people call it there.")
    type: str = about("Its type, in the CRM's own words.")
    writable: bool = about("Whether it can be written.")
    suggestion: str | None = about("The profile's field that it usually is.")


@strawberry.type(description="What the CRM itself offers to map, asked of it when queried.")
class CrmObject:
    """Object."""

    name: str = about("Its name.")
    target: ImportTarget = about("What its records become.")
    person_type: enums.PersonType | None = about("What persons of it become.")
    fields: list[CrmObjectField] = about("Its fields.")


@strawberry.input(
    description="A CRM and as whom it is asked, by the client credentials of an app that was registered there."
)
class ConnectCrmInput:
    """Connection."""

    system: enums.CrmSystem = needed("The system.")
    name: str = needed("What people call it, 1 to 255 characters.")
    base_url: str = needed("Where it is: https://example.my.salesforce.com, https://example.crm4.dynamics.com.")
    token_url: str | None = given("Of Dynamics: where its directory gives tokens.")
    client_id: str = needed("The id of the app.")
    client_secret: str = needed("Its secret; kept sealed, and never shown.")


@strawberry.input(description="A field of the CRM and the profile's field that it is.")
class SyncFieldInput:
    """Field."""

    crm_field: str = needed("The field's name in the CRM.")
    field: str = needed("The profile's: `firstName`, `email`, `phone`, ... or `customAttributes.<name>`.")
    direction: SyncDirection = given("Which way values go.", "BOTH")


@strawberry.input(description="Leads become leads, contacts customers, accounts companies.")
class SyncMappingInput:
    """Mapping."""

    object: str = needed("The object of the CRM.")
    target: ImportTarget = given("What its records are.", "PERSON")
    person_type: enums.PersonType | None = given("What persons of it are; there is but one that fits.")
    fields: list[SyncFieldInput] = needed("Its fields; none: those that are usual.")
