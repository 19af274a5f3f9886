"""A person as a document, for whoever reads or writes one: tags and attributes by id, identifiers also as claims."""

from collections.abc import Sequence
from typing import Any, cast

import orjson

from app.catalog.filters import merged_word
from app.catalog.model import Catalog
from app.catalog.values import fields, of_document, tags_of, tokens
from app.changes.model import Kind
from app.core import text
from app.core.sources import Source, Sources
from app.mongo.engine import Document
from app.persons.blocks import kept as kept_blocks
from app.persons.leaving import inherited, left
from app.persons.model import (
    ChannelContact,
    CrmLink,
    EmailContact,
    Former,
    Membership,
    Person,
    PhoneContact,
    PushRegistration,
    claims_of,
    lines_of,
)
from app.persons.plan import TAKEN

COLLECTION = "persons"
# Attribute of the model → field of the document.
FIELDS = {
    "into": "into",
    "external_id": "externalId",
    "first_name": "firstName",
    "middle_name": "middleName",
    "last_name": "lastName",
    "nickname": "nickname",
    "gender": "gender",
    "birth_date": "birthDate",
    "address": "address",
    "city": "city",
    "country": "country",
    "preferred_language": "preferredLanguage",
    "time_zone": "timeZone",
    "profile_picture": "profilePicture",
}
_READ = tuple(FIELDS.items())
# In the order of the model's own fields, so that a person is read in one call.
_TEXTS = tuple(FIELDS.values())


# What lists show of persons, where it stands; the rest is read into models first.
SOURCES: Sources = {
    "id": Source(("_id",)),
    "type": Source(("type",)),
    "created_at": Source(("createdAt",)),
    "updated_at": Source(("updatedAt",)),
    "created_from": Source(("createdFrom",)),
    "modified_from": Source(("modifiedFrom",)),
    "version": Source(("version",)),
    "emails": Source(("emails",), items={"address": Source(("v",)), "primary": Source(("p",))}),
    "phones": Source(("phones",), items={"number": Source(("v",)), "primary": Source(("p",))}),
    "tags": Source(("tags",), tags_of),
    "custom_attributes": Source(("a", "l"), of_document),
    "merged_ids": Source(("mergedIds",), lambda kept, _: kept.get("mergedIds", [])),
    **{attribute: Source((name,)) for attribute, name in FIELDS.items() if attribute != "into"},
}


def document(person: Person) -> Document:
    """Return a person as it is kept; what is empty is left out."""
    kept: Document = {
        "_id": person.id,
        "account": person.account,
        "type": person.type,
        "state": person.state,
        "createdAt": person.created_at,
        "updatedAt": person.updated_at,
        "createdFrom": person.created_from,
        "modifiedFrom": person.modified_from,
        "version": person.version,
        "subjects": person.subjects,
        # Who has no name is kept as well: the orders by name show everybody.
        "first": text.fold(person.first_name or ""),
        "last": text.fold(person.last_name or ""),
    }
    for attribute, name in _READ:
        value = getattr(person, attribute)
        if value is not None:
            kept[name] = value
    scalars, lists = fields(person.values)
    for name, value in (
        ("emails", [{"v": one.address, "p": one.primary} for one in person.emails]),
        ("phones", [{"v": one.number, "p": one.primary} for one in person.phones]),
        ("tags", person.tag_ids),
        ("companies", [_membership(one) for one in person.memberships]),
        ("a", scalars),
        ("l", lists),
        ("mergedIds", person.merged_ids),
        ("words", _words(person)),
    ):
        if value:
            kept[name] = value
    _keep_rare(person, kept)
    return kept


def _keep_rare(person: Person, kept: Document) -> None:
    if person.push_registrations:
        kept["push"] = [_push(one) for one in person.push_registrations]
        if former_ := [was for one in person.push_registrations for was in _kept_former(one)]:
            kept["former"] = former_
    if person.channels:
        kept["channels"] = [
            {"channel": one.channel, "sender": one.sender, "user": one.user_id} for one in person.channels
        ]
    if person.crm_links:
        kept["crm"] = [_crm(one) for one in person.crm_links]
    if person.since:
        kept["since"] = person.since
    if person.brought:
        kept["brought"] = person.brought
    if person.aliases:
        kept["aliases"] = person.aliases
    if person.as_of:
        kept["asOf"] = person.as_of


def _membership(one: Membership) -> Document:
    kept = {"id": one.company_id, "role": one.role, "p": one.primary}
    return {**kept, "was": list(one.was)} if one.was else kept


