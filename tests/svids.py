"""
Certificates of a mesh, made for a test: an authority, servers, X.509-SVIDs good and bad, and CRLs.

Ordinary ones come from trustme; what no library would make is signed here with the same key.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DOMAIN = "prod.example.org"


@dataclass(frozen=True)
class Papers:
    """A certificate chain and its key, PEM."""

    cert: bytes
    key: bytes

    def under(self, *meshes):
        """Return the same, shown with the certificates of *meshes*."""
        return Papers(b"".join((self.cert, *(one.pem for one in meshes))), self.key)

    @property
    def serial(self):
        return x509.load_pem_x509_certificate(self.cert).serial_number

    @property
    def der(self):
        return x509.load_pem_x509_certificate(self.cert).public_bytes(serialization.Encoding.DER)

    def put(self, folder, name):
        """Write both as ``name.pem`` and ``name.key``; returns their paths."""
        paths = Path(folder, f"{name}.pem"), Path(folder, f"{name}.key")
        for path, content in zip(paths, (self.cert, self.key), strict=True):
            path.write_bytes(content)
        return paths


class Mesh:
    """An authority and what it vouches for."""

    def __init__(self, ca=None):
        self.ca = ca or trustme.CA()
        self.pem = self.ca.cert_pem.bytes()
        self._key = serialization.load_pem_private_key(self.ca.private_key_pem.bytes(), None)
        self._issuer = x509.load_pem_x509_certificate(self.pem)

    @property
    def der(self):
        return self._issuer.public_bytes(serialization.Encoding.DER)

    def below(self):
        """Return the mesh of an authority that this one vouches for."""
        return Mesh(self.ca.create_child_ca())

    @property
    def papers(self):
        """What this authority shows of itself."""
        return Papers(self.pem, b"")

    def server(self, *names):
        """Return papers of a server for *names*, else for this machine."""
        made = self.ca.issue_cert(*(names or ("localhost", "127.0.0.1")))
        chain = b"".join(one.bytes() for one in made.cert_chain_pems)
        return Papers(chain, made.private_key_pem.bytes())

    def svid(
        self,
        *uris,
        dns=(),
        common="",
        days=1,
        seconds=0,
        usage=True,
        signs=True,
        authority=False,
        self_signed=False,
    ):
        """
        Return papers that name *uris*.

        With negative *days* they have run out; *usage* and *signs*: there is a key usage and it has
        digitalSignature; *authority*: it claims to be one.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        ends = now + (timedelta(seconds=seconds) if seconds else timedelta(days=days))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])
        named = [x509.UniformResourceIdentifier(uri) for uri in uris]
        named += [x509.DNSName(name) for name in dns]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if self_signed else self._issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, ends) - timedelta(days=2))
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if named:
            names = x509.SubjectAlternativeName(named)
            builder = builder.add_extension(names, critical=not common)
        if usage:
            told = x509.KeyUsage(
                digital_signature=signs,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=not signs,
                key_cert_sign=authority,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            )
            builder = builder.add_extension(told, critical=True)
        made = builder.sign(key if self_signed else self._key, hashes.SHA256())
        return Papers(
            made.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def revoking(self, *papers, days=1):
        """Return a CRL (PEM) that names *papers*; with negative *days* it has run out."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._issuer.subject)
            .last_update(now - timedelta(days=3))
            .next_update(now + timedelta(days=days))
        )
        for one in papers:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def spiffe(path="ns/shop/sa/istiod", domain=DOMAIN):
    """Return a SPIFFE ID."""
    return f"spiffe://{domain}/{path}"
