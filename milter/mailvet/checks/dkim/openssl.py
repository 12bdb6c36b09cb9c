"""openssl – public keys and their arithmetic; the only file that imports cryptography.

Raises     nothing: a key that cannot be used is a `Problem`, a signature that does not verify is False
Not here   which keys are too small or too large (checks.dkim.keys)
"""

from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mailvet.ports import PublicKey
from mailvet.values import Problem

# RFC 6376 §8.13: a large exponent makes verifying expensive, most of all with a large modulus
_LARGEST_EXPONENT: Final = 1 << 33
_LARGE_KEY_BITS: Final = 4096
_LARGEST_EXPONENT_OF_LARGE_KEY: Final = 1 << 17
# The y coordinates of the eight points of small order; 0, 1 and -1 also in their unreduced encodings. With such a
# public key, one signature fits many messages
_FIELD: Final = 2**255 - 19
_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER: Final = frozenset((0, 1, _FIELD - 1, _FIELD, _FIELD + 1, _ORDER_8, _FIELD - _ORDER_8))
_PADDING: Final = PKCS1v15()
_HASH: Final = SHA256()


class RsaKey:
    __slots__ = ("_key", "bits")

    def __init__(self, key: RSAPublicKey) -> None:
        self._key = key
        self.bits = key.key_size

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Return whether the signature fits the data: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2.2)."""
        try:
            self._key.verify(signature, data, _PADDING, _HASH)
        except InvalidSignature:
            return False
        return True


class Ed25519Key:
    __slots__ = ("_key", "bits")

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.bits = 256

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Return whether the signature fits the data: PureEdDSA over the SHA-256 of the data (RFC 8463 §3)."""
        try:
            self._key.verify(signature, sha256(data).digest())
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=1024)
def load(kind: str, data: bytes) -> PublicKey | Problem:
    """Return the key in the decoded p= of a key record with k=`kind`, or what is wrong with it. Cached by content."""
    try:
        if kind == "ed25519":
            if int.from_bytes(data, "little") % 2**255 in _SMALL_ORDER and len(data) == 32:
                return Problem("the key is not usable: a point of small order")
            return Ed25519Key(Ed25519PublicKey.from_public_bytes(data))
        key = load_der_public_key(data)  # SubjectPublicKeyInfo, or the bare RSAPublicKey of RFC 6376 §3.6.1
    except (ValueError, UnsupportedAlgorithm):
        return Problem("the key cannot be read")
    if not isinstance(key, RSAPublicKey):
        return Problem("the key is not an RSA key")
    largest = _LARGEST_EXPONENT_OF_LARGE_KEY if key.key_size > _LARGE_KEY_BITS else _LARGEST_EXPONENT
    if key.public_numbers().e > largest:
        return Problem("the exponent of the key is too large (RFC 6376 §8.13)")
    return RsaKey(key)
