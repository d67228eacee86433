"""Brokers' addresses and clients' options as an operator writes them."""

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

_OPTION: Final = re.compile(r"\s*([a-z][a-z0-9_.]*)\s*=(.*)", re.DOTALL)
_BETWEEN_OPTIONS: Final = re.compile(r",(?=\s*[a-z][a-z0-9_.]*\s*=)")
"""A comma before a name; other commas belong to a value."""


class KafkaAddress(NamedTuple):
    """Where the brokers are.

    Attributes:
        servers: As librdkafka expects them: `host:port,…`.
        tls: Whether the URL asks for TLS. Then it is of Heroku's form: Heroku's brokers have
            certificates of their own authority, without their host names.
    """

    servers: str
    tls: bool = False


def parse_kafka_url(text: str) -> KafkaAddress:
    """Read `kafka://host:port,…`, or `kafka+ssl://host:port,kafka+ssl://…` as Heroku gives it.

    Raises:
        ValueError: It is of neither form.
    """
    schemes: set[str] = set()
    servers: list[str] = []
    for item in text.split(","):
        scheme, separator, server = item.strip().rpartition("://")
        if scheme or not schemes:
            schemes.add(scheme)
        if separator and not scheme:
            raise ValueError("a URL without a scheme")
        servers.append(server.removesuffix("/"))
    if schemes not in ({"kafka"}, {"kafka+ssl"}):
        raise ValueError("neither form")
    return KafkaAddress(parse_brokers(",".join(servers)), schemes == {"kafka+ssl"})


def parse_brokers(text: str) -> str:
    """Check `host:port,…`.

    Returns:
        The list without blanks.

    Raises:
        ValueError: An address is none.
    """
    servers = [server.strip() for server in text.split(",")]
    for server in servers:
        parts = urlsplit(f"//{server}")
        # Reading an invalid port raises ValueError.
        usable = bool(parts.hostname) and parts.netloc == server and parts.port != 0
        if not usable or re.search(r"[\s@]", server):
            raise ValueError("not an address of a broker")
    return ",".join(servers)


def parse_options(text: str) -> dict[str, str]:
    """Read `name=value,…`.

    Raises:
        ValueError: It is not of that form, or a name occurs twice.
    """
    options: dict[str, str] = {}
    for item in _BETWEEN_OPTIONS.split(text):
        found = _OPTION.fullmatch(item)
        if found is None or found[1] in options:
            raise ValueError("not name=value")
        options[found[1]] = found[2].strip()
    return options
