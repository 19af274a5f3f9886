"""Accounts and keys on each store: what a start makes, what a revocation ends, and what stays bounded."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.access import service, store, uses
from app.access.service import DEFAULT_ID, Access
from app.access.uses import Uses
from app.core import clock
from app.core.actor import Scope
from app.core.errors import Fault, Refused, unavailable
from app.mongo.engine import Change, Clash, Delete, Document, Engine, Insert, Write
from app.mongo.twin import Twin
from tests.make import ACTOR

ADMIN = "an-admin-key-that-the-settings-name"


class Trouble(Twin):
    """A twin that fails at the next writes to a collection, and loses what is inserted there, while failures last."""

    def __init__(self, collection: str, *failures: Exception) -> None:
        super().__init__()
        self.collection = collection
        self.failures = list(failures)
        self.tries = 0

    async def write(self, collection: str, writes: Sequence[Write]) -> int:
        """Write, or fail."""
        if collection == self.collection:
            self.tries += 1
            if self.failures:
                raise self.failures.pop(0)
        return await super().write(collection, writes)

    async def insert(self, collection: str, documents: Sequence[Document]) -> set[int]:
        """Insert, or lose it without a word."""
        lost = collection == self.collection and self.failures
        return set() if lost else await super().insert(collection, documents)


async def opened(engine: Engine, **settings: Any) -> Access:
    """Put the room on a store."""
    access = Access(engine, **settings)
    await access.open()
    return access


async def code(access: Access, text: str | None) -> str:
    """Return the code by which a key is refused, nothing where it is let in."""
    try:
        await access.authenticate(text)
    except Fault as fault:
        return fault.code
    return ""


async def test_all_processes_of_a_store_share_a_secret(engine: Engine) -> None:
    """The first one makes it; those who start together agree."""
    one, two = await asyncio.gather(opened(engine), opened(engine))
    later = await opened(engine)
    assert one.secret == two.secret == later.secret
    assert len(one.secret) == 32


async def test_a_given_secret_is_used_and_not_kept(engine: Engine) -> None:
    """As its SHA-256, whatever its length."""
    access = await opened(engine, secret="given")
    assert access.secret == hashlib.sha256(b"given").digest()
    assert await store.secret(engine) is None


async def test_a_secret_that_is_not_kept_is_no_secret() -> None:
    """A store that takes it without keeping it is away; before `open` there is none to use."""
    access = Access(Trouble(store.SECRETS, unavailable()))
    with pytest.raises(Fault, match="can't be reached"):
        await access.open()
    with pytest.raises(RuntimeError, match="open"):
        _ = access.secret


async def test_the_first_key_is_made_once(engine: Engine) -> None:
    """On a store without any key; it is an ADMIN key of the account `default`."""
    access = await opened(engine)
    actor = await access.authenticate(await access.first_key())
    assert (actor.account, set(actor.scopes)) == (DEFAULT_ID, {Scope.ADMIN})
    assert (await access.first_key(), [one.name for one in await access.accounts()]) == (None, ["default"])


async def test_an_admin_key_of_the_settings_is_one_key(engine: Engine) -> None:
    """However often it is given."""
    access = await opened(engine)
    for _ in range(2):
        assert (await access.admin_key(ADMIN)).name == "default"
    assert (await access.authenticate(ADMIN)).account == DEFAULT_ID
    assert [one.name for one in await access.keys(DEFAULT_ID)] == ["PROFILES_ADMIN_KEY"]


async def test_another_admin_key_revokes_the_one_before(engine: Engine) -> None:
    """And no key that was made by hand; given again, the old one is good again."""
    access = await opened(engine)
    await access.admin_key(ADMIN)
    _, other, _ = await access.create_key(DEFAULT_ID, "by hand", [Scope.PEOPLE_READ])
    await access.admin_key(ADMIN + "2")
    assert [await code(access, one) for one in (ADMIN, ADMIN + "2", other)] == ["UNAUTHENTICATED", "", ""]
    await access.admin_key(ADMIN)
    assert [await code(access, one) for one in (ADMIN, ADMIN + "2", other)] == ["", "UNAUTHENTICATED", ""]


async def test_an_admin_key_that_another_process_puts_too_is_put_again() -> None:
    """Both mean the same; after CLAIM_TRIES the store is away."""
    patient, losing = (Trouble(store.KEYS, *[Clash(["k"])] * number) for number in (4, 5))
    access = await opened(patient)
    await access.admin_key(ADMIN)
    with pytest.raises(Fault) as fault:
        await (await opened(losing)).admin_key(ADMIN)
    assert (await code(access, ADMIN), fault.value.code) == ("", "UNAVAILABLE")
    assert patient.tries == losing.tries == service.CLAIM_TRIES == 5


@pytest.mark.parametrize("text", [None, "", "short", "cp_live_" + "0" * 65, "x" * 64, "ÿ" * 64])
async def test_a_text_that_is_no_key_opens_nothing(engine: Engine, text: str | None) -> None:
    """Whatever it looks like."""
    assert await code(await opened(engine), text) == "UNAUTHENTICATED"


async def test_the_id_of_a_key_opens_nothing(engine: Engine) -> None:
    """Another secret under a known id is refused; a listed id is no secret."""
    access = await opened(engine)
    _, text, _ = await access.create_key("acc_1", "k", [Scope.ADMIN])
    key, _, _ = await access.create_key("acc_1", "other", [Scope.ADMIN])
    own = (await access.authenticate(text)).key
    other = store.key_document(replace(key, id=own), hashlib.sha256(b"other").digest())
    await engine.write(store.KEYS, [store.put_key(other)])
    access.forget_all()
    assert await code(access, text) == "UNAUTHENTICATED"


async def test_an_account_has_a_bounded_number_of_keys(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revoked ones don't count."""
    assert service.KEYS_PER_ACCOUNT_MAX == 1000
    monkeypatch.setattr(service, "KEYS_PER_ACCOUNT_MAX", 1)
    access = await opened(engine)
    key, _, _ = await access.create_key("acc_1", "one", [Scope.ADMIN])
    with pytest.raises(Refused) as refused:
        await access.create_key("acc_1", "two", [Scope.ADMIN])
    await access.revoke_any(key.id)
    await access.create_key("acc_1", "two", [Scope.ADMIN])
    assert refused.value.code == "TOO_MANY"


