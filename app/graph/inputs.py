"""What clients send to change something. Resolvers see these objects as mappings; `reading.py` takes them apart."""

import strawberry

from app.graph.declare import given, needed
from app.graph.enums import (
    AttributeTarget,
    AttributeType,
    Channel,
    CrmSystem,
    EventFieldType,
    Gender,
    PersonType,
    Scope,
)
from app.graph.scalars import JSON, Date, DateTime

# ---------------------------------------------------------------- which person, which company


@strawberry.input(description="One installation of an app.")
class PushLocator:
    """Installation."""

    application_id: str = needed("Id of the application.")
    registration_id: str = needed("Id of the installation's registration.")


@strawberry.input(description="One user of a messaging channel.")
class ChannelLocator:
    """Channel user."""

    channel: Channel = needed("The channel.")
    sender: str = needed("The account's own sender on that channel.")
    user_id: str = needed("The user, as the channel knows them.")


@strawberry.input(description="One record of a CRM.")
class CrmLocator:
    """CRM record."""

    system: CrmSystem = needed("The CRM.")
    object: str = needed("The kind of record: Lead, Contact, lead, contact.")
    record_id: str = needed("The record's id in the CRM.")


@strawberry.input(one_of=True, description="Exactly one way to say which person is meant.")
class PersonLocator:
    """Which person."""

    id: strawberry.ID | None = given("The person's id, or that of one merged into it.")
    external_id: str | None = given("The external id, exactly as it was given.")
    email: str | None = given("An email, in any case: `Ann@Example.com`.")
    phone: str | None = given("A phone number in any writing: `+43 660 123-4567`.")
    push: PushLocator | None = given("An installation that the person holds.")
    channel: ChannelLocator | None = given("A user of a messaging channel.")
    crm: CrmLocator | None = given("A record of a CRM.")


@strawberry.input(one_of=True, description="Exactly one way to say which company is meant.")
class CompanyLocator:
    """Which company."""

    id: strawberry.ID | None = given("The company's id.")
    external_id: str | None = given("The external id, exactly as it was given.")
    name: str | None = given("The name, in any case.")
    domain: str | None = given("A domain of the company: `example.com`.")


# ---------------------------------------------------------------- persons


@strawberry.input(description="An email to keep.")
class EmailInput:
    """Email."""

    address: str = needed("The address, at most 255 characters; kept trimmed and in lower case.")
    primary: bool | None = given("Whether it is the one to write to; the first one is, where nothing is said.")


@strawberry.input(description="A phone number to keep.")
class PhoneInput:
    """Phone."""

    number: str = needed("The number in any writing, 7 to 15 digits; only the digits are kept.")
    primary: bool | None = given("Whether it is the one to call; the first one is, where nothing is said.")


@strawberry.input(description="`set` replaces all and stands alone; otherwise `add` and `remove`.")
class EmailChanges:
    """Changes of emails."""

    set: list[EmailInput] | None = given("All emails from now on.")
    add: list[EmailInput] | None = given("Emails to add; one that is there already takes the new flag.")
    remove: list[str] | None = given("Addresses to take off.")


@strawberry.input(description="`set` replaces all and stands alone; otherwise `add` and `remove`.")
class PhoneChanges:
    """Changes of phones."""

    set: list[PhoneInput] | None = given("All numbers from now on.")
    add: list[PhoneInput] | None = given("Numbers to add; one that is there already takes the new flag.")
    remove: list[str] | None = given("Numbers to take off.")


@strawberry.input(description="`set` replaces all and stands alone; otherwise `add` and `remove`.")
class TagChanges:
    """Changes of a list of words."""

    set: list[str] | None = given("All of them from now on.")
    add: list[str] | None = given("What to add.")
    remove: list[str] | None = given("What to take off.")


@strawberry.input(description="A new person. It needs an email, a phone number or an external id.")
class CreatePersonInput:
    """New person."""

    type: PersonType | None = given("CUSTOMER where nothing is said.")
    external_id: str | None = given("The id in your own system, at most 256 characters, exact.")
    first_name: str | None = given("Given name, at most 255 characters.")
    middle_name: str | None = given("Middle name, at most 50 characters.")
    last_name: str | None = given("Family name, at most 255 characters.")
    nickname: str | None = given("What friends say, at most 50 characters.")
    gender: Gender | None = given("The gender that the person goes by.")
    birth_date: Date | None = given("Date of birth, not before 1900, not in the future.")
    address: str | None = given("Street and number, at most 256 characters.")
    city: str | None = given("City, at most 50 characters.")
    country: str | None = given("Country, its English name or ISO code, at most 50 characters.")
    preferred_language: str | None = given("Language: `en`, `en-GB`.")
    time_zone: str | None = given("Time zone by its IANA name: `Europe/Vienna`.")
    profile_picture: str | None = given("URL of a picture, at most 2083 characters.")
    emails: list[EmailInput] | None = given("Emails, at most 100.")
    phones: list[PhoneInput] | None = given("Phone numbers, at most 100.")
    tags: list[str] | None = given("Names of tags; unknown ones are made.")
    custom_attributes: JSON | None = given('Values by attribute name: `{"size": 42}`.')


