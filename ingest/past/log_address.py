"""Addresses and hosts in logs: validation, and the choice of the visitor's address."""

import ipaddress
import re
from dataclasses import replace
from functools import lru_cache
from typing import Final

from ingest.past.past_event import BrokenLineError
from ingest.request.client_address import TrustedProxies, resolve_client_ip

NOTHING: Final = frozenset({"", "-"})
"""Values that logs write for an empty field."""

UNIX_SOCKET: Final = "unix:"
"""The value that nginx writes for a peer without an address."""

LOCALHOST: Final = "localhost"
"""The only name of a visitor's host that has no dot."""

_ADDRESSES: Final = 4096
"""Size of the caches. The lines of a session have the same address."""
_NAME: Final = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63})*\.?")
_PORT: Final = re.compile(r":[0-9]{1,5}\Z")
_UNNAMED: Final = frozenset({"", "-", "_", "*"})
"""Values without a host; `_` is the usual name of nginx's default server."""
_UNTOLD: Final = frozenset({"", "-", "unknown"})
"""Elements without an address in a list of addresses (RFC 7239 §6.2 has `unknown`)."""
_LONGEST: Final = 253
"""Maximum number of characters in a host's name (RFC 1035 §2.3.4)."""


@lru_cache(maxsize=_ADDRESSES)
def is_address(text: str) -> bool:
    """Whether a text is an IPv4 or IPv6 address and nothing else."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=_ADDRESSES)
def without_port(text: str) -> str:
    """Return a host or an address without port and brackets."""
    if text.startswith("["):
        inside, bracket, port = text[1:].partition("]")
        return inside if bracket and (not port or _PORT.fullmatch(port)) else text
    # A text with several colons is an IPv6 address, which has no port without brackets.
    return _PORT.sub("", text) if text.count(":") == 1 else text


@lru_cache(maxsize=_ADDRESSES)
def is_visitor(text: str) -> bool:
    """Whether a text is an address, a list of them, or the name of a visitor's host.

    A name has a dot and does not end with a number, unlike the words in a log's prefix.
    """
    if addresses_in(text):
        return True
    name = without_port(text).lower()
    return name in (UNIX_SOCKET, LOCALHOST) or (_is_name(name) and _has_domain(name))


def addresses_in(text: str) -> list[str]:
    """Parse a list of addresses with commas, as in `X-Forwarded-For`.

    Returns:
        The addresses, with ports; empty if there are none or if an element is not an address.
    """
    found: list[str] = []
    for element in text.split(","):
        word = element.strip()
        if is_address(without_port(word)):
            found.append(word)
        elif word.lower() not in _UNTOLD:
            return []
    return found


def is_forwarded(text: str) -> bool:
    """Whether an additional field of a line is `X-Forwarded-For`.

    An address with a port is not: it is the upstream server's.
    """
    found = addresses_in(text)
    return bool(found) and all(map(is_address, found))


def host_of(text: str) -> str:
    """Return a request's host with its port; empty if the log has none.

    Raises:
        BrokenLineError: The text is not a host.
    """
    if text in _UNNAMED:
        return ""
    if not _is_host(text):
        raise BrokenLineError("has a host that is neither a name nor an address")
    return text


@lru_cache(maxsize=_ADDRESSES)
def is_virtual_host(text: str) -> bool:
    """Whether a word before the visitor's address is the request's host.

    A host has a port, or it has a dot and is not an address.
    """
    if text in _UNNAMED or text == LOCALHOST:
        return True
    if not _is_host(text):
        return False
    bare = without_port(text)
    return bare != text or (_has_domain(bare) and not is_address(bare))


@lru_cache(maxsize=_ADDRESSES)
def _is_host(text: str) -> bool:
    bare = without_port(text)
    return is_address(bare) or _is_name(bare)


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST and _NAME.fullmatch(text) is not None


def _has_domain(name: str) -> bool:
    label = name.rstrip(".").rpartition(".")
    return bool(label[1]) and not label[2].isdecimal()


class Visitors:
    """Finds the visitor's address in a log's field for the peer's address."""

    def __init__(self, proxies: TrustedProxies) -> None:
        """Create the finder for an import.

        Args:
            proxies: Proxies whose forwarding headers are trusted.
        """
        # Trust a list in this field, because the log does not have the peer that sent it.
        self._vouched = replace(proxies, everyone=True)

    def peer_and_client(self, text: str) -> tuple[str, str | None]:
        """Return the peer, and the visitor if the field is a list; otherwise None.

        Raises:
            BrokenLineError: The text is not an address, a list of addresses, or a host's name.
        """
        if is_address(text):
            return text, None
        if text in NOTHING:
            raise BrokenLineError("has no address of the client")
        if not is_visitor(text):
            raise BrokenLineError("has neither an address nor a host's name for the client")
        if "," not in text:
            return without_port(text), None
        listed = {"x-forwarded-for": ",".join(addresses_in(text))}
        return "", resolve_client_ip(listed, "", self._vouched).ip
