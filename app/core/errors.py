"""What can go wrong: a client can mend it (`Refused`), nobody served it (`Fault`), the service can't start."""

from collections.abc import Sequence
from typing import Any


class Refused(Exception):  # noqa: N818 - the house says it as a verb
    """Input that a client can mend: becomes a `UserError` of the payload.

    `code` is a value of the contract's `ErrorCode`; `path` is relative to the input object, outermost first;
    `owner` is the id of whoever already holds the identifier.
    """

    def __init__(self, code: str, message: str, path: Sequence[str] = (), *, owner: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = tuple(path)
        self.owner = owner

    def under(self, *prefix: str) -> "Refused":
        """Return the same refusal, seen from further out."""
        return Refused(self.code, self.message, (*prefix, *self.path), owner=self.owner)


class Refusals(Exception):  # noqa: N818
    """Several refusals of one input, all of them to be shown together."""

    def __init__(self, refusals: Sequence[Refused]) -> None:
        super().__init__("; ".join(refusal.message for refusal in refusals))
        self.refusals = tuple(refusals)


class Fault(Exception):  # noqa: N818
    """What never ran or could not be finished: becomes a top-level error with `extensions.code`.

    `status` is the HTTP status where the whole request failed by it; `extra` goes beside the code.
    """

    def __init__(self, code: str, message: str, *, status: int = 200, **extra: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.extra = extra


def unauthenticated(message: str = "This needs a valid API key.") -> Fault:
    """No key, a wrong one, an expired or a revoked one."""
    return Fault("UNAUTHENTICATED", message, status=401)


def forbidden(message: str) -> Fault:
    """Return the fault of a good key that may not do this."""
    return Fault("FORBIDDEN", message, status=403)


def unavailable(retry_after_seconds: int = 1) -> Fault:
    """Return the fault of a database that is away or too slow: nothing is known to have happened."""
    message = "The database can't be reached at the moment. Try again."
    return Fault("UNAVAILABLE", message, status=503, retryAfter=retry_after_seconds)


def bad_cursor() -> Fault:
    """Return the fault of a cursor that was not made here, or for another account or query."""
    return Fault("BAD_CURSOR", "This cursor does not belong to this query.", status=400)


class Unable(Exception):  # noqa: N818 - read as what it says
    """A command can't begin or go on; one line says why."""


class StartError(Unable):
    """The service can't start; one line says why and what to do."""