@strawberry.input(description="Changes of a person. Absent keeps, null clears.")
class UpdatePersonInput:
    """Changed person."""

    type: PersonType | None = given("CUSTOMER makes a customer of a lead; the way back is refused.")
    external_id: str | None = given("The id in your own system, at most 256 characters, exact.")
    first_name: str | None = given("Given name, at most 255 characters.")
    middle_name: str | None = given("Middle name, at most 50 characters.")
    last_name: str | None = given("Family name, at most 255 characters.")
    nickname: str | None = given("What friends say, at most 50 characters.")
    gender: Gender | None = given("The gender that the person goes by.")
    birth_date: Date | None = given("Date of birth, not before 1900, not in the future.")
    address: str | None = given("Street and number, at most 256 characters.")
    city: str | None = given("City, at most 50 characters.")
    country: str | None = given("Country, its English name or ISO code, at most 50 characters.")
    preferred_language: str | None = given("Language: `en`, `en-GB`.")
    time_zone: str | None = given("Time zone by its IANA name: `Europe/Vienna`.")
    profile_picture: str | None = given("URL of a picture, at most 2083 characters.")
    emails: EmailChanges | None = given("Changes of the emails; null takes all off.")
    phones: PhoneChanges | None = given("Changes of the phone numbers; null takes all off.")
    tags: TagChanges | None = given("Changes of the tags; null takes all off.")
    custom_attributes: JSON | None = given("Merged name by name; a null value clears that attribute.")


# ---------------------------------------------------------------- companies


@strawberry.input(description="A new company.")
class CreateCompanyInput:
    """New company."""

    external_id: str | None = given("The id in your own system, at most 256 characters; it never changes.")
    name: str = needed("The name, at most 255 characters, unique in any case.")
    domains: list[str] | None = given("Domains such as `example.com`, at most 100; each belongs to one company.")
    country: str | None = given("Country, at most 50 characters.")
    region: str | None = given("Region, at most 255 characters.")
    segment: str | None = given("Segment, at most 255 characters.")
    industry: str | None = given("Industry, at most 255 characters.")
    customer_stage: str | None = given("How far the business with it has come, at most 255 characters.")
    account_manager: str | None = given("Who looks after it, at most 255 characters.")
    vat_number: str | None = given("VAT number, at most 50 characters.")
    notes: str | None = given("Notes, at most 1023 characters.")
    tags: list[str] | None = given("Names of tags, which its persons inherit; unknown ones are made.")
    custom_attributes: JSON | None = given("Values by attribute name.")


@strawberry.input(description="Changes of a company. Absent keeps, null clears.")
class UpdateCompanyInput:
    """Changed company."""

    name: str | None = given("The name, at most 255 characters, unique in any case; it can't be cleared.")
    domains: TagChanges | None = given("Changes of the domains; null takes all off.")
    country: str | None = given("Country, at most 50 characters.")
    region: str | None = given("Region, at most 255 characters.")
    segment: str | None = given("Segment, at most 255 characters.")
    industry: str | None = given("Industry, at most 255 characters.")
    customer_stage: str | None = given("How far the business with it has come, at most 255 characters.")
    account_manager: str | None = given("Who looks after it, at most 255 characters.")
    vat_number: str | None = given("VAT number, at most 50 characters.")
    notes: str | None = given("Notes, at most 1023 characters.")
    tags: TagChanges | None = given("Changes of the tags; null takes all off.")
    custom_attributes: JSON | None = given("Merged name by name; a null value clears that attribute.")


# ---------------------------------------------------------------- definitions and events


@strawberry.input(description="A field of the items of a LIST attribute.")
class ItemFieldInput:
    """Item field."""

    name: str = needed("Small letter first, then letters, digits and `_`, at most 128 characters.")
    type: AttributeType = needed("Any type but LIST.")


@strawberry.input(description="A new custom attribute.")
class DefineAttributeInput:
    """New attribute."""

    target: AttributeTarget = given("Of persons or of companies.", "PERSON")
    name: str = needed("At most 256 characters, none of `{ } [ ]`, unique in any case.")
    type: AttributeType = needed("The type; it never changes.")
    description: str | None = given("What it is for, at most 2000 characters.")
    item_fields: list[ItemFieldInput] | None = given("Of a LIST: the fields of its items, 1 to 128.")


@strawberry.input(description="A property of an event.")
class EventFieldInput:
    """Event field."""

    name: str = needed("Small letter first, then letters, digits and `_`, at most 128 characters.")
    type: EventFieldType = needed("The type; it never changes.")
    item_fields: "list[EventFieldInput] | None" = given("Of a LIST: the fields of its items, 1 to 128.")


@strawberry.input(description="An event to define, or to add fields to; nothing is ever taken away.")
class DefineEventInput:
    """New event."""

    id: strawberry.ID = needed("1 to 36 letters and digits: `orderPlaced`.")
    title: str = needed("What people read, 1 to 100 characters: `Order placed`.")
    description: str | None = given("What it means, at most 2000 characters.")
    fields: list[EventFieldInput] = strawberry.field(
        description="Its properties, at most 120; those that it has already may be left out.", default_factory=list
    )


@strawberry.input(description="Something that happened to a person.")
class EventInput:
    """Sent event."""

    person: PersonLocator = needed("To whom it happened.")
    type: str = needed("Id of the event's definition.")
    event_id: str | None = given("Makes a retry count once for ever; 1-64 of [A-Za-z0-9_-].")
    occurred_at: DateTime | None = given("When it happened, at most 30 days ago; now where nothing is said.")
    session_id: str | None = given("The visit or call that it was part of, at most 256 characters.")
    properties: JSON | None = given("Any of the properties that are defined for the event.")
    create_person: bool = given("Creates a CUSTOMER when an email, phone or external id is unknown.", default=False)


# ---------------------------------------------------------------- access


@strawberry.input(description="A new API key.")
class CreateApiKeyInput:
    """New key."""

    name: str = needed("What it is for, 1 to 255 characters.")
    scopes: list[Scope] = needed("What it may do, at least one.")
    strict_identity: bool = given("Whether it joins known persons on signed tokens alone.", default=False)
    expires_at: DateTime | None = given("When it stops working; never where nothing is said.")
