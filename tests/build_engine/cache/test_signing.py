"""The header of a record: undamaged, of that name, and signed where there is a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etbuild.build_engine.cache.signing import sign, verify


@given(st.text(), st.binary(), st.binary())
def test_a_signed_record_is_verified(name: str, body: bytes, secret: bytes) -> None:
    """Any name, body and key; a reader without a key accepts every signature."""
    assert verify(name, sign(name, body, secret), secret) == body
    assert verify(name, sign(name, body, secret), b"") == body


@given(st.binary(), st.integers(min_value=0))
def test_any_changed_bit_is_detected(body: bytes, where: int) -> None:
    """In header and body alike, with a key."""
    data = bytearray(sign("name", body, b"key"))
    data[where % len(data)] ^= 1

    assert verify("name", bytes(data), b"key") is None


@pytest.mark.parametrize(
    "data",
    [
        sign("name", b"body", b""),
        sign("name", b"body", b"another key"),
        sign("another name", b"body", b"key"),
        sign("name", b"body", b"key")[:-1],
        b"",
        b"\n",
        b"etbuild - -\n",
    ],
    ids=["unsigned", "another key", "another name", "cut", "empty", "a line", "no digest"],
)
def test_with_a_key_no_other_record_is_accepted(data: bytes) -> None:
    """What a writer without the key could put there."""
    assert verify("name", data, b"key") is None
