"""Every object type of the schema. Fields are attributes of the rooms' own models; only relations resolve."""

import strawberry

from app.graph import enums
from app.graph.declare import about, relation
from app.graph.relations import (
    activity_by_day,
    attribute_of,
    changed_person,
    companies_of,
    event_company,
    event_person,
    inherited_tags,
    own_timeline,
    person_timeline,
    persons_of,
    tagged_companies,
    tagged_persons,
    total_of,
    update_person,
)
from app.graph.scalars import JSON, Cursor, Date, DateTime


@strawberry.interface(description="Everything that can be read again by its id alone.")
class Node:
    """Relay's node."""

    id: strawberry.ID = about("The id: opaque, never reused; its prefix tells the type.")


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    """Relay's page info."""

    has_next_page: bool = about("Whether something follows.")
    has_previous_page: bool = about("Whether something comes before.")
    start_cursor: Cursor | None = about("The cursor of the first item, for `before`.")
    end_cursor: Cursor | None = about("The cursor of the last item, for `after`.")


# ---------------------------------------------------------------- persons


@strawberry.type(description="An email of a person.")
class EmailContact:
    """Email."""

    address: str = about("The address, in lower case.")
    primary: bool = about("Whether it is the one to write to.")


@strawberry.type(description="A phone number of a person.")
class PhoneContact:
    """Phone."""

    number: str = about("The number, digits alone.")
    primary: bool = about("Whether it is the one to call.")


@strawberry.type(description="A person's user on a messaging channel.")
class ChannelContact:
    """Channel user."""

    channel: enums.Channel = about("The channel.")
    sender: str = about("The account's own sender on that channel.")
    user_id: str = about("The user, as the channel knows them.")


@strawberry.type(description="An installation of an app that a person uses.")
class PushRegistration:
    """Installation."""

    application_id: str = about("Id of the application.")
    registration_id: str = about("Id of the installation's registration.")
    primary: bool = about("Whether it is the device to reach the person on.")
    enabled: bool = about("Whether the person takes messages there.")
    platform: str | None = about("The platform: `ios`, `android`.")
    system_data: JSON = about("What the SDK says about the device.")
    additional_data: JSON = about("What the app says about the installation.")


@strawberry.type(description="The record of a CRM that a person is kept in step with.")
class CrmLink:
    """CRM record."""

    system: enums.CrmSystem = about("The CRM.")
    object: str = about("The kind of record.")
    record_id: str = about("The record's id in the CRM.")
    synced_at: DateTime | None = about("When both were last made equal.")


@strawberry.type(description="How much happened on a day.")
class DayCount:
    """Day."""

    day: Date = about("The day, in UTC.")
    events: int = about("How many events there were.")


@strawberry.type(description="A person: what the business knows about them, and what they did.")
class Person(Node):
    """Person."""

    type: enums.PersonType = about("Lead or customer.")
    external_id: str | None = about("The id in your own system.")
    first_name: str | None = about("Given name.")
    middle_name: str | None = about("Middle name.")
    last_name: str | None = about("Family name.")
    nickname: str | None = about("What friends say.")
    gender: enums.Gender | None = about("The gender that the person goes by.")
    birth_date: Date | None = about("Date of birth.")
    address: str | None = about("Street and number.")
    city: str | None = about("City.")
    country: str | None = about("Country, as it was given.")
    preferred_language: str | None = about("Language: `en`, `en-GB`.")
    time_zone: str | None = about("Time zone by its IANA name.")
    profile_picture: str | None = about("URL of a picture.")
    emails: list[EmailContact] = about("Emails, oldest first.")
    phones: list[PhoneContact] = about("Phone numbers, oldest first.")
    push_registrations: list[PushRegistration] = about("Installations of apps.")
    channels: list[ChannelContact] = about("Users on messaging channels.")
    tags: list[str] = about("The person's own tags.")
    inherited_tags: list[str] = relation(inherited_tags, "The tags of the person's companies.")
    custom_attributes: JSON = about("Values by attribute name; those without a value are left out.")
    custom_attribute: JSON | None = relation(attribute_of, "The value of one attribute, null where it has none.")
    companies: "PersonCompanyConnection" = relation(companies_of, "The companies that the person belongs to.")
    timeline: "TimelineConnection" = relation(person_timeline, "What happened, newest first.")
    crm_links: list[CrmLink] = about("Records of CRMs.")
    merged_ids: list[strawberry.ID] = about("Ids of the persons that were merged into this one; they keep finding it.")
    activity_by_day: list[DayCount] = relation(
        activity_by_day, "Events a day in UTC, oldest first, days without any included; at most 366 days."
    )
    created_from: enums.Origin = about("Where the profile came from.")
    modified_from: enums.Origin = about("Where its last change came from.")
    created_at: DateTime = about("When the profile was made.")
    updated_at: DateTime = about("When the profile was changed last.")
    version: int = about("Rises by one with each change; give it back as `expectedVersion`.")


