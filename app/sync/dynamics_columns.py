"""What the columns of Dataverse are in our words, from the metadata of a table; pure."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from app.sync.crm import (
    BOOLEAN,
    DATE,
    DATE_TIME,
    DECIMAL,
    EMAIL,
    INTEGER,
    OTHER,
    PHONE,
    PICKLIST,
    TEXT,
    URL,
    CrmField,
)

Row = Mapping[str, Any]

_SELECT = "LogicalName,DisplayName,AttributeType,AttributeTypeName"
_VALID = "IsValidForCreate,IsValidForUpdate,IsValidForRead,RequiredLevel"
# What all columns have, and what only some do: those are asked for by their type, one by one.
PLAIN = f"?$select={_SELECT},{_VALID}"
SPECIAL = (
    "/Microsoft.Dynamics.CRM.StringAttributeMetadata?$select=LogicalName,MaxLength,FormatName",
    "/Microsoft.Dynamics.CRM.MemoAttributeMetadata?$select=LogicalName,MaxLength",
    "/Microsoft.Dynamics.CRM.DateTimeAttributeMetadata?$select=LogicalName,Format,DateTimeBehavior",
    "/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$select=LogicalName&$expand=OptionSet,GlobalOptionSet",
    "/Microsoft.Dynamics.CRM.StateAttributeMetadata?$select=LogicalName&$expand=OptionSet",
    "/Microsoft.Dynamics.CRM.StatusAttributeMetadata?$select=LogicalName&$expand=OptionSet",
)

_KINDS = MappingProxyType(
    {
        "String": TEXT,
        "Memo": TEXT,
        "Picklist": PICKLIST,
        "State": PICKLIST,
        "Status": PICKLIST,
        "Integer": INTEGER,
        "BigInt": INTEGER,
        "Double": DECIMAL,
        "Decimal": DECIMAL,
        "Money": DECIMAL,
        "Boolean": BOOLEAN,
        "DateTime": DATE_TIME,
    }
)
_FORMATS = MappingProxyType({"Email": EMAIL, "Phone": PHONE, "Url": URL})
_REQUIRED = ("ApplicationRequired", "SystemRequired")
# The CRM gives these a value by itself, however required they are.
_GIVEN = ("State", "Status", "Boolean")


def fields(plain: Iterable[Row], special: Iterable[Iterable[Row]]) -> list[CrmField]:
    """Return the fields of a table from what PLAIN and each of SPECIAL brought; raises KeyError, TypeError."""
    more: dict[str, Row] = {row["LogicalName"]: row for rows in special for row in rows}
    return [_field({**more.get(row["LogicalName"], {}), **row}) for row in plain if row.get("IsValidForRead", True)]


def _field(row: Row) -> CrmField:
    name, own = row["LogicalName"], row.get("AttributeType") or "Virtual"
    kind, createable = _kind(own, row), row.get("IsValidForCreate") is True
    level = (row.get("RequiredLevel") or {}).get("Value")
    required = level in _REQUIRED and createable and kind != OTHER and own not in _GIVEN
    return CrmField(
        name=name,
        label=_label(row.get("DisplayName")) or name,
        type=own,
        kind=kind,
        length=row.get("MaxLength"),
        createable=createable,
        updateable=row.get("IsValidForUpdate") is True,
        required=required,
        kept=required and level == _REQUIRED[1],
        options=_options(row),
    )


def _kind(own: str, row: Row) -> str:
    if own == "String":
        return _FORMATS.get(str((row.get("FormatName") or {}).get("Value")), TEXT)
    if own == "DateTime":
        # One that is only shown without its time is an instant all the same, and its JSON is one.
        behavior = (row.get("DateTimeBehavior") or {}).get("Value") or row.get("Format")
        return DATE if behavior == "DateOnly" else DATE_TIME
    return _KINDS.get(own, OTHER)


def _options(row: Row) -> dict[str, str]:
    chosen = row.get("OptionSet") or row.get("GlobalOptionSet") or {}
    return {str(one["Value"]): _label(one.get("Label")) or str(one["Value"]) for one in chosen.get("Options", ())}


def _label(label: Row | None) -> str:
    """Return a label in the language of the user, or the first there is."""
    told = label or {}
    given = told.get("UserLocalizedLabel") or next(iter(told.get("LocalizedLabels") or ()), None) or {}
    return given.get("Label") or ""
