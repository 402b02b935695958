"""A record's bytes: whole, of that name, and signed where there is a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etbuild.build_engine.cache.signing import seal, unseal


@given(st.text(), st.binary(), st.binary())
def test_what_was_sealed_is_unsealed(name: str, body: bytes, secret: bytes) -> None:
    """Any name, body and key; without a key a signature is no obstacle."""
    assert unseal(name, seal(name, body, secret), secret) == body
    assert unseal(name, seal(name, body, secret), b"") == body


@given(st.binary(), st.integers(min_value=0))
def test_no_changed_byte_goes_unseen(body: bytes, where: int) -> None:
    """Of head and body alike, with a key."""
    data = bytearray(seal("name", body, b"key"))
    data[where % len(data)] ^= 1

    assert unseal("name", bytes(data), b"key") is None


@pytest.mark.parametrize(
    "data",
    [
        seal("name", b"body", b""),
        seal("name", b"body", b"another key"),
        seal("another name", b"body", b"key"),
        seal("name", b"body", b"key")[:-1],
        b"",
        b"\n",
        b"etbuild - -\n",
    ],
    ids=["unsigned", "another key", "another name", "cut", "empty", "a line", "no digest"],
)
def test_with_a_key_nothing_else_is_taken(data: bytes) -> None:
    """What a writer without the key could put there."""
    assert unseal("name", data, b"key") is None