def _push(one: PushRegistration) -> Document:
    return {
        "app": one.application_id,
        "reg": one.registration_id,
        "p": one.primary,
        "on": one.enabled,
        "platform": one.platform,
        # As text: apps choose the names in it, and not every name is one for a document.
        "system": _text(one.system_data),
        "additional": _text(one.additional_data),
        **({"line": one.subject} if one.subject else {}),
    }


def _kept_former(one: PushRegistration) -> list[Document]:
    # Of all installations side by side: so one that somebody gone had is found, and changed in place.
    return [{"app": one.application_id, "reg": one.registration_id, **was._asdict()} for was in one.former]


def _text(data: dict[str, Any]) -> str:
    return orjson.dumps(data).decode()


def _crm(one: CrmLink) -> Document:
    kept = {"system": one.system, "object": one.object, "record": one.record_id, "at": one.synced_at}
    more = {"by": one.connection, "lead": one.lead}
    return {**kept, **{name: value for name, value in more.items() if value is not None}}


def _words(person: Person) -> list[str]:
    names = (person.first_name, person.middle_name, person.last_name, person.nickname)
    emails = [one.address for one in person.emails]
    numbers = [one.number for one in person.phones]
    found = text.words(*names, person.external_id, *emails)
    whole = [person.external_id] if person.external_id else []
    # Whole as well: a filter that an identifier or a text attribute equals something rides the index of the words.
    once = dict.fromkeys([*found, *emails, *numbers, *whole, *tokens(person.values)])
    return [*once, *kept_blocks(person), *map(merged_word, person.merged_ids)]


def read(kept: Document, catalog: Catalog) -> Person:
    """Return the person of a document."""
    person = Person(
        kept["_id"],
        kept["account"],
        kept["type"],
        catalog,
        kept["createdAt"],
        kept["updatedAt"],
        kept["createdFrom"],
        kept["modifiedFrom"],
        kept["subjects"],
        kept["version"],
        kept["state"],
        *cast("Any", map(kept.get, _TEXTS)),
    )
    if "emails" in kept:
        person.emails = [EmailContact(one["v"], one["p"]) for one in kept["emails"]]
    if "phones" in kept:
        person.phones = [PhoneContact(one["v"], one["p"]) for one in kept["phones"]]
    person.tag_ids = kept.get("tags", [])
    person.values = kept.get("a", {})
    if "companies" in kept:
        companies = ((one["id"], one["role"], one["p"], tuple(one.get("was", ()))) for one in kept["companies"])
        person.memberships = [Membership(*one) for one in companies]
    _read_rare(person, kept)
    return person


def _read_rare(person: Person, kept: Document) -> None:
    if "l" in kept:
        person.values = {**person.values, **kept["l"]}
    if "mergedIds" in kept:
        person.merged_ids = kept["mergedIds"]
    if "since" in kept:
        person.since = kept["since"]
    if "brought" in kept:
        person.brought = kept["brought"]
    if "aliases" in kept:
        person.aliases = kept["aliases"]
    if "asOf" in kept:
        person.as_of = kept["asOf"]
    if "push" in kept:
        person.push_registrations = [
            PushRegistration(
                one["app"],
                one["reg"],
                one["p"],
                one["on"],
                one["platform"],
                orjson.loads(one["system"]),
                orjson.loads(one["additional"]),
                one.get("line"),
                _former(kept, one),
            )
            for one in kept["push"]
        ]
    if "channels" in kept:
        person.channels = [ChannelContact(one["channel"], one["sender"], one["user"]) for one in kept["channels"]]
    if "crm" in kept:
        crm = (
            (one["system"], one["object"], one["record"], one["at"], one.get("by"), one.get("lead"))
            for one in kept["crm"]
        )
        person.crm_links = [CrmLink(*one) for one in crm]


def former(kept: Document, line: str) -> Sequence[Former]:
    """Return what the installation of a line was before; nothing where the push of a document wasn't read."""
    return next((_former(kept, one) for one in kept.get("push", ()) if one.get("line") == line), ())


def _former(kept: Document, push: Document) -> tuple[Former, ...]:
    own = (one for one in kept.get("former", ()) if (one["app"], one["reg"]) == (push["app"], push["reg"]))
    return tuple(Former(one["line"], one["until"], one["holder"]) for one in own)


KIND: Kind[Person] = Kind(
    COLLECTION,
    "person",
    "PERSON_NOT_FOUND",
    read,
    document,
    claims_of,
    TAKEN,
    "personDeleted",
    lines=lines_of,
    left=left,
    inherited=inherited,
)
