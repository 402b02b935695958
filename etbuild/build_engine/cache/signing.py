"""The header of a record in a cache: its name, its checksum, and its signature or origin. It stores nothing.

    etbuild <sha256> <mark>\\n<body>

The checksum and a signature are computed over name, NUL, body, so a record cannot be passed off as that of another
action. The mark of a record in a remote is its Ed25519 signature in base64, or "-". In the local store, which this
user alone writes, it says where the record came from: "-" from a run on this machine, "unsigned" from a remote that
was read without a key, else from a remote, verified with the public key of that fingerprint.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.errors import MissingTool, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from etbuild.system.environment import CacheSettings

_MAGIC = b"etbuild"

# A signature is valid for this purpose alone, should the key ever sign anything else.
_PURPOSE = b"etbuild cache record\0"

PRIVATE = "ETBUILD_REMOTE_CACHE_PRIVATE_KEY"
PUBLIC = "ETBUILD_REMOTE_CACHE_PUBLIC_KEY"

NO_MARK = b"-"
UNSIGNED = b"unsigned"


def seal(name: str, body: bytes, mark: bytes = NO_MARK) -> bytes:
    """The record with its header."""
    return b"%s %s %s\n%s" % (_MAGIC, _checksum(name, body), mark, body)


def unseal(name: str, data: bytes) -> tuple[bytes, bytes] | None:
    """The body and the mark, which is not checked; None when the record is damaged or has another name."""
    header, _, body = data.partition(b"\n")
    parts = header.split(b" ")
    if len(parts) != 3 or parts[:2] != [_MAGIC, _checksum(name, body)]:
        return None
    return body, parts[2]


@dataclass(frozen=True)
class Keys:
    """Whose records are read, and with what own ones are signed.

    private, public: text or path of a PEM file; "" for none. The public key follows from a private one.
    unsigned:        records of a remote are read without a signature.
    """

    private: str = ""
    public: str = ""
    unsigned: bool = False

    @classmethod
    def of(cls, settings: CacheSettings) -> Keys:
        """With a remote the keys are loaded at once: a wrong one is found even if there is nothing to read.

        raises: UsageError for a key that is none, MissingTool without the package cryptography.
        """
        keys = cls(settings.private_key, settings.public_key, settings.unsigned)
        if settings.remote:
            _ = keys.origin
        return keys

    @property
    def may_write(self) -> bool:
        """Whether others can accept what is written to a remote: where records are signed, that takes the key."""
        return self.unsigned or bool(self.private)

    def sign(self, name: str, body: bytes) -> bytes:
        """The record as it is written to a remote."""
        key = self._private_key
        return seal(name, body, b64encode(key.sign(_signed(name, body))) if key else NO_MARK)

    def verify(self, name: str, data: bytes) -> bytes | None:
        """The body of a record from a remote; None when it is damaged, has another name, or is not to be trusted."""
        found = unseal(name, data)
        return found[0] if found and (self.unsigned or self._is_signed(name, *found)) else None

    @cached_property
    def origin(self) -> bytes:
        """The mark, in the local store, of a record that `verify` has accepted."""
        if self.unsigned:
            return UNSIGNED
        return _fingerprint(self._public_key) if self._public_key else NO_MARK

    def verify_local(self, name: str, data: bytes) -> bytes | None:
        """The body of a record from the local store; None when it is damaged, or came from one no longer trusted."""
        found = unseal(name, data)
        return found[0] if found and (found[1] == NO_MARK or found[1] == self.origin) else None

    def _is_signed(self, name: str, body: bytes, mark: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature

        try:
            if self._public_key is None:
                return False
            self._public_key.verify(b64decode(mark, validate=True), _signed(name, body))
        except (InvalidSignature, ValueError):
            return False
        return True

    @cached_property
    def _private_key(self) -> Ed25519PrivateKey | None:
        """raises: UsageError for anything but an Ed25519 key, MissingTool without the package cryptography."""
        if not self.private:
            return None
        _require_cryptography()
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(_pem(PRIVATE, self.private), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _no_key(PRIVATE, "private") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise _no_key(PRIVATE, "private")
        return key

    @cached_property
    def _public_key(self) -> Ed25519PublicKey | None:
        """raises: as `_private_key`, and UsageError when the two are not a pair."""
        own = self._private_key.public_key() if self._private_key else None
        if not self.public:
            return own
        _require_cryptography()
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            key = load_pem_public_key(_pem(PUBLIC, self.public))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _no_key(PUBLIC, "public") from error
        if not isinstance(key, Ed25519PublicKey):
            raise _no_key(PUBLIC, "public")
        if own is not None and own != key:
            text = f"{PUBLIC}: got a key of another pair, wanted the public key of {PRIVATE}"
            raise UsageError(f"{text}\n    {_HOW_PUBLIC}")
        return key


_HOW_PRIVATE = "openssl genpkey -algorithm ed25519 -out cache.key writes a private key"
_HOW_PUBLIC = "openssl pkey -in cache.key -pubout -out cache.pub writes the public key of cache.key"


def _require_cryptography() -> None:
    try:
        import cryptography.hazmat.primitives.serialization  # noqa: F401
    except ImportError as error:
        text = f"{PUBLIC}: got {error}, wanted the package cryptography"
        raise MissingTool(f"{text}\n    pip install 'etbuild[remote]'") from error


def _no_key(variable: str, which: str) -> UsageError:
    how = _HOW_PRIVATE if which == "private" else _HOW_PUBLIC
    text = f"{variable}: got something else, wanted an unencrypted Ed25519 {which} key as PEM, or the path of one"
    return UsageError(f"{text}\n    {how}")


def _pem(variable: str, value: str) -> bytes:
    """The PEM text itself, or the file's. A private key never gets into a message, so neither does its value."""
    if value.lstrip().startswith("-----BEGIN"):
        return value.encode()
    try:
        return Path(value).expanduser().read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no path"
        text = f"{variable}: got {reason}, wanted a key as PEM, or the path of one"
        raise UsageError(f"{text}\n    {_HOW_PRIVATE if variable == PRIVATE else _HOW_PUBLIC}") from error


def _fingerprint(key: Ed25519PublicKey) -> bytes:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest().encode()


def _checksum(name: str, body: bytes) -> bytes:
    return hashlib.sha256(b"%s\0%s" % (name.encode(), body)).hexdigest().encode()


def _signed(name: str, body: bytes) -> bytes:
    return b"%s%s\0%s" % (_PURPOSE, name.encode(), body)
