"""The tables of the Dataverse fake, and what the Web API tells of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

SETS = {"lead": "leads", "contact": "contacts", "account": "accounts"}
ENTITIES = {name: entity for entity, name in SETS.items()}
TYPE = "Microsoft.Dynamics.CRM"
# Columns of the CRM's own making.
STAMPS = ("modifiedon", "createdon")


class Attribute(NamedTuple):
    """A column: `type` and `format` in the vendor's words, `options` by value, `targets` of a lookup."""

    type: str
    label: str
    length: int | None = None
    format: str = ""
    options: Mapping[int, str] | None = None
    level: str = "None"
    create: bool = True
    update: bool = True
    targets: tuple[str, ...] = ()


def _text(label: str, length: int, form: str = "Text", level: str = "None") -> Attribute:
    return Attribute("String", label, length, form, level=level)


def _own(kind: str, label: str, form: str = "") -> Attribute:
    return Attribute(kind, label, format=form, create=False, update=False)


_PERSON = {
    "firstname": _text("First Name", 50),
    "middlename": _text("Middle Name", 50),
    "lastname": _text("Last Name", 50, level="ApplicationRequired"),
    "fullname": _own("String", "Full Name")._replace(length=160, format="Text"),
    "emailaddress1": _text("Email", 100, "Email"),
    "mobilephone": _text("Mobile Phone", 50, "Phone"),
    "telephone1": _text("Business Phone", 50, "Phone"),
    "jobtitle": _text("Job Title", 100),
    "donotemail": Attribute("Boolean", "Do not allow Emails", options={0: "Allow", 1: "Do Not Allow"}),
    "lastonholdtime": Attribute("DateTime", "Last On Hold Time", format="DateAndTime"),
}
_PLACE = {
    "address1_line1": _text("Address 1: Street 1", 250),
    "address1_city": _text("Address 1: City", 80),
    "address1_country": _text("Address 1: Country/Region", 80),
    "description": Attribute("Memo", "Description", 2000, "TextArea"),
}


def _table(entity: str, states: Mapping[int, str], columns: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {
        f"{entity}id": Attribute("Uniqueidentifier", entity.title(), level="SystemRequired", update=False),
        **columns,
        "statecode": Attribute("State", "Status", options=states, level="SystemRequired", create=False),
        "statuscode": Attribute("Status", "Status Reason", options={1: "Active", 2: "Inactive", 3: "Qualified"}),
        "ownerid": Attribute("Owner", "Owner", level="SystemRequired", targets=("systemuser",)),
        "merged": _own("Boolean", "Merged")._replace(options={0: "No", 1: "Yes"}),
        "masterid": _own("Lookup", "Master ID")._replace(targets=(entity,)),
        "createdon": _own("DateTime", "Created On", "DateAndTime"),
        "modifiedon": _own("DateTime", "Modified On", "DateAndTime"),
        "versionnumber": _own("BigInt", "Version Number"),
    }


SCHEMA: dict[str, dict[str, Attribute]] = {
    "lead": _table(
        "lead",
        {0: "Open", 1: "Qualified", 2: "Disqualified"},
        {
            "subject": _text("Topic", 300, level="ApplicationRequired"),
            **_PERSON,
            "companyname": _text("Company Name", 100, level="ApplicationRequired"),
            "websiteurl": _text("Website", 200, "Url"),
            **_PLACE,
        },
    ),
    "contact": _table(
        "contact",
        {0: "Active", 1: "Inactive"},
        {
            **_PERSON,
            "birthdate": Attribute("DateTime", "Birthday", format="DateOnly"),
            "gendercode": Attribute("Picklist", "Gender", options={1: "Male", 2: "Female"}),
            "gendercodename": _own("Virtual", "Gender"),
            "creditlimit": Attribute("Money", "Credit Limit"),
            "numberofchildren": Attribute("Integer", "No. of Children"),
            **_PLACE,
            "parentcustomerid": Attribute("Customer", "Company Name", targets=("account", "contact")),
            "originatingleadid": Attribute("Lookup", "Originating Lead", targets=("lead",)),
        },
    ),
    "account": _table(
        "account",
        {0: "Active", 1: "Inactive"},
        {
            "name": _text("Account Name", 160, level="ApplicationRequired"),
            "websiteurl": _text("Website", 200, "Url"),
            "emailaddress1": _text("Email", 100, "Email"),
            "telephone1": _text("Main Phone", 50, "Phone"),
            "industrycode": Attribute("Picklist", "Industry", options={1: "Accounting", 2: "Agriculture", 7: "Retail"}),
            "numberofemployees": Attribute("Integer", "Number of Employees"),
            "revenue": Attribute("Money", "Annual Revenue"),
            **_PLACE,
        },
    ),
}


def properties(entity: str) -> dict[str, str]:
    """Return the column of each property that records have in JSON: lookups have another name there."""
    return {
        f"_{name}_value" if one.targets else name: name for name, one in SCHEMA[entity].items() if one.type != "Virtual"
    }


def _label(text: str) -> dict[str, Any]:
    one = {"Label": text, "LanguageCode": 1033, "IsManaged": True, "HasChanged": None}
    return {"LocalizedLabels": [one], "UserLocalizedLabel": one}


def _options(one: Attribute) -> dict[str, Any]:
    options = [{"Value": value, "Label": _label(label)} for value, label in (one.options or {}).items()]
    return {"Options": options, "IsGlobal": False, "OptionSetType": one.type}


def metadata(name: str, one: Attribute) -> dict[str, Any]:
    """Return a column as EntityDefinitions tells it, with all that its type has."""
    told: dict[str, Any] = {
        "@odata.type": f"#{TYPE}.{one.type}AttributeMetadata",
        "LogicalName": name,
        "AttributeType": one.type,
        "AttributeTypeName": {"Value": f"{one.type}Type"},
        "DisplayName": _label(one.label),
        "RequiredLevel": {"Value": one.level, "CanBeChanged": True},
        "IsValidForCreate": one.create,
        "IsValidForUpdate": one.update,
        "IsValidForRead": True,
    }
    if one.length:
        told |= {"MaxLength": one.length, "Format": one.format, "FormatName": {"Value": one.format}}
    if one.type == "DateTime":
        told["Format"] = one.format
        told["DateTimeBehavior"] = {"Value": "DateOnly" if one.format == "DateOnly" else "UserLocal"}
    if one.type in ("Picklist", "State", "Status"):
        told |= {"OptionSet": _options(one), "GlobalOptionSet": None}
    return told