@strawberry.type(description="A page of persons.")
class PersonConnection:
    """Persons."""

    edges: list["PersonEdge"] = about("The persons with their cursors.")
    nodes: list[Person] = about("The persons.")
    page_info: PageInfo = about("Where the page lies.")
    total_count: int = relation(total_of, "How many there are on all pages; counted only when it is asked for.")


@strawberry.type(description="A person in a list.")
class PersonEdge:
    """Person with cursor."""

    cursor: Cursor = about("Where it stands.")
    node: Person = about("The person.")


@strawberry.type(description="A page of a person's companies.")
class PersonCompanyConnection:
    """Companies of a person."""

    edges: list["PersonCompanyEdge"] = about("The companies with cursor and role.")
    nodes: list["Company"] = about("The companies.")
    page_info: PageInfo = about("Where the page lies.")
    total_count: int = relation(total_of, "How many there are on all pages.")


@strawberry.type(description="A company that a person belongs to.")
class PersonCompanyEdge:
    """Company with role."""

    cursor: Cursor = about("Where it stands.")
    node: "Company" = about("The company.")
    role: str | None = about("What the person is there: `buyer`.")
    primary: bool = about("Whether it is the person's main company.")


# ---------------------------------------------------------------- companies


@strawberry.type(description="A company: what the business knows about it, and its persons.")
class Company(Node):
    """Company."""

    external_id: str | None = about("The id in your own system; it never changes.")
    name: str = about("The name.")
    domains: list[str] = about("Its domains, in lower case.")
    country: str | None = about("Country, as it was given.")
    region: str | None = about("Region.")
    segment: str | None = about("Segment.")
    industry: str | None = about("Industry.")
    customer_stage: str | None = about("How far the business with it has come.")
    account_manager: str | None = about("Who looks after it.")
    vat_number: str | None = about("VAT number.")
    notes: str | None = about("Notes.")
    tags: list[str] = about("Its tags, which its persons inherit.")
    custom_attributes: JSON = about("Values by attribute name; those without a value are left out.")
    custom_attribute: JSON | None = relation(attribute_of, "The value of one attribute, null where it has none.")
    persons: "CompanyPersonConnection" = relation(persons_of, "Its persons.")
    timeline: "TimelineConnection" = relation(own_timeline, "What happened, newest first.")
    created_from: enums.Origin = about("Where it came from.")
    modified_from: enums.Origin = about("Where its last change came from.")
    created_at: DateTime = about("When it was made.")
    updated_at: DateTime = about("When it was changed last.")
    version: int = about("Rises by one with each change; give it back as `expectedVersion`.")


@strawberry.type(description="A page of companies.")
class CompanyConnection:
    """Companies."""

    edges: list["CompanyEdge"] = about("The companies with their cursors.")
    nodes: list[Company] = about("The companies.")
    page_info: PageInfo = about("Where the page lies.")
    total_count: int = relation(total_of, "How many there are on all pages; counted only when it is asked for.")


@strawberry.type(description="A company in a list.")
class CompanyEdge:
    """Company with cursor."""

    cursor: Cursor = about("Where it stands.")
    node: Company = about("The company.")


@strawberry.type(description="A page of a company's persons.")
class CompanyPersonConnection:
    """Persons of a company."""

    edges: list["CompanyPersonEdge"] = about("The persons with cursor and role.")
    nodes: list[Person] = about("The persons.")
    page_info: PageInfo = about("Where the page lies.")
    total_count: int = relation(total_of, "How many there are on all pages; counted only when it is asked for.")


@strawberry.type(description="A person that belongs to a company.")
class CompanyPersonEdge:
    """Person with role."""

    cursor: Cursor = about("Where it stands.")
    node: Person = about("The person.")
    role: str | None = about("What the person is there: `buyer`.")
    primary: bool = about("Whether it is the person's main company.")


# ---------------------------------------------------------------- definitions


@strawberry.type(description="A label of persons and companies.")
class Tag:
    """Tag."""

    name: str = about("The name, unique in any case.")
    persons: int = relation(tagged_persons, "How many persons have it themselves.")
    companies: int = relation(tagged_companies, "How many companies have it.")
    created_at: DateTime = about("When it was made.")


@strawberry.type(description="A page of tags.")
class TagConnection:
    """Tags."""

    nodes: list[Tag] = about("The tags, by name.")
    page_info: PageInfo = about("Where the page lies.")


