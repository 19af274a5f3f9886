"""A token proves the identifier in its `sub`, once; a wrong one proves nothing, and nobody is told."""

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from app.access.keys import identity_secret
from app.claims.model import Locator
from app.core import clock
from app.core.actor import Actor, Scope
from app.identity.tokens import COLLECTION, Tokens, read
from app.mongo.engine import Engine

SERVICE = b"s" * 32
ACTOR = Actor("acc_1", "key_1", frozenset({Scope.WEB_SDK}), "WEB_SDK", strict=True)
OTHER = Actor("acc_1", "key_2", frozenset({Scope.WEB_SDK}), "WEB_SDK", strict=True)
FOREIGN = Actor("acc_2", "key_1", frozenset({Scope.WEB_SDK}), "WEB_SDK", strict=True)
SECRET = identity_secret("key_1", SERVICE)
ANA = Locator("email", "ana@example.com")
PHONE = Locator("phone", "38591123456")
NOW = 1_780_000_000
AT = clock.moment(NOW * 1000)


def claims(**more: Any) -> dict[str, Any]:
    """Return good claims, changed."""
    good = {"sub": "email:ana@example.com", "aud": "acc_1", "iat": NOW, "exp": NOW + 300, "jti": "j1"}
    return {name: value for name, value in {**good, **more}.items() if value is not None}


def signed(*, secret: str = SECRET, algorithm: str = "HS256", headers: Any = None, **more: Any) -> str:
    """Return a token."""
    return jwt.encode(claims(**more), secret, algorithm=algorithm, headers=headers)


def assembled(header: dict[str, Any], payload: Any, signature: bytes = b"") -> str:
    """Return a token put together by hand."""
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


GOOD: list[tuple[dict[str, Any], Locator]] = [
    ({}, ANA),
    ({"sub": "email: ANA@Example.com "}, ANA),
    ({"sub": "phone:+385 91 123-456"}, PHONE),
    ({"sub": "externalId:crm-17"}, Locator("externalId", "crm-17")),
    ({"sub": "externalId:a:b"}, Locator("externalId", "a:b")),
    ({"exp": NOW + 600}, ANA),
    ({"iat": NOW + 60, "exp": NOW + 61}, ANA),
    ({"iat": NOW - 300, "exp": NOW - 59}, ANA),
    ({"iat": NOW - 0.5, "exp": NOW + 0.5}, ANA),
    ({"nbf": NOW + 60}, ANA),
    ({"iss": "whoever", "name": "Ana"}, ANA),
    ({"jti": "x" * 255}, ANA),
]


@pytest.mark.parametrize(("more", "wanted"), GOOD)
def test_a_good_token_names_its_identifier(more: dict[str, Any], wanted: Locator) -> None:
    """In the normal form in which identifiers are compared."""
    proof = read(signed(**more), SECRET, "acc_1", AT)
    assert proof is not None
    assert proof.locator == wanted
    assert proof.until > AT


BAD: list[dict[str, Any]] = [
    {"secret": identity_secret("key_2", SERVICE)},
    {"secret": identity_secret("key_1", b"t" * 32)},
    {"aud": "acc_2"},
    {"aud": ["acc_1", "acc_2"]},
    {"aud": None},
    {"exp": NOW - 61},
    {"iat": NOW - 400, "exp": NOW - 60},
    {"exp": NOW + 601},
    {"iat": NOW - 1, "exp": NOW + 600},
    {"exp": NOW},
    {"iat": NOW + 61, "exp": NOW + 100},
    {"nbf": NOW + 61},
    {"nbf": True},
    {"iat": None},
    {"exp": None},
    {"jti": None},
    {"jti": ""},
    {"jti": "x" * 256},
    {"jti": 7},
    {"iat": True},
    {"exp": "soon"},
    {"exp": 1e400},
    {"exp": 10**400},
    {"sub": None},
    {"sub": 7},
    {"sub": "ana@example.com"},
    {"sub": "email:"},
    {"sub": "email:nobody"},
    {"sub": "phone:12"},
    {"sub": "externalId:null"},
    {"sub": "id:per_1"},
    {"sub": "push:app"},
    {"algorithm": "HS384"},
    {"algorithm": "HS512"},
    {"headers": {"crit": ["b64"], "b64": False}},
]