async def test_only_keys_of_clients_are_told_what_to_sign_with(engine: Engine) -> None:
    """Web and mobile keys; what such a key writes is stamped with its origin."""
    access = await opened(engine)
    made = {scope: await access.create_key("acc_1", "k", [scope]) for scope in Scope}
    assert {scope for scope, (_, _, signed) in made.items() if signed} == {Scope.WEB_SDK, Scope.MOBILE_SDK}
    assert (await access.authenticate(made[Scope.WEB_SDK][1])).origin == "WEB_SDK"


async def test_a_key_is_revoked_by_its_account_or_by_who_runs_the_service(engine: Engine) -> None:
    """For another account it is as if it were not there; the first time stays."""
    access = await opened(engine)
    key, text, _ = await access.create_key("acc_1", "k", [Scope.ADMIN])
    for revoking in (access.revoke_key("acc_2", key.id), access.revoke_any("key_nobody")):
        with pytest.raises(Refused, match="no such key"):
            await revoking
    first = (await access.revoke_any(key.id)).revoked_at
    assert first is not None
    assert (await access.revoke_key("acc_1", key.id)).revoked_at == first
    assert await code(access, text) == "UNAUTHENTICATED"


async def test_after_missed_news_keys_are_read_again(engine: Engine) -> None:
    """What another process revoked meanwhile opens nothing more."""
    here, there = await opened(engine, trusted=lambda: True), await opened(engine)
    key, text, _ = await here.create_key("acc_1", "k", [Scope.ADMIN])
    await here.authenticate(text)
    await there.revoke_any(key.id)
    assert await code(here, text) == ""
    here.forget_all()
    assert await code(here, text) == "UNAUTHENTICATED"


async def test_a_recheck_tells_those_whose_key_is_good_no_more(engine: Engine) -> None:
    """Revoked elsewhere, or gone; the others stay, and with nobody listening there is nothing to ask."""
    here, there, told = await opened(engine), await opened(engine), list[str]()
    await here.recheck()
    good, revoked, gone = [(await here.create_key("acc_1", "k", [Scope.ADMIN]))[0].id for _ in range(3)]
    for key_id in (good, revoked, gone):
        await here.on_revoked(key_id, partial(told.append, key_id))
    await there.revoke_any(revoked)
    await engine.write(store.KEYS, [Delete({"_id": gone})])
    await here.recheck()
    assert sorted(told) == sorted([revoked, gone])


