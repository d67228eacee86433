"""Describes an address by its network and kind, never by the address itself."""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from ingest.model.network import shown_network
from ingest.request.client_address import (
    ADDRESS_HEADERS,
    IP_TYPE_HEADER,
    ClientAddress,
    IPAddress,
    TrustedProxies,
    is_private,
)

_KINDS: Final = (
    ("unspecified", "is_unspecified"),
    ("loopback", "is_loopback"),
    ("link-local", "is_link_local"),
    ("multicast", "is_multicast"),
)
"""Kinds of addresses, by property of `ipaddress`."""


def describe_address(text: str) -> dict[str, Any]:
    """Kind, version of IP and network of an address.

    Args:
        text: From a header or a connection. Other text is reported as `invalid`, without its
            content.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return {"class": "none" if not text else "invalid", "version": None, "network": None}
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return {
        "class": _kind(address),
        "version": address.version,
        "network": shown_network(ipaddress.ip_network(address)),
    }


def _kind(address: IPAddress) -> str:
    for kind, told in _KINDS:
        if getattr(address, told):
            return kind
    if is_private(address):
        return "private"
    return "public" if address.is_global else "reserved"


def describe_client(
    client: ClientAddress, headers: Mapping[str, str], peer: str, trusted: TrustedProxies
) -> dict[str, Any]:
    """Where the visitor's address came from, and which headers were ignored.

    Args:
        client: The address found.
        headers: First occurrence of each header, by lower-case name.
        peer: The connection's other end.
        trusted: Proxies whose headers are trusted.
    """
    trusts = trusted.trusts(peer)
    given = [name for name in (*ADDRESS_HEADERS, IP_TYPE_HEADER) if name in headers]
    used = {client.header} | ({IP_TYPE_HEADER} if client.ip_type is not None else set())
    return {
        "source": client.header or "peer",
        **describe_address(client.ip),
        "ip_type": client.ip_type,
        "peer": {**describe_address(peer), "trusted": trusts},
        "headers_ignored": [name for name in given if name not in used],
        "why_ignored": _why_ignored(trusts) if set(given) - used else None,
    }


def _why_ignored(trusts: bool) -> str:
    if not trusts:
        return "the peer is not among SLUICE_TRUSTED_PROXIES"
    return "another header came first, or the value says nothing"
