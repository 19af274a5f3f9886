"""Logins with a strict key through the service, on both stores: who is reached, is reached by proof."""

from dataclasses import replace

import jwt
import pytest

from app.access.keys import identity_secret
from app.core import clock
from app.core.actor import Actor
from app.core.errors import Refused
from app.identity.installation import Registration, Told
from app.identity.mobile import Installations, Personalize
from app.identity.tokens import Tokens
from app.identity.user import Given, Identity
from app.mongo.engine import Engine
from tests.make import ACTOR, House, email, house

STRICT = replace(ACTOR, strict=True)
SERVICE = b"s" * 32
PHONE = Registration("shop", "p1")


def signed(address: str) -> str:
    """Return what the backend of the account signs for one who has the email: one token for each."""
    now = clock.millis(clock.now()) // 1000
    claims = {"sub": f"email:{address}", "aud": STRICT.account, "iat": now, "exp": now + 60, "jti": address}
    return jwt.encode(claims, identity_secret(STRICT.key, SERVICE), "HS256")


@pytest.fixture
def home(engine: Engine) -> House:
    """Give the services on a store."""
    return house(engine)


@pytest.fixture
def app(home: House) -> Installations:
    """Give the service of apps whose backend signs tokens."""
    return Installations(home.persons, Tokens(home.engine, lambda: SERVICE))


def login(*emails: str, token: str | None = None, phone: Registration = PHONE) -> Personalize:
    """Write a login down; `token` is the email that it proves."""
    return Personalize(phone, Given(Identity(emails=emails)), token=token and signed(token))


async def refused(app: Installations, wanted: Personalize, actor: Actor = STRICT) -> None:
    """Log in in vain."""
    with pytest.raises(Refused) as caught:
        await app.personalize(actor, wanted)
    assert (caught.value.code, caught.value.path) == ("USER_IDENTITY_INVALID", ("identityToken",))


async def test_without_proof_a_strict_key_reaches_nobody(home: House, app: Installations) -> None:
    """Neither a person who is there nor a new one, so that nothing can be learnt; nothing is changed."""
    known = await home.person("ann@x.example")
    empty = await app.open(STRICT, PHONE, Told())
    for wanted in (login("ann@x.example"), login("new@x.example"), login("ann@x.example", token="new@x.example")):
        await refused(app, wanted)
        await refused(Installations(home.persons, Tokens(home.engine, lambda: b"secret")), wanted)
    assert await home.persons.find(ACTOR.account, PHONE.locator) == empty
    assert await home.persons.get(ACTOR.account, known.id) == known


async def test_with_proof_it_reaches_whom_it_proves(home: House, app: Installations) -> None:
    """Who is proven is joined, what else the identity says and nobody has comes along; the call may be repeated."""
    known = await home.person("ann@x.example")
    await home.person("bob@x.example")
    await app.open(STRICT, PHONE, Told())
    wanted = login("ann@x.example", "new@x.example", token="ann@x.example")
    for gone in (1, 0):
        done = await app.personalize(STRICT, wanted)
        assert (done.person.id, len(done.gone)) == (known.id, gone)
    found = await home.persons.find(ACTOR.account, email("new@x.example"))
    assert found is not None
    assert found.id == known.id
    await refused(app, login("ann@x.example", "bob@x.example", token="ann@x.example"))


async def test_a_token_serves_one_installation(home: House, app: Installations) -> None:
    """Another one that shows it proves nothing; a key that isn't strict needs none."""
    other = Registration("shop", "p2")
    for one in (PHONE, other):
        await app.open(STRICT, one, Told())
    done = await app.personalize(STRICT, login("ann@x.example", token="ann@x.example"))
    await refused(app, login("ann@x.example", token="ann@x.example", phone=other))
    joined = await app.personalize(ACTOR, login("ann@x.example", phone=other))
    assert joined.person.id == done.person.id
