"""Keys for the connections between scheduler, workers and driver.

Dask's TLS is mutual: each side shows a certificate, and the other believes it where the same authority has signed it.
So an authority of one's own decides who belongs to a cluster, and its private key is what must not get out.
"""

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from distributed import Security

from cluster.errors import TlsError

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as error:  # an optional extra
    _MISSING: ImportError | None = error
else:
    _MISSING = None

ROLES = ("scheduler", "worker", "client")
#: Clocks of machines differ; a certificate is good a little before it was made.
_EARLIER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFolder:
    """A folder with an authority's certificate and a key pair for each role.

    Attributes
    ----------
    path
        The folder.
    """

    path: Path

    @property
    def authority(self) -> Path:
        """The certificate that all others are checked against."""
        return self.path / "ca.pem"

    @property
    def authority_key(self) -> Path:
        """The key that signs; not there where the folder is for one run."""
        return self.path / "ca-key.pem"

    def certificate(self, role: str) -> Path:
        """A role's certificate."""
        return self.path / f"{role}.pem"

    def key(self, role: str) -> Path:
        """A role's private key."""
        return self.path / f"{role}-key.pem"

    def files(self) -> list[Path]:
        """All that a cluster needs: no authority's key."""
        pairs = [(self.certificate(role), self.key(role)) for role in ROLES]
        return [self.authority, *(path for pair in pairs for path in pair)]

    def security(self) -> Security:
        """What a client needs.

        Raises
        ------
        TlsError
            If a file is missing, or readable by others, or has expired.
        """
        self.require()
        roles: dict[str, str] = {}
        for role in ROLES:
            roles[f"tls_{role}_cert"], roles[f"tls_{role}_key"] = str(self.certificate(role)), str(self.key(role))
        return Security(tls_ca_file=str(self.authority), require_encryption=True, **roles)

    def environment(self) -> dict[str, str]:
        """Variables that make a Dask process take the keys, and refuse whatever comes without."""
        variables = {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(self.authority)}
        for role in ROLES:
            name = f"DASK_DISTRIBUTED__COMM__TLS__{role.upper()}"
            variables[f"{name}__CERT"] = str(self.certificate(role))
            variables[f"{name}__KEY"] = str(self.key(role))
        return {**variables, "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true"}

    def require(self) -> None:
        """Nothing where all is there, private and in date.

        Raises
        ------
        TlsError
            Where it is not.
        """
        for path in self.files():
            if not path.is_file():
                raise TlsError(str(path), "there is no such file; make the folder with `textmill cluster init-tls`")
            if path.name.endswith("-key.pem") and _is_open(path):
                raise TlsError(str(path), f"others can read this key; run: chmod 600 {path}")
        until = self.expires_at()
        if until < datetime.now(UTC):
            raise TlsError(str(self.path), f"a certificate expired on {until:%Y-%m-%d}; {RENEW}")

    def expires_at(self) -> datetime:
        """When the first of its certificates expires."""
        _require_library()
        paths = [self.authority, *(self.certificate(role) for role in ROLES)]
        return min(x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc for path in paths)


RENEW = "make new ones with `textmill cluster init-tls --force`, and give them to all machines"


def _is_open(key: Path) -> bool:
    """Whether others can read it. One that someone else gave us may be ours by its group, as in a Kubernetes pod."""
    found = key.stat()
    return bool(found.st_mode & (0o077 if found.st_uid == os.geteuid() else 0o007))


def _require_library() -> None:
    if _MISSING is not None:
        raise TlsError("", "TLS keys need the package cryptography: pip install 'textmill[tls]'") from _MISSING


def init_tls(
    folder: Path, *, days: int, hosts: Iterable[str] = (), force: bool = False, keep_key: bool = True
) -> TlsFolder:
    """The folder, with a new authority and a key pair for each role; keys are for their owner's eyes alone.

    Parameters
    ----------
    folder
        Where; made where missing.
    days
        How long the certificates are good.
    hosts
        Names and addresses that stand in the certificates, for tools that look at them; Dask does not.
    force
        Write over keys that are there.
    keep_key
        Whether the authority's own key is written, so that it can sign more.

    Raises
    ------
    TlsError
        If there are keys already, or cryptography is not installed.
    """
    _require_library()
    made = TlsFolder(path=folder)
    if made.authority.exists() and not force:
        raise TlsError(str(folder), "there are keys already; --force writes new ones over them")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    until = datetime.now(UTC) + timedelta(days=days)
    names = sorted({"localhost", socket.gethostname(), *hosts})
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(authority_key, until)
    _write(made.authority, authority.public_bytes(serialization.Encoding.PEM), 0o644)
    if keep_key:
        _write(made.authority_key, _pem(authority_key), 0o600)
    for role in ROLES:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(role, key, authority_key, names, until)
        _write(made.key(role), _pem(key), 0o600)
        _write(made.certificate(role), certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return made


def _write(path: Path, content: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)
    # Never readable for others, not even for a moment.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(handle, "wb") as file:
        file.write(content)


def _pem(key: Any) -> bytes:
    return bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _name(common: str) -> Any:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "textmill"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _builder(common: str, issuer: str, key: Any, until: datetime) -> Any:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - _EARLIER)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs: bool) -> Any:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(key: Any, until: datetime) -> Any:
    builder = _builder("authority", "authority", key, until)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.add_extension(_usage(signs=True), critical=True).sign(key, hashes.SHA256())


def _certificate(role: str, key: Any, authority_key: Any, names: list[str], until: datetime) -> Any:
    public = authority_key.public_key()
    builder = (
        _builder(role, "authority", key, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        # Each of them calls and is called.
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    )
    return builder.sign(authority_key, hashes.SHA256())
