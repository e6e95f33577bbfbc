"""
SVIDs and bundles from the SPIFFE Workload API, in place of files.

Rule: the library keeps a stream to the agent open and knows its protocol; here is only asked what
it has. An agent that cannot be reached leaves what is in force, like a file that cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitsource.errors import ConfigurationError
from gitsource.security.papers import Papers, Unusable

if TYPE_CHECKING:
    from spiffe import X509Source

PATIENCE = 15.0
"""Seconds for the first answer of the agent."""


class WorkloadApi:
    """What the agent at *address* (``unix:///path``) gives to this workload."""

    def __init__(self, address: str) -> None:
        """Raises ConfigurationError if the library is not installed."""
        try:
            import spiffe  # noqa: F401 - whether it is there is what is asked
        except ImportError as error:
            raise ConfigurationError(
                "tls.workload_api needs the library spiffe",
                hint="install gitsource[spiffe], or name files with tls.cert, tls.key and tls.ca",
            ) from error
        self._address = address
        self._source: X509Source | None = None
        self.trust_domain = ""
        """That of our own SVID, once read."""

    def __repr__(self) -> str:
        return f"<WorkloadApi {self._address}>"

    def read(self) -> Papers:
        """Return what the agent said last; raises `Unusable`. Blocks until it has said anything."""
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
        )
        from spiffe.errors import PySpiffeError

        called = f"the Workload API at {self._address} (tls.workload_api)"
        try:
            if self._source is None:
                self._source = self._opened()
            told = self._source.get_x509_context()
            svid = told.default_svid
            bundles = told.x509_bundle_set.bundles
        except (PySpiffeError, ValueError, OSError) as error:
            self.close()  # the library gives a source up after some errors
            raise Unusable(f"{called}: {str(error)[:300]}") from error
        self.trust_domain = svid.spiffe_id.trust_domain.name
        return Papers(
            b"".join(one.public_bytes(Encoding.PEM) for one in svid.cert_chain),
            svid.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            dict(sorted((one.trust_domain.name, _pem(one)) for one in bundles)),
            names={"chain": called, "key": called},
        )

    def close(self) -> None:
        """Let go of the agent."""
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _opened(self) -> X509Source:
        from spiffe import X509Source

        return X509Source(socket_path=self._address, timeout_in_seconds=PATIENCE)


def _pem(bundle: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return b"".join(sorted(one.public_bytes(Encoding.PEM) for one in bundle.x509_authorities))
