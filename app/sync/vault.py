"""The secrets of connections: sealed by a key that is made of the service's own secret, and never shown again."""

import base64
from collections.abc import Callable

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.sync.crm import Denied

KEY_BYTES = 32
INFO = b"crm"


class Vault:
    """Seals and opens; `secret` gives the service's own, once it is open."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret

    def _fernet(self) -> Fernet:
        key = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=INFO).derive(self._secret())
        return Fernet(base64.urlsafe_b64encode(key))

    def seal(self, value: str) -> bytes:
        """Return a secret as it may be kept."""
        return self._fernet().encrypt(value.encode())

    def open(self, sealed: bytes) -> str:
        """Return a secret; raises Denied where the service has another secret of its own by now."""
        try:
            return self._fernet().decrypt(sealed).decode()
        except InvalidToken as error:
            raise Denied("The secret of this connection can't be read any more: connect again.") from error
