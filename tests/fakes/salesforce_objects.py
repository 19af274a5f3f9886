"""The objects of the fake Salesforce, as their describe tells them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIXES: Mapping[str, str] = {"Lead": "00Q", "Contact": "003", "Account": "001"}


@dataclass(frozen=True)
class Field:
    """A field; `flags`: c createable, u updateable, n nillable, d defaulted on create."""

    name: str
    label: str
    type: str
    length: int = 0
    flags: str = "cun"
    external: bool = False
    options: tuple[tuple[str, str], ...] = ()

    @property
    def required(self) -> bool:
        """Whether a new record must have it."""
        return "c" in self.flags and not set("nd") & set(self.flags)

    def described(self) -> dict[str, Any]:
        """Return it as describe does."""
        flags = {"createable": "c", "updateable": "u", "nillable": "n", "defaultedOnCreate": "d"}
        options = [
            {"active": True, "defaultValue": False, "label": label, "value": value} for value, label in self.options
        ]
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "length": self.length,
            "custom": self.name.endswith("__c"),
            "externalId": self.external,
            "idLookup": self.external,
            "picklistValues": options,
            **{name: flag in self.flags for name, flag in flags.items()},
        }


_INDUSTRIES = (("Banking", "Banking"), ("Technology", "Technology"), ("Other", "Other (none of these)"))
_RATINGS = (("Hot", "Hot"), ("Warm", "Warm"), ("Cold", "Cold"))
_SOURCES = (("Web", "Web site"), ("Phone Inquiry", "Phone Inquiry"), ("Other", "Other"))
_SYSTEM = (
    Field("IsDeleted", "Deleted", "boolean", flags="d"),
    Field("MasterRecordId", "Master Record ID", "reference", 18, "n"),
    Field("CreatedDate", "Created Date", "datetime", flags="d"),
    Field("LastModifiedDate", "Last Modified Date", "datetime", flags="d"),
    Field("SystemModstamp", "System Modstamp", "datetime", flags="d"),
)
_CUSTOM = (
    Field("Score__c", "Score", "double"),
    Field("Visited__c", "Visited", "datetime"),
    Field("Born__c", "Born", "date"),
    Field("Topics__c", "Topics", "multipicklist", 4099),
    Field("Number__c", "Number", "string", 40, external=True),
)
_PERSON = (
    Field("Id", "Record ID", "id", 18, "d"),
    Field("LastName", "Last Name", "string", 80, "cu"),
    Field("FirstName", "First Name", "string", 40),
    Field("Salutation", "Salutation", "picklist", 40, options=(("Mr.", "Mr."), ("Ms.", "Ms."))),
    Field("Name", "Full Name", "string", 121, ""),
    Field("Title", "Title", "string", 128),
    Field("Email", "Email", "email", 80),
    Field("Phone", "Phone", "phone", 40),
    Field("MobilePhone", "Mobile Phone", "phone", 40),
    Field("Description", "Description", "textarea", 32000),
    Field("LeadSource", "Lead Source", "picklist", 255, options=_SOURCES),
    Field("HasOptedOutOfEmail", "Email Opt Out", "boolean", flags="cud"),
)
FIELDS: Mapping[str, Mapping[str, Field]] = {
    entity: {one.name: one for one in (*fields, *_CUSTOM, *_SYSTEM)}
    for entity, fields in {
        "Lead": (
            *_PERSON,
            Field("Company", "Company", "string", 255, "cu"),
            Field("Street", "Street", "textarea", 255),
            Field("City", "City", "string", 40),
            Field("Country", "Country", "string", 80),
            Field("Address", "Address", "address", flags="n"),
            Field("Website", "Website", "url", 255),
            Field("Industry", "Industry", "picklist", 255, options=_INDUSTRIES),
            Field("Rating", "Rating", "picklist", 255, options=_RATINGS),
            Field("NumberOfEmployees", "Employees", "int"),
            Field("AnnualRevenue", "Annual Revenue", "currency"),
            Field("IsConverted", "Converted", "boolean", flags="cd"),
            Field("ConvertedDate", "Converted Date", "date", flags="n"),
            Field("ConvertedContactId", "Converted Contact ID", "reference", 18, "n"),
            Field("ConvertedAccountId", "Converted Account ID", "reference", 18, "n"),
        ),
        "Contact": (
            *_PERSON,
            Field("MiddleName", "Middle Name", "string", 40),
            Field("AccountId", "Account ID", "reference", 18),
            Field("Birthdate", "Birthdate", "date"),
            Field("MailingStreet", "Mailing Street", "textarea", 255),
            Field("MailingCity", "Mailing City", "string", 40),
            Field("MailingCountry", "Mailing Country", "string", 80),
            Field("MailingAddress", "Mailing Address", "address", flags="n"),
        ),
        "Account": (
            Field("Id", "Account ID", "id", 18, "d"),
            Field("Name", "Account Name", "string", 255, "cu"),
            Field("Website", "Website", "url", 255),
            Field("Phone", "Account Phone", "phone", 40),
            Field("Industry", "Industry", "picklist", 255, options=_INDUSTRIES),
            Field("Rating", "Account Rating", "picklist", 255, options=_RATINGS),
            Field("NumberOfEmployees", "Employees", "int"),
            Field("AnnualRevenue", "Annual Revenue", "currency"),
            Field("Description", "Account Description", "textarea", 32000),
        ),
    }.items()
}
