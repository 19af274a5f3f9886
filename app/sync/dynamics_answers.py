"""What the Web API answers, taken apart: bodies, refusals with the vendor's codes, outcomes of writes; pure."""

import re
from collections.abc import Sequence
from typing import Any

import httpx

from app.sync.crm import Away, CrmChange, CrmDeleted, CrmOutcome, CrmRecord, Denied, FieldGone, Limited
from app.sync.dynamics_batch import MULTIPART, Answered, read
from app.sync.dynamics_rows import told
from app.sync.wire import WAIT_SECONDS, Reply, said

Answer = Reply | Answered

NOT_TRACKED = "0x80072491"
_MISSING = re.compile(
    r"Could not find a property named '(\w+)'|The property '(\w+)' does not exist|Invalid property '(\w+)' was found"
)
# A record with the same key values is there, which is no matter of versions.
_DUPLICATES = ("0x80040237", "0x80040333")


def content(reply: Reply, entity: str = "") -> dict[str, Any]:
    """Return what was answered; raises Denied, FieldGone, Away."""
    if reply.status < httpx.codes.BAD_REQUEST:
        if isinstance(reply.body, dict):
            return reply.body
        raise Away("The CRM answers something else than was asked.")
    message = said(reply.body)
    if entity and (missing(reply) is not None or reply.status == httpx.codes.NOT_FOUND):
        raise FieldGone(message, entity)
    raise Denied(f"The CRM refuses: {message}")


def records(entity: str, fields: Sequence[str], page: dict[str, Any]) -> tuple[list[CrmRecord], list[CrmDeleted]]:
    """Return the records of a page, and those that are gone."""
    try:
        return told(entity, fields, page["value"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Away("The CRM answers records that can't be read.") from error


def parts(reply: Reply, entity: str) -> list[Answered]:
    """Return the answers of a batch; raises what `content` does, and Limited where only a part was refused."""
    kind = reply.headers.get("content-type", "")
    if not kind.lower().startswith(MULTIPART):
        content(reply, entity)
        raise Away("The CRM answers a batch with something else.")
    try:
        answers = read(kind, reply.data)
    except (ValueError, IndexError) as error:
        raise Away("The CRM answers a batch that can't be read.") from error
    for one in answers:
        if one.status == httpx.codes.TOO_MANY_REQUESTS:
            raise Limited("The CRM asks to wait: 429.", _seconds(one.headers.get("retry-after", "")))
    return answers


def outcome(entity: str, change: CrmChange, answer: Answered) -> CrmOutcome:
    """Return what became of a change; raises FieldGone."""
    key, status, message = (change.id or change.key).lower(), answer.status, said(answer.body)
    if status < httpx.codes.BAD_REQUEST:
        body = answer.body if isinstance(answer.body, dict) else {}
        return CrmOutcome("WRITTEN", key, etag=answer.headers.get("etag") or body.get("@odata.etag"))
    if missing(answer) is not None:
        raise FieldGone(message, entity)
    if status == httpx.codes.NOT_FOUND and change.id is not None:
        return CrmOutcome("GONE", key, message)
    if status == httpx.codes.PRECONDITION_FAILED and change.etag and code(answer) not in _DUPLICATES:
        return CrmOutcome("CONFLICT", key, message)
    return CrmOutcome("REFUSED", change.id, message)


def code(answer: Answer) -> str:
    """Return the vendor's code of a refusal; often there is none."""
    return str(_error(answer).get("code", ""))


def missing(answer: Answer) -> str | None:
    """Return the column that a refusal says isn't there."""
    found = _MISSING.search(str(_error(answer).get("message", "")))
    return next(filter(None, found.groups()), None) if found else None


def _error(answer: Answer) -> dict[str, Any]:
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    return error if isinstance(error, dict) else {}


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return WAIT_SECONDS
