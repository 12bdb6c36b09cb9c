"""certificates – a CA for a test, and a certificate for loopback from it.

Raises     OSError
"""

import datetime
import ipaddress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificates(directory: Path) -> tuple[Path, Path]:
    """Write the CA's certificate, and loopback's with its key; return the two PEM files."""
    now = datetime.datetime.now(datetime.UTC)

    def issue(
        name: str, issuer: x509.Name | None, signer: Any, key: Any, *more: tuple[x509.ExtensionType, bool]
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder(
            subject_name=subject, issuer_name=issuer or subject, public_key=key.public_key(),
            serial_number=x509.random_serial_number(), not_valid_before=now - datetime.timedelta(hours=1),
            not_valid_after=now + datetime.timedelta(days=2),
        )  # fmt: skip
        for extension, critical in more:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, hashes.SHA256())

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = issue(
        "Look-alike CA",
        None,
        ca_key,
        ca_key,
        (x509.BasicConstraints(True, 0), True),
        (usage, True),
        (identifier, False),
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    leaf = issue("look-alike", ca.subject, ca_key, key, (names, False), (authority, False))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    ca_file, leaf_file = directory / "hibp-ca.pem", directory / "hibp.pem"
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    leaf_file.write_bytes(pem + leaf.public_bytes(serialization.Encoding.PEM))
    return ca_file, leaf_file