@strawberry.type(description="A field of the items of a LIST attribute.")
class ItemField:
    """Item field."""

    name: str = about("The field's name.")
    type: enums.AttributeType = about("The field's type.")


@strawberry.type(description="A custom attribute.")
class AttributeDefinition:
    """Attribute."""

    target: enums.AttributeTarget = about("Of persons or of companies.")
    name: str = about("The name, unique in any case.")
    type: enums.AttributeType = about("The type.")
    description: str | None = about("What it is for.")
    item_fields: list[ItemField] = about("Of a LIST: the fields of its items.")
    created_at: DateTime = about("When it was defined.")


@strawberry.type(description="A property of an event.")
class EventField:
    """Event field."""

    name: str = about("The property's name.")
    type: enums.EventFieldType = about("The property's type.")
    item_fields: list["EventField"] = about("Of a LIST: the fields of its items.")


@strawberry.type(description="A kind of event.")
class EventDefinition:
    """Event definition."""

    id: strawberry.ID = about("The id that events carry as their type: `orderPlaced`.")
    title: str = about("What people read.")
    description: str | None = about("What it means.")
    standard: bool = about("Whether the service itself records it; clients can't send it.")
    fields: list[EventField] = about("Its properties.")
    created_at: DateTime = about("When it was defined.")


# ---------------------------------------------------------------- timeline


@strawberry.type(description="Something that happened to a person or a company; it never changes.")
class TimelineEvent(Node):
    """Event."""

    type: str = about("Id of the definition: pageView, sessionStarted, personMerged, or one of the account's own.")
    title: str = about("The definition's title.")
    occurred_at: DateTime = about("When it happened.")
    received_at: DateTime = about("When the service heard of it.")
    source: enums.Origin = about("Where it came from.")
    session_id: str | None = about("The visit or call that it was part of.")
    properties: JSON = about("Its properties by name.")
    person: Person | None = relation(event_person, "The person, null where they are gone or it is a company's event.")
    company: Company | None = relation(event_company, "The company, null where it is gone or it is a person's event.")


@strawberry.type(description="A page of a timeline.")
class TimelineConnection:
    """Events."""

    edges: list["TimelineEdge"] = about("The events with their cursors.")
    nodes: list[TimelineEvent] = about("The events.")
    page_info: PageInfo = about("Where the page lies.")


@strawberry.type(description="An event in a list.")
class TimelineEdge:
    """Event with cursor."""

    cursor: Cursor = about("Where it stands.")
    node: TimelineEvent = about("The event.")


# ---------------------------------------------------------------- access and live


@strawberry.type(description="An API key; the key itself is shown only when it is made.")
class ApiKey:
    """Key."""

    id: strawberry.ID = about("The id, for `revokeApiKey`.")
    name: str = about("What it is for.")
    prefix: str = about("How the key begins, to tell it apart.")
    scopes: list[enums.Scope] = about("What it may do.")
    strict_identity: bool = about("Whether it joins known persons on signed tokens alone.")
    created_at: DateTime = about("When it was made.")
    last_used_at: DateTime | None = about("When it was last used, to the minute.")
    expires_at: DateTime | None = about("When it stops working.")
    revoked_at: DateTime | None = about("When it was revoked.")


@strawberry.type(description="Who asks.")
class Viewer:
    """Viewer."""

    account_id: strawberry.ID = about("The account that the key belongs to.")
    account_name: str = about("The account's name.")
    scopes: list[enums.Scope] = about("What the key may do.")


@strawberry.type(
    description="READY comes first and carries a cursor. RESYNC: the cursor is too old, read afresh. MERGED and DELETED"
    " name what became of the person."
)
class TimelineUpdate:
    """Live event."""

    cursor: Cursor = about("Give it back as `after` to go on behind this update.")
    kind: enums.UpdateKind = about("What this update tells.")
    event: TimelineEvent | None = about(
        "The event, of EVENT, MERGED and DELETED; null of a DELETED that comes behind RESYNC."
    )
    person: Person | None = relation(update_person, "The person it happened to, as they are now.")


@strawberry.type(description="A change of a person.")
class PersonUpdate:
    """Live change."""

    cursor: Cursor = about("Give it back as `after` to go on behind this update.")
    kind: enums.UpdateKind = about("What this update tells.")
    person_id: strawberry.ID | None = about("Whom it is about; null for READY and RESYNC.")
    person: Person | None = relation(
        changed_person, "The person as they are now; null where they are gone or no longer match."
    )
    changed_fields: list[str] = about("The fields that changed: `firstName`, `emails`, `customAttributes`.")
