"""Certificates for tests, made with openssl."""

import subprocess
from pathlib import Path


class Authority:
    """A certificate authority with its files in one directory."""

    def __init__(self, directory: Path, name: str) -> None:
        """Make the authority's key and certificate.

        Args:
            directory: Directory for the files; created if necessary.
            name: Name of the authority, and of its files.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._name = name
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-keyout", f"{name}.key", "-out", f"{name}.pem"),
        )

    @property
    def certificate(self) -> str:
        """The authority's certificate as PEM."""
        return (self._directory / f"{self._name}.pem").read_text()

    def issue(self, name: str, alternative: str = "") -> tuple[str, str]:
        """Make a key and a certificate signed by this authority.

        Args:
            name: Common name.
            alternative: Subject alternative name, such as `IP:127.0.0.1`, or nothing.

        Returns:
            The key (PKCS#8) and the certificate, both as PEM.
        """
        extensions = self._directory / f"{name}.extensions"
        extensions.write_text(f"subjectAltName={alternative}\n" if alternative else "")
        self._openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr"),
        )
        self._openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", "-days", "2"),
            *("-CA", f"{self._name}.pem", "-CAkey", f"{self._name}.key", "-CAcreateserial"),
            *("-extfile", extensions.name),
        )
        key, certificate = self._directory / f"{name}.key", self._directory / f"{name}.pem"
        return key.read_text(), certificate.read_text()

    def _openssl(self, *arguments: str) -> None:
        result = subprocess.run(
            ["openssl", *arguments],  # noqa: S607 - the system's own
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
