"""A claim: one normalised identifier of one account, and the one who owns it."""

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

COLLECTION = "claims"
DIGEST_BYTES = 16


class Claim(NamedTuple):
    """`key` holds account, kind and digest; `subject` is the line of activity that the identifier carries events to."""

    key: str
    account: str
    owner: str
    subject: str
    at: datetime

    def document(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {"_id": self.key, "account": self.account, "owner": self.owner, "subject": self.subject, "at": self.at}


def key(account: str, kind: str, value: str) -> str:
    """Return the key of the claim on `value` (already in normal form), unique over the database."""
    return f"{account}|{kind}|{hashlib.blake2b(value.encode(), digest_size=DIGEST_BYTES).hexdigest()}"


def digest(*parts: str) -> str:
    """Return a short text that stands for texts, the same for no others; lone surrogates are digested too."""
    said = compound(*parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(said, digest_size=DIGEST_BYTES).hexdigest()


def compound(*parts: str) -> str:
    """Return one value of several, so that no two lists of parts give the same."""
    return "\0".join(parts)


def parts(value: str) -> list[str]:
    """Return what one value was made of."""
    return value.split("\0")


class _Named(NamedTuple):
    kind: str
    value: str


class Locator(_Named):
    """One way to say which profile is meant; `value` is in normal form, `kind` the kind of its claim, or `id`."""

    # The account that was asked for last, and the key there: a change asks several times.
    _claim: tuple[str, str] | None = None

    def claim(self, account: str) -> str:
        """Return the key of the claim that it stands for."""
        known = self._claim
        if known is None or known[0] != account:
            known = self._claim = account, key(account, self.kind, self.value)
        return known[1]


def read(document: dict[str, Any]) -> Claim:
    """Return a kept claim."""
    return Claim(document["_id"], document["account"], document["owner"], document["subject"], document["at"])
