"""A record's bytes as they lie in a cache: what it is the record of, whole, and signed where there is a key.

    etbuild <sha256> <hmac-sha256 or ->\\n<body>

Both are over name, NUL, body: a record cannot be passed off as that of another action.
"""

from __future__ import annotations

import hashlib
import hmac

_WORD = b"etbuild"


def seal(name: str, body: bytes, secret: bytes) -> bytes:
    """secret: the signing key; empty for a record that only says that it is whole."""
    return b"%s %s %s\n%s" % (_WORD, _digest(name, body), _signature(name, body, secret), body)


def unseal(name: str, data: bytes, secret: bytes) -> bytes | None:
    """The body; None when it is damaged or another's, or when there is a key and it was not signed with it."""
    head, _, body = data.partition(b"\n")
    words = head.split(b" ")
    if len(words) != 3 or words[:2] != [_WORD, _digest(name, body)]:
        return None
    if secret and not hmac.compare_digest(words[2], _signature(name, body, secret)):
        return None
    return body


def _digest(name: str, body: bytes) -> bytes:
    return hashlib.sha256(b"%s\0%s" % (name.encode(), body)).hexdigest().encode()


def _signature(name: str, body: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, b"%s\0%s" % (name.encode(), body), "sha256").hexdigest().encode() if secret else b"-"
