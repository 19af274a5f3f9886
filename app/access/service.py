"""Accounts and API keys: who asks, who may, and for how long.

A key that is revoked here opens nothing from the same moment on; elsewhere within 5 seconds.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from app.access import keys, store
from app.access.cache import Cache
from app.access.closing import Closing
from app.access.model import Account, ApiKey
from app.access.uses import Uses
from app.core import clock, ids
from app.core import text as texts
from app.core.actor import Actor, Scope
from app.core.errors import Refused, unauthenticated, unavailable
from app.mongo.coalesce import Reads
from app.mongo.engine import Change, Clash, Document, Engine, Insert, Unit

NAME_MAX = 255
KEYS_PER_ACCOUNT_MAX = 1000
SECRET_BYTES = 32
ADMIN_KEY_CHARACTERS = 32
CLAIM_TRIES = 5
FIRST_KEY = "first admin key"
DEFAULT_ACCOUNT = "default"
# The account of PROFILES_ADMIN_KEY is found by this id, so that processes which start together make only one.
DEFAULT_ID = "acc_00000000000000000000000000"
_SIGNED = (Scope.WEB_SDK, Scope.MOBILE_SDK)


class Access:
    """The keys of all accounts. `trusted` tells whether news of revocations come in at this moment."""

    def __init__(
        self, engine: Engine, *, secret: str | None = None, trusted: Callable[[], bool] = lambda: False
    ) -> None:
        self._engine = engine
        self._given = secret
        self._secret: bytes | None = None
        self._cache = Cache(trusted)
        self._closing = Closing()
        self._uses = Uses(engine)
        self._reads = Reads(engine, store.KEYS)
        self._accounts: dict[str, Account] = {}

    async def open(self) -> None:
        """Load the service's secret, or make it; every process of one database has the same."""
        if self._given is not None:
            self._secret = hashlib.sha256(self._given.encode()).digest()
            return
        kept = await store.secret(self._engine)
        if kept is None:
            await store.offer_secret(self._engine, secrets.token_bytes(SECRET_BYTES), clock.now())
            kept = await store.secret(self._engine)
        if kept is None:
            raise unavailable()
        self._secret = kept

    @property
    def secret(self) -> bytes:
        """The service's secret, 32 bytes; `open` comes first."""
        if self._secret is None:
            raise RuntimeError("open() comes first")
        return self._secret

    async def close(self) -> None:
        """Let go of everybody, and finish what is being noted."""
        self._closing.clear()
        await self._uses.settle()

    # ------------------------------------------------------------ who asks

    def cached(self, text: str) -> Actor | None:
        """Return who asks with a key that is known to be good now; notes its use."""
        return self.known(keys.digest(text))

    def known(self, digest: bytes) -> Actor | None:
        """Return the same, by the digest of a key."""
        actor = self._cache.get(digest)
        if actor is not None:
            self._uses.note(actor)
        return actor

    async def authenticate(self, text: str | None) -> Actor:
        """Return who asks with a key; raises UNAUTHENTICATED."""
        if not text:
            raise unauthenticated()
        known = self.cached(text)
        if known is not None:
            return known
        key_digest = keys.digest(text)
        key_id = keys.parse(text)
        if key_id is None:
            if len(text) < ADMIN_KEY_CHARACTERS:
                raise unauthenticated()
            key_id = keys.named(key_digest, self.secret)
        at, generation = self._cache.now(), self._cache.generation
        document = await self._reads.get(key_id)
        # Compared also where there is no key, so that both take as long.
        there = document is not None
        same = keys.same(store.digest(document) if document else b"\0" * len(key_digest), key_digest)
        if document is None or not (there and same):
            raise unauthenticated()
        actor = self._cache.put(key_digest, _opening(document), generation=generation, at=at)
        self._uses.note(actor)
        return actor

    # ------------------------------------------------------------ news

    def on_change(self, change: Change) -> None:
        """Take in what any process did to a key."""
        key_id = str(change.id)
        if change.kind == "insert":
            return
        self._cache.forget(key_id)
        if change.kind == "delete" or _good(change.document) is None:
            # An update doesn't show the whole key; the only one that there is revokes.
            self._closing.tell(key_id)

    def forget_all(self) -> None:
        """Drop what is known: news may have been missed."""
        self._cache.forget_all()

    async def recheck(self) -> None:
        """Close whatever is open with keys that are good no more."""
        listening = list(self._closing.keys())
        if not listening:
            return
        found = await store.key_documents(self._engine, listening)
        for key_id in listening:
            if _good(found.get(key_id)) is None:
                self._closing.tell(key_id)

    async def on_revoked(self, key_id: str, told: Callable[[], None]) -> Callable[[], None]:
        """Have `told` called when the key is revoked or expires; returns what takes it off again.

        The key is read anew behind the registration, so that nothing falls between: raises UNAUTHENTICATED where it is
        good no more, UNAVAILABLE where that can't be known.
        """
        leave = self._closing.add(key_id, told)
        try:
            key = _opening(await self._reads.get(key_id))
        except BaseException:
            leave()
            raise
        if key.expires_at is not None:
            self._closing.expire(key_id, key.expires_at)
        return leave

    # ------------------------------------------------------------ accounts

    async def create_account(self, name: str) -> tuple[Account, ApiKey, str]:
        """Make an account with its first ADMIN key in one unit; returns that key's text as well."""
        account = Account(ids.new("acc"), _name(name), clock.now())
        new, key = _made(account.id, FIRST_KEY, (Scope.ADMIN,))
        document = store.key_document(key, keys.digest(new.text))

        async def work(unit: Unit) -> None:
            await unit.write(store.ACCOUNTS, [Insert(store.account_document(account))])
            await unit.write(store.KEYS, [Insert(document)])

        await self._engine.unit(work)
        return account, key, new.text

    async def accounts(self) -> list[Account]:
        """Return all accounts, oldest first."""
        return await store.accounts(self._engine)

    async def account(self, account_id: str) -> Account | None:
        """Return an account; it never changes, so it is read once."""
        known = self._accounts.get(account_id)
        if known is None:
            found = await store.accounts(self._engine, account_id)
            if not found:
                return None
            known = self._accounts[account_id] = found[0]
        return known

    async def admin_key(self, text: str) -> Account:
        """Make the account `default` and `text` an ADMIN key of it; an earlier one of the settings is revoked."""
        account = Account(DEFAULT_ID, DEFAULT_ACCOUNT, clock.now())
        await self._engine.insert(store.ACCOUNTS, [store.account_document(account)])
        digest = keys.digest(text)
        key_id = keys.named(digest, self.secret)
        key = ApiKey(key_id, DEFAULT_ID, "PROFILES_ADMIN_KEY", "PROFILES_ADMIN_KEY", (Scope.ADMIN,), clock.now())
        document = store.key_document(key, digest, setting=True)
        held = await store.keys_of(self._engine, DEFAULT_ID)
        for old in held:
            if old.get("setting") and old["_id"] != key_id and old.get("revokedAt") is None:
                await self._revoke(old["_id"])
        mine = next((one for one in held if one["_id"] == key_id), None)
        if mine is None or mine.get("revokedAt") is not None:
            await self._put(document)
        self._cache.forget(key_id)
        return (await self.account(DEFAULT_ID)) or account

    async def first_key(self) -> str | None:
        """On a store without any key make the account `default` and its first ADMIN key; returns that key's text."""
        if not await self.empty():
            return None
        account = Account(DEFAULT_ID, DEFAULT_ACCOUNT, clock.now())
        await self._engine.insert(store.ACCOUNTS, [store.account_document(account)])
        _, text, _ = await self.create_key(DEFAULT_ID, FIRST_KEY, [Scope.ADMIN])
        return text

    async def _put(self, document: Document) -> None:
        for attempt in range(CLAIM_TRIES):
            try:
                await self._engine.write(store.KEYS, [store.put_key(document)])
            except Clash:  # another process did the same at the same time
                if attempt == CLAIM_TRIES - 1:
                    raise unavailable() from None
            else:
                return

    async def empty(self) -> bool:
        """Tell whether there is no key at all yet."""
        return not await store.first_key(self._engine)

    # ------------------------------------------------------------ keys

    async def create_key(
        self,
        account: str,
        name: str,
        scopes: Sequence[Scope],
        *,
        strict_identity: bool = False,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str, str | None]:
        """Make a key; returns it, its text, and what identity tokens are signed with where it takes such."""
        wanted = tuple(scope for scope in Scope if scope in scopes)
        if not wanted:
            raise Refused("REQUIRED", "A key needs at least one scope.", ("scopes",))
        if expires_at is not None and expires_at <= clock.now():
            raise Refused("INVALID", "A key expires in the future.", ("expiresAt",))
        new, key = _made(account, _name(name), wanted)
        held = await store.keys_of(self._engine, account)
        if sum(one.get("revokedAt") is None for one in held) >= KEYS_PER_ACCOUNT_MAX:
            raise Refused("TOO_MANY", f"An account has at most {KEYS_PER_ACCOUNT_MAX} keys.")
        key = replace(key, strict_identity=strict_identity, expires_at=expires_at)
        await self._engine.write(store.KEYS, [Insert(store.key_document(key, keys.digest(new.text)))])
        signed = any(scope in _SIGNED for scope in wanted)
        return key, new.text, keys.identity_secret(key.id, self.secret) if signed else None

    async def keys(self, account: str) -> list[ApiKey]:
        """Return an account's keys, newest first."""
        documents = await store.keys_of(self._engine, account)
        uses = await store.uses(self._engine, [one["_id"] for one in documents])
        found = [store.key(one, uses.get(one["_id"])) for one in documents]
        return sorted(found, key=lambda key: (key.created_at, key.id), reverse=True)

    async def revoke_key(self, account: str, key_id: str) -> ApiKey:
        """Revoke a key, from this moment on; a second time changes nothing. Refuses an unknown one with NOT_FOUND."""
        document = (await store.key_documents(self._engine, [key_id])).get(key_id)
        if document is None or document["account"] != account:
            raise Refused("NOT_FOUND", "There is no such key.", ("id",))
        await self._revoke(key_id)
        found = await store.key_documents(self._engine, [key_id])
        return store.key(found[key_id])

    async def revoke_any(self, key_id: str) -> ApiKey:
        """Revoke a key of whichever account, for those who run the service."""
        document = (await store.key_documents(self._engine, [key_id])).get(key_id)
        return await self.revoke_key(document["account"] if document else "", key_id)

    async def _revoke(self, key_id: str) -> None:
        await self._engine.write(store.KEYS, [store.revocation(key_id, clock.now())])
        self._cache.forget(key_id)
        self._closing.tell(key_id)


def _good(document: Document | None) -> ApiKey | None:
    """Return the key of a document where it still opens anything; None where it is gone, revoked or expired."""
    key = store.key(document) if document else None
    return key if key is not None and key.good(clock.now()) else None


def _opening(document: Document | None) -> ApiKey:
    """Return the key of a document; refuses one that opens nothing any more with UNAUTHENTICATED."""
    key = _good(document)
    if key is None:
        raise unauthenticated("This API key was revoked or has expired.")
    return key


def _name(given: str) -> str:
    name = given.strip()
    if not name:
        raise Refused("REQUIRED", "A name can't be empty.", ("name",))
    if len(name) > NAME_MAX:
        raise Refused("TOO_LONG", f"A name has at most {NAME_MAX} characters.", ("name",))
    return texts.line(name, "name")


def _made(account: str, name: str, scopes: tuple[Scope, ...]) -> tuple[keys.NewKey, ApiKey]:
    new = keys.new_key()
    return new, ApiKey(new.id, account, name, new.prefix, scopes, clock.now())
