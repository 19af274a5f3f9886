"""What went wrong, as an answer shows it: a code and a path, never a traceback, never somebody's data."""

from collections.abc import Sequence
from typing import Any

import structlog
from graphql import FieldNode, GraphQLError, get_location

from app.core.errors import Fault
from app.core.unexpected import MESSAGE, place

MESSAGE_CHARACTERS = 1_000

log = structlog.get_logger(__name__)

Path = list[str | int]


def entry(fault: Fault, path: Path | None = None, nodes: Sequence[FieldNode] = ()) -> dict[str, Any]:
    """Return the top-level error of a fault."""
    shown: dict[str, Any] = {"message": fault.message}
    locations = _locations(nodes)
    if locations:
        shown["locations"] = locations
    if path is not None:
        shown["path"] = path
    shown["extensions"] = {"code": fault.code, **fault.extra}
    return shown


def known(error: BaseException, request_id: str) -> Fault:
    """Return the fault of whatever was raised; what nobody expected is logged by its place and masked."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, GraphQLError):
        if isinstance(error.original_error, Fault):
            return error.original_error
        if error.original_error is None:
            return Fault("BAD_VARIABLES", error.message, status=400)
    if isinstance(error, TimeoutError):
        return Fault("TIMEOUT", "This took too long. Ask for less at a time.", status=504)
    log.error("unexpected_error", error=type(error).__name__, request_id=request_id, at=place(error))
    return Fault("INTERNAL", MESSAGE, status=500, requestId=request_id)


def refused(errors: Sequence[GraphQLError], code: str) -> list[dict[str, Any]]:
    """Return the errors of a document or of variables that could not be taken."""
    return [_refused(error, code) for error in errors]


def _refused(error: GraphQLError, code: str) -> dict[str, Any]:
    # Names of any length are part of what it says.
    return {**error.formatted, "message": error.message[:MESSAGE_CHARACTERS], "extensions": {"code": code}}


def _locations(nodes: Sequence[FieldNode]) -> list[dict[str, int]]:
    found = []
    for node in nodes:
        if node.loc is not None:
            place = get_location(node.loc.source, node.loc.start)
            found.append({"line": place.line, "column": place.column})
    return found
