"""The visitor's address: what trusted proxies say, else the peer's (spec/enrichment.md §1)."""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final, Self

import msgspec

from ingest.model.network import IPNetwork

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

IP_TYPE_HEADER: Final = "x-plausible-ip-type"
IP_TYPES: Final = frozenset({"dc_ip", "threat_ip", "anonymous_vpn_ip"})
"""What a proxy may say of an address (spec/ingestion.md §10); other values mean nothing."""

MAX_ADDRESS_LENGTH: Final = 256
"""Characters of a forwarded address that are used; the longest real one, with port, has 47."""

MAX_PROXIES: Final = 100
"""Elements of a list that are walked from its end; what stands before them counts as one."""

FIRST_PARTS: Final = 16
"""Elements of a list among which the first address is looked for."""

PEERS: Final = 4096
"""Peers remembered."""

_WHOLE_VALUE_HEADERS: Final = ("x-plausible-ip", "cf-connecting-ip")
_LIST_HEADERS: Final = ("b-forwarded-for", "x-forwarded-for")
_FORWARDED: Final = "forwarded"

JOINED_HEADERS: Final = frozenset({*_LIST_HEADERS, _FORWARDED})
"""Headers whose value is a list, so that several of them are one (RFC 9110 §5.3)."""

ADDRESS_HEADERS: Final = (*_WHOLE_VALUE_HEADERS, *_LIST_HEADERS, _FORWARDED)
"""All headers that may give the visitor's address, in the order in which they are tried."""

_FOR_PARAMETER: Final = re.compile(r"(?:^|[;,\s])for=([^;,]*)", re.IGNORECASE)
_PORT: Final = re.compile(r"(\.[0-9]+|\]):[0-9]+\Z")

