"""What a person is. The attributes bear the names of the contract in snake case: GraphQL reads them as they stand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from app.catalog.model import PERSON, Catalog
from app.catalog.values import named, present
from app.changes.model import ACTIVE
from app.claims.model import compound, key

LEAD, CUSTOMER = "LEAD", "CUSTOMER"
# Lines of activity: a visit that joined a person's timeline brings one.
LINES_MAX = 5000
INSTALLATIONS_MAX = 200
REGISTRATION_ID_MAX = 4096
# Members know what their company took in, which may be there until the last of them was moved: so many in one call.
COMPANIES_KEPT = 50


@dataclass(slots=True)
class EmailContact:
    """One address; at most one of a person is primary."""

    address: str
    primary: bool = False


@dataclass(slots=True)
class PhoneContact:
    """One number in digits; at most one of a person is primary."""

    number: str
    primary: bool = False


@dataclass(frozen=True, slots=True)
class ChannelContact:
    """One account on a messaging channel."""

    channel: str
    sender: str
    user_id: str


class Former(NamedTuple):
    """What an installation was before: the line that it carried to, until when, and whose it was."""

    line: str
    until: datetime
    holder: str


@dataclass(frozen=True, slots=True)
class PushRegistration:
    """One installation of an app."""

    application_id: str
    registration_id: str
    primary: bool = False
    enabled: bool = True
    platform: str | None = None
    system_data: dict[str, Any] = field(default_factory=dict)
    additional_data: dict[str, Any] = field(default_factory=dict)
    # The line of activity that it was born with, where that is not the person's own first one.
    subject: str | None = None
    # What it was before, newest first: what was sent then counts once for ever, and what happened then stays there.
    # Whose that was may change with theirs, which is nothing that becomes of the installation.
    former: tuple[Former, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class CrmLink:
    """The record of a CRM that this person stands for; `connection` says of which, for there may be several.

    Of a contact `lead` is the record that it was, as far as that is known.
    """

    system: str
    object: str
    record_id: str
    synced_at: datetime | None = None
    connection: str | None = None
    lead: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells records apart."""
        return self.system, self.object, self.record_id


@dataclass(slots=True)
class Membership:
    """A company that the person belongs to; `was` are those that it took in while the person was their member."""

    company_id: str
    role: str | None = None
    primary: bool = False
    # It tells what is the same while such a company is still there: no part of what is shown or compared.
    was: tuple[str, ...] = field(default=(), compare=False)


def known_before(*companies: str) -> tuple[str, ...]:
    """Return the companies that are known of a membership from before, of those that one took in."""
    return tuple(dict.fromkeys(companies))[-COMPANIES_KEPT:]


@dataclass(slots=True)
class Person:
    """One profile. Lists are never changed in place: whoever changes a person copies it first.

    `subjects` are the lines of activity that make up the timeline, the own one first; of those in `since` only what
    happened from that moment on.
    """

    id: str
    account: str
    type: str
    catalog: Catalog
    created_at: datetime
    updated_at: datetime
    created_from: str
    modified_from: str
    subjects: list[str]
    version: int = 1
    state: str = ACTIVE
    into: str | None = None
    external_id: str | None = None
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    nickname: str | None = None
    gender: str | None = None
    birth_date: str | None = None
    address: str | None = None
    city: str | None = None
    country: str | None = None
    preferred_language: str | None = None
    time_zone: str | None = None
    profile_picture: str | None = None
    emails: list[EmailContact] = field(default_factory=list)
    phones: list[PhoneContact] = field(default_factory=list)
    push_registrations: list[PushRegistration] = field(default_factory=list)
    channels: list[ChannelContact] = field(default_factory=list)
    crm_links: list[CrmLink] = field(default_factory=list)
    merged_ids: list[str] = field(default_factory=list)
    tag_ids: list[str] = field(default_factory=list)
    memberships: list[Membership] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)
    # Lines that came by an identifier of somebody who was merged into this one, each with that one's own line.
    brought: dict[str, str] = field(default_factory=dict)
    # External ids of persons who were merged into this one: they go on finding it.
    aliases: list[str] = field(default_factory=list)
    as_of: datetime | None = None

    @property
    def recency(self) -> datetime:
        """When somebody changed it last: telling persons apart is no change of theirs, and makes nothing new of it."""
        return self.as_of or self.updated_at

    @property
    def tags(self) -> list[str]:
        """The names of the person's own tags."""
        return self.catalog.tag_names(self.tag_ids)

    @property
    def custom_attributes(self) -> dict[str, Any]:
        """Values by attribute name."""
        return named(self.catalog, self.values)

    def attribute(self, name: str) -> Any:
        """Return the value of one attribute, None where it is unset or unknown."""
        definition = self.catalog.attribute(PERSON, name)
        value = self.values.get(definition.id) if definition else None
        return present(definition, value) if definition and value is not None else None


@dataclass(frozen=True, slots=True)
class Line:
    """A person, and the line of activity that an identifier of it carries events to."""

    person: Person
    subject: str


class Carrier(NamedTuple):
    """Whose an event is: the person's id, the line that the identifier carries it to, and all lines of the person.

    `former` is what an installation carried to before, newest first, be it this person's or somebody else's.
    """

    person_id: str
    subject: str
    subjects: list[str]
    former: Sequence[Former] = ()


def push_key(account: str, application_id: str, registration_id: str) -> str:
    """Return the key of the claim on an installation."""
    return key(account, "push", compound(application_id, registration_id))


def lines_of(person: Person) -> dict[str, str]:
    """Return the keys of claims that carry events to another line than the first, each with that line."""
    return {
        push_key(person.account, one.application_id, one.registration_id): one.subject
        for one in person.push_registrations
        if one.subject
    }


def claims_of(person: Person) -> dict[str, tuple[str, ...]]:
    """Return the keys of all claims a person holds, each with where it stands in an input; none where it is gone."""
    account = person.account
    held: dict[str, tuple[str, ...]] = {}
    if person.state != ACTIVE:
        return held
    if person.external_id:
        held[key(account, "externalId", person.external_id)] = ("externalId",)
    for alias in person.aliases:
        held[key(account, "externalId", alias)] = ("externalId",)
    for i, email in enumerate(person.emails):
        held[key(account, "email", email.address)] = ("emails", str(i), "address")
    for i, phone in enumerate(person.phones):
        held[key(account, "phone", phone.number)] = ("phones", str(i), "number")
    for push in person.push_registrations:
        held[push_key(account, push.application_id, push.registration_id)] = ("pushRegistrations",)
    for one in person.channels:
        held[key(account, "channel", compound(one.channel, one.sender, one.user_id))] = ("channels",)
    for link in person.crm_links:
        held[key(account, "crm", compound(link.system, link.object, link.record_id))] = ("crmLinks",)
    return held
