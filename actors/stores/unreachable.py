"""Explains why a ClickHouse server could not be reached, and what to fix."""

import ssl

from actors.stores.refusal import shorten
from actors.stores.store import StoreMisconfigured
from actors.stores.url import ServerAddress


def describe_failure(error: BaseException, address: ServerAddress, *, greeted: bool) -> str:
    """Describe a failed connection in one line.

    Args:
        error: The exception.
        address: The server's address.
        greeted: Whether the server had already answered in its protocol.
    """
    where = f"{address.host}:{address.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {where} is not trusted: {error.verify_message.rstrip('.')} "
            "(ca_certs=FILE in the URL names its authority; the host must be the certificate's)"
        )
    if isinstance(error, ssl.SSLError):
        detail = str(getattr(error, "reason", None) or error.args[-1]).replace("_", " ").lower()
        return f"TLS with {where} failed: {detail} (is it the server's port for TLS?)"
    detail = shorten(str(error)) or type(error).__name__
    if greeted or isinstance(error, ConnectionRefusedError):
        return detail
    if isinstance(error, ConnectionResetError | BrokenPipeError | EOFError):
        speaks = "TLS, which clickhouses:// speaks" if not address.secure else "ClickHouse with TLS"
        return f"{detail}: {where} hung up at the greeting (does it expect {speaks}?)"
    return detail


def check_authorities(address: ServerAddress) -> None:
    """Check that the file with the trusted authorities can be used.

    Raises:
        StoreMisconfigured: It cannot be read, or contains no certificate.
    """
    if not address.secure or not address.verify or address.ca_certs is None:
        return
    try:
        ssl.create_default_context(cafile=address.ca_certs)
    except ssl.SSLError:
        raise StoreMisconfigured(f"ca_certs: no certificates in {address.ca_certs}") from None
    except OSError as error:
        raise StoreMisconfigured(f"ca_certs: {error.strerror}: {address.ca_certs}") from None
