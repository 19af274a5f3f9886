"""API keys as texts: made, recognised and compared without a database.

`cp_<env>_<id>_<secret+checksum>`: a typo, and a scanner of leaked secrets, can tell a whole key from a broken one.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass

from app.core import ids

BRAND = "cp_"
ENVIRONMENT = "live"
KIND = "key"
SECRET_CHARACTERS = 32
CHECKSUM_CHARACTERS = 6
# An id begins with ten characters of time, which keys made together share; four more tell them apart.
SHOWN_ID_CHARACTERS = 14
HEADER_KEY_CHARACTERS = 512
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase

_FORM = re.compile(
    rf"{BRAND}(?P<env>[a-z]+)_(?P<id>[0-9a-z]{{{ids.LENGTH}}})_"
    rf"[0-9A-Za-z]{{{SECRET_CHARACTERS}}}(?P<sum>[0-9A-Za-z]{{{CHECKSUM_CHARACTERS}}})"
)
_HEADER = re.compile(rf"(?:app|bearer) +([!-~]{{1,{HEADER_KEY_CHARACTERS}}}) *", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: its id, its whole text, and the part of it that may be shown for ever."""

    id: str
    text: str
    prefix: str


def new_key() -> NewKey:
    """Make a key of 190 bits of chance."""
    key_id = ids.new(KIND)
    public = key_id.removeprefix(KIND + "_")
    secret = "".join([secrets.choice(BASE62) for _ in range(SECRET_CHARACTERS)])
    body = f"{BRAND}{ENVIRONMENT}_{public}_{secret}"
    shown = f"{BRAND}{ENVIRONMENT}_{public[:SHOWN_ID_CHARACTERS]}…"
    return NewKey(key_id, body + checksum(body), shown)


def parse(text: str) -> str | None:
    """Return the id of the key that `text` is, or None where it is none: cut off, mistyped or something else."""
    found = _FORM.fullmatch(text)
    if not found or checksum(text[:-CHECKSUM_CHARACTERS]) != found["sum"]:
        return None
    key_id = f"{KIND}_{found['id']}"
    return key_id if ids.kind(key_id) == KIND else None


def checksum(body: str) -> str:
    """Return six characters that differ for nearly equal texts; against typos, not against attackers."""
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(BASE62))
        digits.append(BASE62[digit])
    return "".join(digits)


def digest(text: str) -> bytes:
    """Return what is kept of a key: its SHA-256, 32 bytes; a key has too much chance to need a slow hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def same(one: bytes, other: bytes) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(one, other)


def bare(authorization: str | None) -> str | None:
    """Return the key of `App <key>` or `Bearer <key>`, the scheme in any case; None where there is none."""
    found = _HEADER.fullmatch(authorization) if authorization else None
    return found[1] if found else None


def named(key_digest: bytes, secret: bytes) -> str:
    """Return the id of a key that somebody else made up: the same for the same text, and telling nothing about it."""
    number = int.from_bytes(hashlib.blake2b(key_digest, digest_size=16, key=secret[:64], person=b"key id").digest())
    return f"{KIND}_" + "".join([ids.PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def identity_secret(key_id: str, secret: bytes) -> str:
    """Return what the account's backend signs identity tokens of this key with, 64 hexadecimal digits."""
    return hashlib.blake2b(key_id.encode(), digest_size=32, key=secret[:64], person=b"identity token").hexdigest()
