"""How accounts, keys, last uses and the service's secret are kept. Of a key only its SHA-256 is here."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.access.model import Account, ApiKey
from app.core.actor import Scope
from app.mongo.engine import Document, Engine, Replace, Update

ACCOUNTS, KEYS, USES, SECRETS = "accounts", "apiKeys", "keyUses", "secrets"
BY_ID = [("_id", 1)]
SERVICE_SECRET = "service"  # noqa: S105 - the document's name

_SCOPES = {scope.value: scope for scope in Scope}


# ---------------------------------------------------------------- accounts


def account(document: Document) -> Account:
    """Return a kept account."""
    return Account(document["_id"], document["name"], document["createdAt"])


def account_document(one: Account) -> Document:
    """Return an account as it is kept."""
    return {"_id": one.id, "name": one.name, "createdAt": one.created_at}


async def accounts(engine: Engine, account_id: str | None = None) -> list[Account]:
    """Return the accounts, oldest first, or the one that is named; by `_id`."""
    filter_ = {} if account_id is None else {"_id": account_id}
    return [account(document) for document in await engine.find(ACCOUNTS, filter_, sort=BY_ID)]


# ---------------------------------------------------------------- keys


def key(document: Document, last_used_at: datetime | None = None) -> ApiKey:
    """Return a kept key; scopes that a newer version knows are left out."""
    return ApiKey(
        id=document["_id"],
        account=document["account"],
        name=document["name"],
        prefix=document["prefix"],
        scopes=tuple(_SCOPES[name] for name in document["scopes"] if name in _SCOPES),
        created_at=document["createdAt"],
        strict_identity=document.get("strictIdentity", False),
        last_used_at=last_used_at,
        expires_at=document.get("expiresAt"),
        revoked_at=document.get("revokedAt"),
    )


def key_document(one: ApiKey, digest: bytes, *, setting: bool = False) -> Document:
    """Return a key as it is kept; `setting` marks the one that comes from PROFILES_ADMIN_KEY."""
    return {
        "_id": one.id,
        "account": one.account,
        "name": one.name,
        "prefix": one.prefix,
        "digest": digest.hex(),
        "scopes": [scope.value for scope in one.scopes],
        "strictIdentity": one.strict_identity,
        "createdAt": one.created_at,
        "expiresAt": one.expires_at,
        "revokedAt": one.revoked_at,
        "setting": setting,
    }


def digest(document: Document) -> bytes:
    """Return the SHA-256 of a kept key."""
    return bytes.fromhex(document["digest"])


async def key_documents(engine: Engine, key_ids: Sequence[str]) -> dict[str, Document]:
    """Return the documents of those keys that exist, by id; by `_id`."""
    found = await engine.find(KEYS, {"_id": {"$in": list(key_ids)}})
    return {document["_id"]: document for document in found}


async def keys_of(engine: Engine, account_id: str) -> list[Document]:
    """Return all keys of an account, without order; rides on the index by account."""
    return await engine.find(KEYS, {"account": account_id})


async def first_key(engine: Engine) -> bool:
    """Tell whether there is any key at all."""
    return bool(await engine.find(KEYS, {}, projection={"_id": 1}, limit=1))


def put_key(document: Document) -> Replace:
    """Return the write of a key whose id is known beforehand."""
    return Replace({"_id": document["_id"]}, document, upsert=True)


def revocation(key_id: str, at: datetime) -> Update:
    """Return the write that revokes a key, unless it is revoked: the first time stays."""
    return Update({"_id": key_id, "revokedAt": None}, {"$set": {"revokedAt": at}})


# ---------------------------------------------------------------- last uses


async def uses(engine: Engine, key_ids: Sequence[str]) -> dict[str, datetime]:
    """Return when keys were last used, by key id; by `_id`."""
    found = await engine.find(USES, {"_id": {"$in": list(key_ids)}})
    return {document["_id"]: document["at"] for document in found}


async def note_uses(engine: Engine, used: Mapping[str, tuple[str, datetime]]) -> None:
    """Keep the last uses, key id → (account, time); a later one that is there already stays."""
    writes = [
        Update({"_id": key_id}, {"$max": {"at": at}, "$set": {"account": account_id}}, upsert=True)
        for key_id, (account_id, at) in used.items()
    ]
    await engine.write(USES, writes)


# ---------------------------------------------------------------- the service's secret


async def secret(engine: Engine) -> bytes | None:
    """Return the secret that was made by the first process, if there was one."""
    found = await engine.find(SECRETS, {"_id": SERVICE_SECRET})
    return bytes(found[0]["value"]) if found else None


async def offer_secret(engine: Engine, value: bytes, at: datetime) -> None:
    """Keep `value` unless another process was faster."""
    document: dict[str, Any] = {"_id": SERVICE_SECRET, "value": value, "createdAt": at}
    await engine.insert(SECRETS, [document])