@pytest.mark.parametrize("more", BAD, ids=repr)
def test_a_wrong_one_proves_nothing(more: dict[str, Any]) -> None:
    """Foreign key, foreign account, times, form, another algorithm."""
    if "crit" not in str(more):
        assert read(signed(**more), SECRET, "acc_1", AT) is None
        return
    with pytest.raises((jwt.PyJWTError, TypeError, ValueError)):
        jwt.decode(signed(**more), SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_aud": False})
    assert read(signed(**more), SECRET, "acc_1", AT) is None


def test_what_the_header_says_of_keys_and_algorithms_is_not_listened_to() -> None:
    """`none`, RS256, and a key that the token brings along."""
    right = base64.urlsafe_b64decode(signed().split(".")[2] + "=")
    for algorithm in ("none", "None", "NONE", "", "hs256", "RS256", "ES256", "HS512", None, 7, ["HS256"]):
        for signature in (b"", b"x" * 256, right):
            assert read(assembled({"alg": algorithm, "typ": "JWT"}, claims(), signature), SECRET, "acc_1", AT) is None
    assert read(assembled({"typ": "JWT"}, claims()), SECRET, "acc_1", AT) is None
    brought = {"jwk": {"kty": "oct", "k": "YWJj"}, "jku": "https://evil.example/keys", "kid": "../../dev/null"}
    assert read(signed(secret="abc" * 20, headers=brought), SECRET, "acc_1", AT) is None
    assert read(signed(headers=brought), SECRET, "acc_1", AT) is not None


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b.c.d",
        "\0",
        "\ud800",
        "é" * 100,
        "x" * 5000,
        assembled({"alg": "HS256"}, []),
        assembled({"alg": "HS256"}, "text"),
        base64.urlsafe_b64encode(b"[" * 2000).decode().rstrip("=") + ".e30.e30",
        signed()[:-2],
        signed() + "A",
        signed().swapcase(),
    ],
    ids=lambda token: token[:12].encode("utf-8", "replace").hex(),
)
def test_junk_proves_nothing(token: str) -> None:
    """Nor does it raise anything."""
    assert read(token, SECRET, "acc_1", AT) is None


@given(st.text(max_size=200), st.lists(st.text(alphabet="abcXYZ019-_=", max_size=40), min_size=3, max_size=3))
def test_no_text_raises(text: str, parts: list[str]) -> None:
    """Whatever a browser sends as a token."""
    assert read(text, SECRET, "acc_1", AT) is None
    assert read(".".join(parts), SECRET, "acc_1", AT) is None


@given(
    st.dictionaries(st.sampled_from(["sub", "aud", "iat", "exp", "nbf", "jti"]), st.none() | st.text() | st.floats())
)
def test_no_claims_raise(more: dict[str, Any]) -> None:
    """Even where the account's own backend signed them."""
    read(jwt.encode({**claims(), **more}, SECRET, algorithm="HS256"), SECRET, "acc_1", AT)


async def test_it_covers_exactly_the_identifier_in_its_sub(engine: Engine) -> None:
    """Others of the message stay unproven; a token for somebody else proves nothing, and is not used up."""
    tokens = Tokens(engine, lambda: SERVICE)
    with time_machine.travel(AT.isoformat() + "Z", tick=False):
        assert await tokens.proven(ACTOR, signed(), [PHONE], context="c") == set()
        assert await tokens.proven(ACTOR, signed(), [], context="c") == set()
        assert await tokens.proven(ACTOR, None, [ANA], context="c") == set()
        assert await tokens.proven(ACTOR, signed(), [PHONE, ANA], context="c") == {ANA}


async def test_it_counts_once_and_for_its_caller_again(engine: Engine) -> None:
    """The same message once more has the same effect; anybody else with the same token has none."""
    tokens = Tokens(engine, lambda: SERVICE)
    with time_machine.travel(AT.isoformat() + "Z", tick=False):
        assert await tokens.proven(ACTOR, signed(), [ANA], context="v1|m1") == {ANA}
        assert await tokens.proven(ACTOR, signed(), [ANA], context="v1|m1") == {ANA}
        assert await tokens.proven(ACTOR, signed(), [ANA], context="v2|m1") == set()
        assert await tokens.proven(ACTOR, signed(), [ANA], context="c") == set()
        other = signed(sub="phone:38591123456")
        assert await tokens.proven(ACTOR, other, [PHONE], context="v1|m1") == set()
        assert await tokens.proven(ACTOR, signed(jti="j2"), [ANA], context="v2|m1") == {ANA}


async def test_it_belongs_to_the_key_and_the_account_that_call(engine: Engine) -> None:
    """Another key of the account has another secret; another account another audience."""
    tokens = Tokens(engine, lambda: SERVICE)
    with time_machine.travel(AT.isoformat() + "Z", tick=False):
        assert await tokens.proven(OTHER, signed(), [ANA], context="c") == set()
        assert await tokens.proven(FOREIGN, signed(), [ANA], context="c") == set()
        mine = signed(secret=identity_secret("key_2", SERVICE))
        assert await tokens.proven(OTHER, mine, [ANA], context="c") == {ANA}
        assert await tokens.proven(ACTOR, signed(), [ANA], context="c") == {ANA}


async def test_nothing_of_it_is_kept_but_digests_until_nobody_could_show_it(engine: Engine) -> None:
    """W a used token lapses T it was over a minute of skew ago."""
    tokens = Tokens(engine, lambda: SERVICE)
    with time_machine.travel(AT.isoformat() + "Z", tick=False):
        await tokens.proven(ACTOR, signed(), [ANA], context="secret visitor")
    (kept,) = await engine.find(COLLECTION, {})
    assert kept["until"] == AT + timedelta(seconds=360)
    assert kept["account"] == "acc_1"
    assert not {"ana", "secret", "j1"} & set(str(kept).replace("'", " ").split())
    assert read(signed(), SECRET, "acc_1", kept["until"]) is None