async def test_whoever_comes_to_listen_too_late_is_refused(engine: Engine) -> None:
    """The key was revoked between its reading and the listening; nothing is left behind."""
    here, there, told = await opened(engine, trusted=lambda: True), await opened(engine), list[str]()
    key, text, _ = await here.create_key("acc_1", "k", [Scope.ADMIN])
    await here.authenticate(text)
    await there.revoke_any(key.id)
    with pytest.raises(Fault) as fault:
        await here.on_revoked(key.id, partial(told.append, "told"))
    await here.recheck()
    assert (fault.value.code, told) == ("UNAUTHENTICATED", [])


async def test_an_expiry_is_heard_whether_the_key_is_remembered_or_not(engine: Engine) -> None:
    """It is read with the listening, not taken from the cache."""
    access, over = await opened(engine), asyncio.Event()
    soon = clock.now() + timedelta(milliseconds=300)
    key, _, _ = await access.create_key("acc_1", "k", [Scope.ADMIN], expires_at=soon)
    await access.on_revoked(key.id, over.set)
    async with asyncio.timeout(10):
        await over.wait()
    assert clock.now() >= soon


async def test_news_of_a_key_close_what_is_open_with_it(engine: Engine) -> None:
    """An update or a delete; a new key, or one that is put again and good, closes nothing."""
    access, told = await opened(engine, trusted=lambda: True), list[str]()
    key, text, _ = await access.create_key("acc_1", "k", [Scope.ADMIN])
    document = store.key_document(key, hashlib.sha256(text.encode()).digest())
    await access.authenticate(text)
    for kind, shown in (("insert", document), ("replace", document), ("update", None), ("delete", None)):
        leave = await access.on_revoked(key.id, partial(told.append, kind))
        access.on_change(Change("1", store.KEYS, kind, key.id, shown))
        leave()
    assert (told, access.cached(text)) == (["update", "delete"], None)


async def test_an_account_is_found_where_there_is_one(engine: Engine) -> None:
    """It never changes, so it is read once; one that isn't there may come later."""
    access = await opened(engine)
    account, _, _ = await access.create_account(" Acme ")
    assert (account.name, await access.account("acc_nobody")) == ("Acme", None)
    await engine.write(store.ACCOUNTS, [Insert({"_id": "acc_nobody", "name": "New", "createdAt": clock.now()})])
    assert [await access.account(one.id) for one in await access.accounts()] == await access.accounts()
    assert await access.account(account.id) is await access.account(account.id)


async def test_the_last_use_of_a_key_is_noted(engine: Engine) -> None:
    """Behind the request's back; closing waits for it."""
    access, before = await opened(engine), clock.now()
    _, text, _ = await access.create_key("acc_1", "k", [Scope.ADMIN], expires_at=before + timedelta(hours=1))
    await access.authenticate(text)
    await access.close()
    (shown,) = await access.keys("acc_1")
    assert before <= (shown.last_used_at or before - timedelta(1)) <= clock.now()


class Noting:
    """Last uses on a store, at a time that stands until it is moved."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.at = 0.0
        self.uses = Uses(engine, lambda: self.at)

    async def note(self, keys: str) -> None:
        """Use keys, each a letter, and wait until that is written."""
        for key in keys:
            self.uses.note(replace(ACTOR, key=key))
        await self.uses.settle()

    async def kept(self, keys: str) -> str:
        """Return those keys whose use was kept."""
        return "".join(sorted(await store.uses(self.engine, list(keys))))


async def test_uses_are_noted_once_a_minute() -> None:
    """All that wait in one write; within the minute nothing is written."""
    twin = Trouble(store.USES)
    noting = Noting(twin)
    for noting.at, keys in ((0.0, "abab"), (59.9, "ab"), (60.0, "a")):
        await noting.note(keys)
    assert (twin.tries, await noting.kept("abc")) == (2, "ab")


@pytest.mark.parametrize("failure", [unavailable(), Clash(["a"])])
async def test_a_use_that_can_not_be_noted_harms_nobody(failure: Exception) -> None:
    """It is said in the log without a key, and a later use is noted again."""
    noting = Noting(Trouble(store.USES, failure))
    with capture_logs() as logs:
        await noting.note("a")
    assert [(one["event"], one["keys"]) for one in logs] == [("last uses of keys not noted", 1)]
    noting.at = uses.NOTE_SECONDS
    await noting.note("a")
    assert await noting.kept("a") == "a"


async def test_uses_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is not noted, and only so many keys are remembered."""
    assert uses.NOTED_KEYS == 10_000
    monkeypatch.setattr(uses, "NOTED_KEYS", 2)
    noting = Noting(Twin())
    await noting.note("abc")
    assert (await noting.kept("abc"), len(noting.uses._noted)) == ("ab", 2)
