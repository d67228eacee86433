"""`CLICKHOUSE_URL`: which store, and where. Messages never show the URL: it may hold a password."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from actors.stores.store import StoreMisconfigured

DEFAULT_DATABASE = "default"
DEFAULT_PORT, DEFAULT_TLS_PORT = 9000, 9440

_EXAMPLES = "chdb://PATH or clickhouse://user:password@host:9000/database"
_BOOLEANS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class EmbeddedAddress:
    """A directory in which chDB keeps its files.

    Attributes:
        path: Absolute, or relative to the working directory.
        database: The database with the tables.
    """

    path: Path
    database: str = DEFAULT_DATABASE


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A ClickHouse server that speaks the native protocol.

    Attributes:
        host: Name or address.
        port: TCP port.
        user: Name of the ClickHouse user.
        password: Theirs.
        database: The database with the tables.
        secure: Whether to use TLS.
        verify: Whether to check the server's certificate.
        ca_certs: A file with the authorities to trust; None for the system's.
        query_user: Name of the ClickHouse user that queries run as; empty for `user`.
        query_password: Theirs.
    """

    host: str
    port: int = DEFAULT_PORT
    user: str = "default"
    password: str = field(default="", repr=False)
    database: str = DEFAULT_DATABASE
    secure: bool = False
    verify: bool = True
    ca_certs: str | None = None
    query_user: str = ""
    query_password: str = field(default="", repr=False)

    @property
    def for_queries(self) -> "ServerAddress":
        """The same server, as the user that queries run as."""
        if not self.query_user:
            return self
        return replace(self, user=self.query_user, password=self.query_password)


def parse_url(url: str) -> EmbeddedAddress | ServerAddress:
    """Read the address of a store.

    Embedded: `chdb://var/chdb`, `chdb:///srv/chdb`, optionally `?database=NAME`.
    Server: `clickhouse://` or, with TLS, `clickhouses://`; optional parameters `secure`, `verify`
    (both true or false), `ca_certs` (a file), `query_user` and `query_password`. Every part
    may be percent-encoded.

    Raises:
        StoreMisconfigured: Says which part is wrong.
    """
    scheme, separator, rest = url.strip().partition("://")
    if not separator:
        raise StoreMisconfigured(f"the store's URL has no scheme: expected {_EXAMPLES}")
    match scheme.lower():
        case "chdb":
            return _parse_embedded(rest)
        case "clickhouse" | "clickhouses":
            return _parse_server(url.strip(), secure=scheme.lower() == "clickhouses")
        case _:
            raise StoreMisconfigured(f"the store's URL has an unknown scheme: expected {_EXAMPLES}")


def _parse_embedded(rest: str) -> EmbeddedAddress:
    encoded, _, query = rest.partition("?")
    path = unquote(encoded)
    if not path:
        raise StoreMisconfigured("the store's URL names no directory: expected chdb://PATH")
    # chDB reads these in a path as its own options.
    if "?" in path or path.startswith((":", "file:")) or "\0" in path:
        raise StoreMisconfigured("the store's directory has a character that chDB cannot take")
    parameters = _parameters(query, {"database"})
    return EmbeddedAddress(Path(path), parameters.get("database") or DEFAULT_DATABASE)


def _parse_server(url: str, *, secure: bool) -> ServerAddress:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise StoreMisconfigured("the store's URL has a malformed host") from None
    if not parts.hostname:
        raise StoreMisconfigured(f"the store's URL names no host: expected {_EXAMPLES}")
    if parts.fragment or "#" in url:
        raise StoreMisconfigured("the store's URL has a '#': write it as %23")
    database = unquote(parts.path.removeprefix("/"))
    if "/" in parts.path.removeprefix("/"):
        raise StoreMisconfigured("the store's URL names more than a database after the host")
    parameters = _parameters(
        parts.query, {"secure", "verify", "ca_certs", "query_user", "query_password"}
    )
    if "query_password" in parameters and not parameters.get("query_user"):
        raise StoreMisconfigured("the store's URL has a query_password without a query_user")
    secure = _boolean(parameters, "secure", default=secure)
    return ServerAddress(
        host=unquote(parts.hostname),
        port=_port(parts) or (DEFAULT_TLS_PORT if secure else DEFAULT_PORT),
        user=unquote(parts.username or "") or "default",
        password=unquote(parts.password or ""),
        database=database or DEFAULT_DATABASE,
        secure=secure,
        verify=_boolean(parameters, "verify", default=True),
        ca_certs=parameters.get("ca_certs") or None,
        query_user=parameters.get("query_user", ""),
        query_password=parameters.get("query_password", ""),
    )


def _port(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        # A password with a bare '/' or '@' ends up here as well.
        raise StoreMisconfigured(
            "the port in the store's URL is not a number from 1 to 65535; "
            "special characters in the password must be percent-encoded"
        )
    return port


def _parameters(query: str, known: set[str]) -> Mapping[str, str]:
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := sorted(set(parameters) - known):
        raise StoreMisconfigured(
            f"the store's URL has an unknown parameter {unknown[0]!r}: "
            f"expected {', '.join(sorted(known))}"
        )
    return parameters


def _boolean(parameters: Mapping[str, str], name: str, *, default: bool) -> bool:
    if name not in parameters:
        return default
    value = _BOOLEANS.get(parameters[name].lower())
    if value is None:
        raise StoreMisconfigured(f"{name} in the store's URL must be true or false")
    return value
