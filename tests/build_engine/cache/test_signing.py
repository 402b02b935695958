"""The header of a record: undamaged, of that name, and signed with the private key of a pair."""

import hashlib
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from key_pairs import Pair

from etbuild.build_engine.cache.signing import NO_MARK, Keys, seal, unseal
from etbuild.errors import MissingTool, UsageError
from etbuild.system.environment import CacheSettings

PAIR, OTHER = Pair.of(1), Pair.of(2)
WRITER, READER = Keys(PAIR.private), Keys(public=PAIR.public)
SIGNED = WRITER.sign("name", b"body")


@given(st.text(), st.binary())
def test_a_signed_record_is_verified(name: str, body: bytes) -> None:
    """Any name and body; by those with the public key, by the writer, and by who reads whatever there is."""
    record = WRITER.sign(name, body)

    assert [keys.verify(name, record) for keys in (READER, WRITER, Keys(unsigned=True))] == [body] * 3


@given(st.binary(), st.integers(min_value=0))
def test_any_changed_bit_is_detected(body: bytes, where: int) -> None:
    """In header and body alike."""
    data = bytearray(WRITER.sign("name", body))
    data[where % len(data)] ^= 1

    assert READER.verify("name", bytes(data)) is None


@pytest.mark.parametrize(
    "data",
    [
        seal("name", b"body"),
        Keys(OTHER.private).sign("name", b"body"),
        WRITER.sign("another name", b"body"),
        seal("another name", *(unseal("name", SIGNED) or ())),
        seal("name", b"another body", (unseal("name", SIGNED) or (b"", b""))[1]),
        SIGNED[:-1],
        seal("name", b"body", READER.origin),
        seal("name", b"body", b"unsigned"),
        b"",
        b"\n",
        b"etbuild - -\n",
    ],
    ids=[
        *("unsigned", "another key", "another name", "renamed", "another body", "cut", "fingerprint", "a word"),
        *("empty", "a line", "no digest"),
    ],
)
def test_a_reader_accepts_no_other_record(data: bytes) -> None:
    """What a writer without the private key could put there."""
    assert READER.verify("name", data) is None


def test_without_any_key_nothing_of_a_remote_is_accepted() -> None:
    """Neither signed nor unsigned records, unless that is asked for."""
    assert Keys().verify("name", SIGNED) is None
    assert Keys().verify("name", seal("name", b"body")) is None
    assert Keys(unsigned=True).verify("name", seal("name", b"body")) == b"body"


@pytest.mark.parametrize(
    ("mark", "accepted_by"),
    [
        (NO_MARK, ["none", "reader", "other", "unsigned"]),
        (READER.origin, ["reader"]),
        (b"unsigned", ["unsigned"]),
    ],
    ids=["built here", "verified", "unsigned"],
)
def test_the_local_store_keeps_where_a_record_came_from(mark: bytes, accepted_by: list[str]) -> None:
    """Another key, or no longer reading unsigned records, holds for what was copied from a remote before as well."""
    readers = {
        "none": Keys(),
        "reader": READER,
        "other": Keys(public=OTHER.public),
        "unsigned": Keys(unsigned=True),
    }
    record = seal("name", b"body", mark)

    assert [name for name, keys in readers.items() if keys.verify_local("name", record) == b"body"] == accepted_by


def test_a_record_is_a_header_and_its_body() -> None:
    """Other programs can read it; the checksum is over name and body."""
    checksum = hashlib.sha256(b"name\0body\n").hexdigest()
    record = seal("name", b"body\n", b"mark")

    assert record == f"etbuild {checksum} mark\nbody\n".encode()
    assert seal("name", b"") == f"etbuild {hashlib.sha256(b'name' + bytes(1)).hexdigest()} -\n".encode()
    assert unseal("name", record) == (b"body\n", b"mark")
    for damaged in (record[1:], record.replace(b" mark", b" mark mark"), record.replace(b" mark", b"")):
        assert unseal("name", damaged) is None


def test_only_exact_base64_is_a_signature() -> None:
    """A mark with characters between is another record, which nobody has signed."""
    _, mark = unseal("name", SIGNED) or (b"", b"")

    assert READER.verify("name", seal("name", b"body", mark)) == b"body"
    assert READER.verify("name", seal("name", b"body", mark[:8] + b"!" + mark[8:])) is None


