"""The header of a record in a cache: its name, its integrity, and its signature where there is a key.

    etbuild <sha256> <hmac-sha256 or ->\\n<body>

Both are computed over name, NUL, body, so a record cannot be passed off as that of another action.
"""

from __future__ import annotations

import hashlib
import hmac

_MAGIC = b"etbuild"


def sign(name: str, body: bytes, secret: bytes) -> bytes:
    """The record with its header. secret: the signing key; empty for a record with a checksum only."""
    return b"%s %s %s\n%s" % (_MAGIC, _checksum(name, body), _signature(name, body, secret), body)


def verify(name: str, data: bytes, secret: bytes) -> bytes | None:
    """The body; None when it is damaged or has another name, or when there is a key and it was not signed with it."""
    header, _, body = data.partition(b"\n")
    parts = header.split(b" ")
    if len(parts) != 3 or parts[:2] != [_MAGIC, _checksum(name, body)]:
        return None
    if secret and not hmac.compare_digest(parts[2], _signature(name, body, secret)):
        return None
    return body


def _checksum(name: str, body: bytes) -> bytes:
    return hashlib.sha256(b"%s\0%s" % (name.encode(), body)).hexdigest().encode()


def _signature(name: str, body: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, b"%s\0%s" % (name.encode(), body), "sha256").hexdigest().encode() if secret else b"-"
