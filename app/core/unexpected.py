"""What nobody expected to go wrong: logged by its kind and its place, never with a value, and told as INTERNAL."""

import traceback

import structlog

from app.core.errors import Fault

log = structlog.get_logger(__name__)

FRAMES = 6
MESSAGE = "Something went wrong on our side."


def place(error: BaseException) -> list[str]:
    """Return where it happened, outermost first; messages of exceptions may carry values, so they stay out."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return [f"{frame.filename.rpartition('/app/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


def unexpected(error: Exception, during: str) -> Fault:
    """Return the fault that stands for an error; `during` says in the log what was being done."""
    log.error("unexpected_error", during=during, error=type(error).__name__, at=place(error))
    return Fault("INTERNAL", MESSAGE, status=500)