_LOOPBACK: Final = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))
_PRIVATE: Final = tuple(
    # Not `ip_address.is_private`, which counts documentation and benchmark ranges, too.
    map(
        ipaddress.ip_network,
        (
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)


def is_private(address: IPAddress) -> bool:
    """Whether an address is of a loopback, private or link-local network."""
    return any(address in network for network in _PRIVATE)


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The peers whose forwarding headers are trusted.

    Attributes:
        everyone: Whether all peers are trusted, as Plausible does.
        networks: Otherwise, where they connect from.
        listed: Whether the operator has listed networks. Then all proxies are known, and only the
            addresses that they have appended to a list are trusted.
        trusts: Whether to trust the headers of a peer, given the connection's remote address, or
            anything else for a Unix socket. A peer without an address uses a Unix socket on this
            machine; it is trusted if loopback is.
    """

    everyone: bool
    networks: tuple[IPNetwork, ...] = ()
    listed: bool = False
    trusts: Callable[[str], bool] = field(init=False, repr=False, compare=False)
    _ranges: dict[int, list[tuple[int, int]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Cache the results for the last peers, which are few behind proxies."""
        ranges: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for network in self.networks:
            ranges[network.version].append((int(network.netmask), int(network.network_address)))
        object.__setattr__(self, "_ranges", ranges)
        cached = lru_cache(maxsize=PEERS)(self._decide)
        object.__setattr__(self, "trusts", (lambda _: True) if self.everyone else cached)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the setting `SLUICE_TRUSTED_PROXIES`.

        Args:
            text: `all`, or a list, separated by commas or white space, of addresses, networks in
                CIDR notation and the word `private` (loopback, private and link-local networks).

        Raises:
            ValueError: The text is empty, or a part of it is none of these.
        """
        words = text.replace(",", " ").split()
        if [word.lower() for word in words] == ["all"]:
            return cls(everyone=True)
        if not words:
            raise ValueError("trusted proxies: expected all, private or a list of networks")
        networks: list[IPNetwork] = []
        for word in words:
            if word.lower() == "private":
                networks.extend(_PRIVATE)
                continue
            try:
                networks.append(ipaddress.ip_network(word))
            except ValueError as error:
                raise ValueError(
                    f"trusted proxies: {error}; expected all, private or a list of networks"
                ) from None
        listed = any(word.lower() != "private" for word in words)
        return cls(everyone=False, networks=tuple(networks), listed=listed)

    def _decide(self, peer: str) -> bool:
        address = _parse_address(peer)
        return any(map(self.holds, _LOOPBACK)) if address is None else self.holds(address)

    def holds(self, address: IPAddress) -> bool:
        """Whether an address lies in one of the networks."""
        number = int(address)
        return any(number & mask == network for mask, network in self._ranges[address.version])


class ClientAddress(msgspec.Struct, frozen=True, gc=False):
    """Where a request came from.

    Attributes:
        ip: The visitor's address as text, neither validated nor canonical. Never logged nor stored.
        header: The header that gave it, lower case; None when it is the peer's.
        ip_type: What a trusted proxy says of the address, one of `IP_TYPES`; None when nothing.
    """

    ip: str
    header: str | None
    ip_type: str | None

    def __repr__(self) -> str:
        """Without the address."""
        return f"ClientAddress(header={self.header!r}, ip_type={self.ip_type!r})"


def resolve_client_ip(
    headers: Mapping[str, str],
    peer: str,
    trusted: TrustedProxies,
    lists: Mapping[str, str] | None = None,
) -> ClientAddress:
    """Find the visitor's address (spec/enrichment.md §1).

    The first header with any text is used; headers of an untrusted peer are ignored.

    The left-most address of a list is used, as specified, although clients can forge it; if there
    is none, the first element is used as it is. If the operator has listed networks, the right-most
    address that is in none of them is used: each proxy appends the address that it saw, so a client
    cannot forge it. If all addresses are in the networks, the left-most is used. Text at that place
    that is not an address is used as the visitor's address nevertheless, because a trusted proxy
    has appended it and everything to the left of it is not trusted.

    Args:
        headers: First value of each header, by lower-case name.
        peer: The connection's remote address; anything else for a Unix socket, which has none.
        trusted: Proxies whose headers are trusted.
        lists: All values of each of `JOINED_HEADERS`, joined by commas in their order; looked at
            when networks are listed. None: as in `headers`.
    """
    if not trusted.trusts(peer):
        return ClientAddress(_peer_text(peer), None, None)
    ip_type = headers.get(IP_TYPE_HEADER)
    if ip_type is not None and ip_type not in IP_TYPES:
        ip_type = None
    for header, read in _WHOLE_VALUES if trusted.listed else _FIRST_ADDRESSES:
        if header in headers and (ip := read(headers[header])):
            return ClientAddress(ip, header, ip_type)
    if trusted.listed and (found := _rightmost(headers if lists is None else lists, trusted)):
        return ClientAddress(*found, ip_type)
    return ClientAddress(_peer_text(peer), None, ip_type)


def _rightmost(lists: Mapping[str, str], trusted: TrustedProxies) -> tuple[str, str] | None:
    """The last address that is no proxy's of the first list that has any, and the list's header."""
    for header in (*_LIST_HEADERS, _FORWARDED):
        if value := lists.get(header):
            elements = value.rsplit(",", MAX_PROXIES)
            if header == _FORWARDED:
                ip = _before_proxies(map(_forwarded_for, reversed(elements)), trusted)
            else:
                ip = _before_proxies(reversed(elements), trusted)
            if ip:
                return ip, header
    return None


def _before_proxies(values: Iterable[str | None], trusted: TrustedProxies) -> str:
    """The first of the values that is not in the networks, else the last of them.

    Args:
        values: From the right to the left. None ends the walk: no telling who stands before.
        trusted: The networks.
    """
    ip = ""
    for value in values:
        if value is None:
            break
        if not value.strip():
            continue  # an empty element of a list is none (RFC 9110 §5.6.1)
        cleaned = _clean(value)
        if not cleaned:
            break
        ip = cleaned
        address = _parse_address(ip)
        if address is None or not trusted.holds(address):
            break
    return ip


def _forwarded_for(element: str) -> str | None:
    """What one proxy says of the address before it (RFC 7239 §4).

    Returns:
        None when it says nothing, or when it cannot be told: elements are cut at every comma, and
        one inside of quotes, which a client's `Host` may have brought in, makes two halves.
    """
    if not element.strip():
        return ""
    found = _FOR_PARAMETER.findall(element)
    if len(found) != 1 or element.count('"') % 2:
        return None
    value: str = found[0].strip().strip('"').strip()
    return value or None


def _first_address(value: str) -> str:
    """The first address of a list."""
    # Most lists have one element, which is used whatever it is.
    return _first_of(value.split(",", FIRST_PARTS)) if "," in value else _clean(value)


def _first_forwarded(value: str) -> str:
    """The first address for which a request was forwarded (RFC 7239 §4)."""
    return _first_of(found[1].strip().strip('"') for found in _FOR_PARAMETER.finditer(value))


def _first_of(values: Iterable[str]) -> str:
    """The first value that is an address, or else the first one (spec/enrichment.md §1)."""
    first: str | None = None
    for value in islice(values, FIRST_PARTS):
        ip = _clean(value)
        if _parse_address(ip) is not None:
            return ip
        first = ip if first is None else first
    return first or ""


def _clean(value: str) -> str:
    """Drop a port and the brackets around an IPv6 address; anything else stays as it is.

    A value that is too long to be an address is garbage; its beginning still tells visitors apart.
    """
    value = value.strip()
    if len(value) > MAX_ADDRESS_LENGTH:
        value = value[:MAX_ADDRESS_LENGTH]
    if "[" not in value and "]" not in value and (":" not in value or "." not in value):
        return value
    return _PORT.sub(r"\1", value).removeprefix("[").removesuffix("]")


def _parse_address(text: str) -> IPAddress | None:
    """Parse an address; an IPv4 client of a dual-stack listener is an IPv4 client.

    `inet_pton` takes a tenth of the time of `ipaddress`, but knows no zones (`fe80::1%eth0`).
    """
    try:
        if "%" in text:
            address = ipaddress.IPv6Address(text)
        elif ":" in text:
            address = ipaddress.IPv6Address(inet_pton(AF_INET6, text))
        else:
            return ipaddress.IPv4Address(inet_pton(AF_INET, text))
    except (OSError, ValueError):
        return None
    return address if address.ipv4_mapped is None else address.ipv4_mapped


@lru_cache(maxsize=PEERS)
def _peer_text(peer: str) -> str:
    """The peer's address as the visitor's; empty for a Unix socket, whose path says nothing."""
    address = _parse_address(peer)
    return "" if address is None else str(address)


_WHOLE_VALUES: Final = tuple((header, _clean) for header in _WHOLE_VALUE_HEADERS)
_FIRST_ADDRESSES: Final = (
    *_WHOLE_VALUES,
    *((header, _first_address) for header in _LIST_HEADERS),
    (_FORWARDED, _first_forwarded),
)
"""How the address is read from each header, in the order in which they are tried."""