def test_the_origin_of_what_was_verified_is_the_fingerprint_of_the_public_key() -> None:
    """Of the pair for who signs; a word for who reads whatever there is."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32).public_key()
    fingerprint = hashlib.sha256(key.public_bytes_raw()).hexdigest().encode()
    both = Keys(PAIR.private, PAIR.public)

    assert [keys.origin for keys in (WRITER, READER, both)] == [fingerprint] * 3
    assert [Keys(PAIR.private, unsigned=True).origin, Keys().origin] == [b"unsigned", b"-"]


def test_who_cannot_sign_writes_nothing_where_records_are_signed() -> None:
    """Nobody could accept it. Who reads unsigned records signs none."""
    assert [keys.may_write for keys in (WRITER, READER, Keys(), Keys(unsigned=True))] == [True, False, False, True]
    assert Keys(unsigned=True).sign("name", b"body") == seal("name", b"body")


def test_with_a_remote_a_wrong_key_is_found_at_once() -> None:
    """Without one no key is looked at, nor the package that would."""
    right = CacheSettings(Path("cache"), "s3://a", False, PAIR.private, PAIR.public, False)
    unsigned = CacheSettings(Path("cache"), "s3://a", False, "", "", True)

    assert Keys.of(right) == Keys(PAIR.private, PAIR.public) and Keys.of(unsigned) == Keys(unsigned=True)
    wrong = right._replace(public_key=PAIR.private)
    assert Keys.of(wrong._replace(remote=None)) == Keys(PAIR.private, PAIR.private)
    with pytest.raises(UsageError):
        Keys.of(wrong)


def test_a_key_may_be_the_path_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the home folder as well; text may begin with blank lines."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text(PAIR.private)

    for key in ("~/key", str(tmp_path / "key"), f"\n {PAIR.private}"):
        assert Keys(key).sign("name", b"body") == SIGNED


KEY_OF_ANOTHER_KIND = x25519.X25519PrivateKey.generate()
ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIG\n-----END ENCRYPTED PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            Keys(public="/nonexistent/key"),
            "ETBUILD_REMOTE_CACHE_PUBLIC_KEY: got No such file or directory, wanted a key as PEM, or the path of one\n"
            "    openssl pkey -in cache.key -pubout -out cache.pub writes the public key of cache.key",
        ),
        (
            Keys("no\0path"),
            "ETBUILD_REMOTE_CACHE_PRIVATE_KEY: got no path, wanted a key as PEM, or the path of one\n"
            "    openssl genpkey -algorithm ed25519 -out cache.key writes a private key",
        ),
        *(
            (
                Keys(private),
                "ETBUILD_REMOTE_CACHE_PRIVATE_KEY: got something else, "
                "wanted an unencrypted Ed25519 private key as PEM, or the path of one\n"
                "    openssl genpkey -algorithm ed25519 -out cache.key writes a private key",
            )
            for private in (
                PAIR.public,
                ENCRYPTED,
                "-----BEGIN",
                KEY_OF_ANOTHER_KIND.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            )
        ),
        *(
            (
                Keys(public=public),
                "ETBUILD_REMOTE_CACHE_PUBLIC_KEY: got something else, "
                "wanted an unencrypted Ed25519 public key as PEM, or the path of one\n"
                "    openssl pkey -in cache.key -pubout -out cache.pub writes the public key of cache.key",
            )
            for public in (
                PAIR.private,
                KEY_OF_ANOTHER_KIND.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
            )
        ),
        (
            Keys(PAIR.private, OTHER.public),
            "ETBUILD_REMOTE_CACHE_PUBLIC_KEY: got a key of another pair, "
            "wanted the public key of ETBUILD_REMOTE_CACHE_PRIVATE_KEY\n"
            "    openssl pkey -in cache.key -pubout -out cache.pub writes the public key of cache.key",
        ),
    ],
)
def test_a_key_that_is_none_is_a_usage_error(keys: Keys, message: str) -> None:
    """With the command that makes one, and never with the key itself."""
    with pytest.raises(UsageError) as error:
        keys.verify("name", SIGNED)

    assert str(error.value) == message


def test_without_the_package_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes with the extra `remote`."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.serialization", None)

    message = (
        "^ETBUILD_REMOTE_CACHE_PUBLIC_KEY: got import of cryptography.hazmat.primitives.serialization halted; "
        r"None in sys\.modules, wanted the package cryptography\n    pip install 'etbuild\[remote\]'$"
    )
    with pytest.raises(MissingTool, match=message):
        Keys(public=PAIR.public).verify("name", SIGNED)
    with pytest.raises(MissingTool, match=message):
        Keys(PAIR.private).sign("name", b"body")


def test_the_signature_is_ed25519_over_purpose_name_and_body() -> None:
    """Written down here, so that other programs can check it."""
    found = unseal("name", SIGNED)
    assert found is not None

    import base64

    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32).public_key()
    key.verify(base64.b64decode(found[1]), b"etbuild cache record\0name\0body")
