"""The time, through one door: naive UTC with milliseconds, as MongoDB keeps it."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present, naive UTC, cut to milliseconds."""
    moment = datetime.now(UTC)
    return moment.replace(tzinfo=None, microsecond=moment.microsecond // 1000 * 1000)


def millis(moment: datetime) -> int:
    """Return milliseconds since 1970 of a naive UTC moment."""
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def moment(milliseconds: int) -> datetime:
    """Return the naive UTC moment of milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)


def text(moment: datetime) -> str:
    """Return RFC 3339 in UTC with milliseconds and `Z`."""
    return moment.isoformat(timespec="milliseconds") + "Z"
