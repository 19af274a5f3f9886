"""Records and deletions of Dataverse in our words; pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from app.sync.crm import CrmDeleted, CrmRecord

Row = Mapping[str, Any]

_MASTER = "_masterid_value"
_COMPANY = "_parentcustomerid_value"
_LEAD = "_originatingleadid_value"
_KIND = "@Microsoft.Dynamics.CRM.lookuplogicalname"
# A lead that became a customer.
_QUALIFIED = 1

# What is asked for beside the fields of a mapping.
MORE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "lead": ("modifiedon", "createdon", "merged", _MASTER, "statecode"),
        "contact": ("modifiedon", "createdon", "merged", _MASTER, _COMPANY, _LEAD),
        "account": ("modifiedon", "merged", _MASTER),
    }
)


def selected(fields: Iterable[str], more: Iterable[str]) -> str:
    """Return the columns to ask for, each once."""
    return ",".join(dict.fromkeys([*fields, *more]))


def told(entity: str, fields: Sequence[str], rows: Iterable[Row]) -> tuple[list[CrmRecord], list[CrmDeleted]]:
    """Return the records of a page, and those that are gone; raises KeyError, ValueError, TypeError, AttributeError."""
    records: list[CrmRecord] = []
    gone: list[CrmDeleted] = []
    for row in rows:
        if "$deletedEntity" in row.get("@odata.context", ""):
            # A bare id, or by the letter of OData the address of the record.
            gone.append(CrmDeleted(row["id"].rstrip(")").rpartition("(")[2]))
        elif row.get("merged") and row.get(_MASTER):
            gone.append(CrmDeleted(row[f"{entity}id"], into=row[_MASTER]))
        else:
            records.append(_record(entity, fields, row))
    return records, gone


def _record(entity: str, fields: Sequence[str], row: Row) -> CrmRecord:
    key = row[f"{entity}id"]
    if not isinstance(key, str):
        raise TypeError(key)
    return CrmRecord(
        id=key,
        stamp=_moment(row["modifiedon"]),
        fields={name: row[name] for name in fields if row.get(name) is not None},
        etag=row.get("@odata.etag"),
        # The parent of a contact may be a contact as well.
        account=row.get(_COMPANY) if row.get(f"{_COMPANY}{_KIND}", "account") == "account" else None,
        converted=entity == "lead" and row.get("statecode") == _QUALIFIED,
        came_from=row.get(_LEAD),
        made=_moment(made) if (made := row.get("createdon")) else None,
    )


def _moment(text: str) -> datetime:
    """Return the naive UTC moment of a date-time."""
    told = datetime.fromisoformat(text)
    bare = told if told.tzinfo is None else told.astimezone(UTC).replace(tzinfo=None)
    return bare.replace(microsecond=bare.microsecond // 1000 * 1000)
