"""Secrets of connections: kept so that only this service reads them."""

import pytest

from app.sync.crm import Denied
from app.sync.vault import Vault

SECRET = "s3cr3t-Ω-of-the-crm"
OURS = b"the service's own secret, of 32+ bytes"


@pytest.mark.parametrize("secret", [SECRET, "", "x" * 4096, "with\x00anything\n"])
def test_what_was_sealed_is_opened_again(secret: str) -> None:
    """By whoever has the same secret, be it after a start."""
    assert Vault(lambda: OURS).open(Vault(lambda: OURS).seal(secret)) == secret


def test_what_is_sealed_tells_nothing() -> None:
    """Neither the secret nor whether two are the same."""
    vault = Vault(lambda: OURS)
    one, other = vault.seal(SECRET), vault.seal(SECRET)
    assert one != other
    for part in (SECRET.encode(), SECRET[:6].encode(), OURS):
        assert part not in one


@pytest.mark.parametrize("sealed", [b"", b"x", SECRET.encode(), Vault(lambda: OURS + b"!").seal(SECRET)])
def test_what_cannot_be_opened_asks_to_connect_again(sealed: bytes) -> None:
    """Sealed by another secret, forgotten, or broken; and nothing of it is told."""
    with pytest.raises(Denied, match="connect again") as refused:
        Vault(lambda: OURS).open(sealed)
    assert SECRET not in repr(refused.value)


def test_what_was_changed_is_not_opened() -> None:
    """Not a single byte."""
    sealed = bytearray(Vault(lambda: OURS).seal(SECRET))
    sealed[20] ^= 1
    with pytest.raises(Denied):
        Vault(lambda: OURS).open(bytes(sealed))


def test_the_secret_is_asked_for_when_it_is_needed() -> None:
    """A vault is made before the service knows its own secret."""
    held: list[bytes] = []
    vault = Vault(lambda: held[0])
    held.append(OURS)
    assert vault.open(vault.seal(SECRET)) == SECRET
    assert OURS.decode() not in repr(vault)
