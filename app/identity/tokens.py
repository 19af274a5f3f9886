"""Identity tokens: an account's backend signs whom a browser or an app may act for; each proves one identifier, once.

JSON Web Tokens, HS256 and nothing else, signed with the identity secret of the very key that calls. What is wrong with
one is never told, neither to the caller nor to a log.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt
from jwt.types import Options

from app.access.keys import identity_secret
from app.claims.model import Locator, digest
from app.core import clock, text
from app.core.actor import Actor
from app.core.errors import Refused
from app.mongo.engine import Engine

COLLECTION = "tokens"
ALGORITHM = "HS256"
TOKEN_CHARACTERS_MAX = 4096
JTI_CHARACTERS_MAX = 255
LIFE_SECONDS_MAX = 600
SKEW_SECONDS = 60

_RULES: dict[str, Callable[[str], str]] = {
    "email": text.email,
    "phone": text.phone,
    "externalId": text.external_id,
}
# Each claim is looked at here, by the service's own clock; the library verifies form and signature.
_UNCHECKED: Options = {
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


@dataclass(frozen=True, slots=True)
class Proof:
    """What a good token says: the identifier, the token's own id, and until when nobody else may use it."""

    locator: Locator
    jti: str
    until: datetime


class Tokens:
    """Looks tokens up in what was used already. `secret` gives the service's own, once it is open."""

    def __init__(self, engine: Engine, secret: Callable[[], bytes]) -> None:
        self._engine = engine
        self._secret = secret

    async def proven(
        self, actor: Actor, token: str | None, locators: Collection[Locator], *, context: str
    ) -> set[Locator]:
        """Return which of `locators` the token proves: the one in its `sub`, or none; raises UNAVAILABLE at most.

        A token counts once. The same `context` may show it again: a message that is sent a second time, because its
        answer was lost, must have the same effect.
        """
        if not token or not locators:
            return set()
        proof = read(token, identity_secret(actor.key, self._secret()), actor.account, clock.now())
        if proof is None or proof.locator not in locators:
            return set()
        return {proof.locator} if await self._first(actor, proof, context) else set()

    async def _first(self, actor: Actor, proof: Proof, context: str) -> bool:
        """Tell whether nobody used the token before, or only this very caller; notes it by its `_id`."""
        used = f"{actor.account}|{digest(actor.key, proof.jti)}"
        mine = digest(proof.locator.kind, proof.locator.value, context)
        document = {"_id": used, "account": actor.account, "by": mine, "until": proof.until}
        if not await self._engine.insert(COLLECTION, [document]):
            return True
        found = await self._engine.find(COLLECTION, {"_id": used})
        return bool(found) and found[0]["by"] == mine


def read(token: str, secret: str, account: str, now: datetime) -> Proof | None:
    """Return what a token proves to an account at a time, None where anything about it is wrong."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        return None
    try:
        claims = jwt.decode(token, secret, algorithms=[ALGORITHM], options=_UNCHECKED)
        return _proof(claims, account, clock.millis(now) / 1000)
    # Beside what the library says of bad tokens: JSON nested too deep, lone surrogates, numbers without end.
    except (jwt.PyJWTError, Refused, RecursionError, ValueError, OverflowError):
        return None


def _proof(claims: Mapping[str, Any], account: str, now: float) -> Proof | None:
    jti, sub = claims.get("jti"), claims.get("sub")
    until = _until(claims, now)
    if until is None or claims.get("aud") != account or not isinstance(sub, str) or not isinstance(jti, str):
        return None
    kind, _, value = sub.partition(":")
    rule = _RULES.get(kind)
    if rule is None or not 1 <= len(jti) <= JTI_CHARACTERS_MAX:
        return None
    return Proof(Locator(kind, rule(value)), jti, clock.moment(math.ceil(until * 1000)))


def _until(claims: Mapping[str, Any], now: float) -> float | None:
    """Return the last second in which the token may be shown, None where its times don't fit the present."""
    iat, exp = _seconds(claims.get("iat")), _seconds(claims.get("exp"))
    begins = _seconds(claims.get("nbf", iat))
    if iat is None or exp is None or begins is None:
        return None
    begun = max(iat, begins) <= now + SKEW_SECONDS
    until = exp + SKEW_SECONDS
    return until if begun and 0 < exp - iat <= LIFE_SECONDS_MAX and now < until else None


def _seconds(value: Any) -> float | None:
    """Return a number of seconds since 1970; a boolean is none, nor is what has no end."""
    return value if type(value) in (int, float) and math.isfinite(value) else None
