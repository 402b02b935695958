"""Key pairs for signed records of a remote cache, as PEM. They protect nothing: each follows from a small number."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


@dataclass(frozen=True)
class Pair:
    """An Ed25519 key pair as text."""

    private: str
    public: str

    @classmethod
    def of(cls, number: int) -> Pair:
        key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        return cls(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        )
