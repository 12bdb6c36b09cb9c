"""Public keys of any bytes, and signatures of any bytes: an answer, never an exception."""

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given, settings, strategies as st

from lab.sealer import Sealer
from mailvet.checks.dkim.openssl import load
from mailvet.values import Problem

RSA, ED25519 = Sealer("a.example"), Sealer("a.example", kind="ed25519")


def octets(by: Sealer) -> bytes:
    return b64decode(by.record.partition(b"p=")[2])


@pytest.mark.parametrize(("by", "kind"), [(RSA, "rsa"), (ED25519, "ed25519")])
def test_a_signature_verifies_for_its_data_alone(by: Sealer, kind: str) -> None:
    key = load(kind, octets(by))
    assert not isinstance(key, Problem)
    signature = b64decode(by.sign(b"data"))
    assert key.verify(signature, b"data")
    assert not key.verify(signature, b"other data")
    assert not key.verify(signature[:-1], b"data")
    assert not key.verify(b"", b"data")


P = 2**255 - 19
ORDER_8 = int("7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7", 16)


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", [0, 1, P - 1, P, P + 1, ORDER_8, P - ORDER_8])
def test_a_point_of_small_order_is_no_key(y: int, sign: int) -> None:
    """RFC 8032 §5.1.3: y, and the sign of x in the last bit. With such a key one signature fits many messages."""
    assert load("ed25519", (y | sign << 255).to_bytes(32, "little")) == Problem(
        "the key is not usable: a point of small order"
    )


def test_a_key_is_read_once() -> None:
    assert load("rsa", octets(RSA)) is load("rsa", octets(RSA))


@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from(["rsa", "ed25519"]), st.binary(max_size=300))
@example(b"\0" * 32, "ed25519", b"\0" * 64)  # a point of small order
@example(b"\xff" * 32, "ed25519", b"\xff" * 64)  # no point at all
def test_any_key_and_any_signature_get_an_answer(data: bytes, kind: str, signature: bytes) -> None:
    key = load(kind, data)
    assert isinstance(key, Problem) or key.verify(signature, b"data") in (True, False)


@settings(max_examples=300)
@given(st.integers(0, 161), st.integers(0, 255), st.binary(min_size=128, max_size=128))
def test_a_damaged_rsa_key_gets_an_answer(at: int, octet: int, signature: bytes) -> None:
    data = bytearray(octets(RSA))
    data[at] = octet
    key = load("rsa", bytes(data))
    assert isinstance(key, Problem) or key.verify(signature, b"data") in (True, False)


@pytest.mark.parametrize("modulus", [3, 1 << 1023, (1 << 1024) - 1, (1 << 1024) - 2, 9**323])
@pytest.mark.parametrize("exponent", [1, 2, 3, 65536, 1 << 33])
def test_odd_rsa_numbers_get_an_answer(modulus: int, exponent: int) -> None:
    length = (modulus.bit_length() + 7) // 8
    der = sequence(integer(modulus) + integer(exponent))
    key = load("rsa", der)
    for signature in (bytes(length), b"\0" * (length - 1) + b"\1", b"\xff" * length):
        assert isinstance(key, Problem) or not key.verify(signature, b"data")


def test_the_bare_key_is_read_like_the_wrapped_one() -> None:
    bare = RSAPublicNumbers(65537, (1 << 1023) + 1155).public_key()
    for form in (PublicFormat.PKCS1, PublicFormat.SubjectPublicKeyInfo):
        key = load("rsa", bare.public_bytes(Encoding.DER, form))
        assert not isinstance(key, Problem)
        assert key.bits == 1024


def integer(value: int) -> bytes:
    octets = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return b"\x02" + der_length(octets)


def sequence(content: bytes) -> bytes:
    return b"\x30" + der_length(content)


def der_length(content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets + content
