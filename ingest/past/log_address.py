"""Addresses and hosts in logs: validation, and the choice of the visitor's address."""

import ipaddress
import re
from dataclasses import replace
from functools import lru_cache
from typing import Final

from ingest.past.past_event import BrokenLineError
from ingest.request.client_address import TrustedProxies, resolve_client_ip

NOTHING: Final = frozenset({"", "-"})
"""How logs say that a field has no value."""

UNIX_SOCKET: Final = "unix:"
"""What nginx writes for a peer without an address."""

LOCALHOST: Final = "localhost"
"""The one name of a visitor's host that has no dot."""

_ADDRESSES: Final = 4096
"""Texts remembered: the lines of a visit have the same address."""
_NAME: Final = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63})*\.?")
_PORT: Final = re.compile(r":[0-9]{1,5}\Z")
_UNNAMED: Final = frozenset({"", "-", "_", "*"})
"""Hosts that say nothing: `_` is the usual name of nginx' default server."""
_UNTOLD: Final = frozenset({"", "-", "unknown"})
"""Elements of a list of addresses that say nothing (RFC 7239 §6.2 has `unknown`)."""
_LONGEST: Final = 253
"""Characters of a host's name (RFC 1035 §2.3.4)."""


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
    """A host or an address without port and brackets."""
    if text.startswith("["):
        inside, bracket, port = text[1:].partition("]")
        return inside if bracket and (not port or _PORT.fullmatch(port)) else text
    # What has several colons is an IPv6 address; without brackets it has no port.
    return _PORT.sub("", text) if text.count(":") == 1 else text


@lru_cache(maxsize=_ADDRESSES)
def is_visitor(text: str) -> bool:
    """Whether a text is an address, a list of them, or the name of a visitor's host.

    A name has a dot and no number at its end: a word, as a log's prefix has, is none.
    """
    if addresses_in(text):
        return True
    name = without_port(text).lower()
    return name in (UNIX_SOCKET, LOCALHOST) or (_is_name(name) and _has_domain(name))


def addresses_in(text: str) -> list[str]:
    """The addresses in a list with commas, as proxies forward them; ports are kept.

    Returns:
        Empty when there are none, or when an element is something else.
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
    """Whether a text that nobody explains is `X-Forwarded-For`.

    One with a port is the address of a server that the request was passed on to.
    """
    found = addresses_in(text)
    return bool(found) and all(map(is_address, found))


def host_of(text: str) -> str:
    """The host that a request was for, with its port; empty when the log says nothing.

    Raises:
        BrokenLineError: It is no host.
    """
    if text in _UNNAMED:
        return ""
    if not _is_host(text):
        raise BrokenLineError("has a host that is neither a name nor an address")
    return text


@lru_cache(maxsize=_ADDRESSES)
def is_virtual_host(text: str) -> bool:
    """Whether a word before the visitor's address is the host that the request was for.

    Without a port it has a dot and is no address: other words are something else.
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
    """Tells the visitor's address from what a log has in the place of the peer's."""

    def __init__(self, proxies: TrustedProxies) -> None:
        """Read for an import.

        Args:
            proxies: Proxies whose forwarding headers are trusted.
        """
        # Who logs a list in this place vouches for it: the peer that brought it is not told.
        self._vouched = replace(proxies, everyone=True)

    def peer_and_client(self, text: str) -> tuple[str, str | None]:
        """The peer, and the visitor where a list says who that is.

        Raises:
            BrokenLineError: The text is no address, no list of them, and no name of a host.
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
