"""Shields: a site's rules on addresses, countries, pages and hostnames (spec/ingestion.md §10)."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ingest.model.iso_codes import UNKNOWN_COUNTRY
from ingest.model.network import IPNetwork

MAX_IP_RULES: Final = 30
MAX_COUNTRY_RULES: Final = 30
MAX_PAGE_RULES: Final = 30
MAX_HOSTNAME_RULES: Final = 10
MAX_PATTERN_LENGTH: Final = 250

_WILDCARD: Final = re.compile(r"\*+")
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")


def parse_network(text: str) -> IPNetwork:
    """Parse an address or a network. An address is returned as a network of one address.

    IPv6 forms of IPv4 (`::ffff:203.0.113.7`) are converted to IPv4, like those of clients.

    Raises:
        ValueError: The text is neither, or a network's address has host bits set.
    """
    if "%" in text:
        raise ValueError("an address without a zone")
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        try:
            meant = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError("an address such as 203.0.113.7 or a network in CIDR form") from None
        raise ValueError(f"the network itself, {meant}") from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        address = int(network.network_address) & 0xFFFF_FFFF
        return ipaddress.IPv4Network((address, network.prefixlen - 96))
    return network


class Patterns:
    """Patterns in which `*` and `**` stand for any run of characters, `/` included.

    They match whole texts and are case-sensitive. Patterns without a wildcard are looked up in a
    set. Patterns with one wildcard at an end use `str.startswith` and `str.endswith`. The others
    are matched piece by piece, each piece at its first occurrence after the one before, without
    backtracking.
    """

    __slots__ = ("_everything", "_exact", "_pieces", "_prefixes", "_split", "_suffixes")

    def __init__(self, patterns: Iterable[str]) -> None:
        """Sort the patterns by the kind of match they need."""
        self._split = tuple((pattern, _WILDCARD.split(pattern)) for pattern in patterns)
        exact: set[str] = set()
        prefixes: list[str] = []
        suffixes: list[str] = []
        pieces: list[tuple[str, tuple[str, ...], str, int]] = []
        self._everything = False
        for _, parts in self._split:
            match parts:
                case [whole]:
                    exact.add(whole)
                case ["", ""]:
                    self._everything = True
                case [start, ""]:
                    prefixes.append(start)
                case ["", end]:
                    suffixes.append(end)
                case [start, *middle, end]:
                    pieces.append((start, tuple(middle), end, len(start) + len(end)))
        self._exact = frozenset(exact)
        self._prefixes = tuple(prefixes)
        self._suffixes = tuple(suffixes)
        self._pieces = tuple(pieces)

    def match(self, text: str) -> bool:
        """Whether one of the patterns matches the whole text."""
        if (
            self._everything
            or text in self._exact
            or text.startswith(self._prefixes)
            or text.endswith(self._suffixes)
        ):
            return True
        return any(
            len(text) >= least
            and text.startswith(start)
            and text.endswith(end)
            and _in_order(middle, text, len(start), len(text) - len(end))
            for start, middle, end, least in self._pieces
        )

    def find(self, text: str) -> str | None:
        """Return the first pattern that matches the whole text; None if `match` is false."""
        for pattern, (start, *rest) in self._split:
            if not rest:
                if text == start:
                    return pattern
                continue
            *middle, end = rest
            if (
                len(text) >= len(start) + len(end)
                and text.startswith(start)
                and text.endswith(end)
                and _in_order(middle, text, len(start), len(text) - len(end))
            ):
                return pattern
        return None


def _in_order(pieces: Sequence[str], text: str, begin: int, end: int) -> bool:
    for piece in pieces:
        found = text.find(piece, begin, end)
        if found < 0:
            return False
        begin = found + len(piece)
    return True


def _by_length(networks: Iterable[IPNetwork]) -> tuple[tuple[int, int, dict[int, int]], ...]:
    """Group networks by version and size, so that each group needs one look-up.

    Returns:
        IP version, number of host bits, and the index of the first network by its network bits.
    """
    starts: dict[tuple[int, int], dict[int, int]] = {}
    for index, network in enumerate(networks):
        shift = network.max_prefixlen - network.prefixlen
        indexes = starts.setdefault((network.version, shift), {})
        indexes.setdefault(int(network.network_address) >> shift, index)
    return tuple((*kind, indexes) for kind, indexes in starts.items())


@dataclass(frozen=True, slots=True)
class Shields:
    """A site's rules, compiled. Without rules nothing is blocked.

    The constructor raises `ValueError` if an entry of `ips` is not an address or network. Other
    rules are not checked here, but by the reader of the sites file.

    Attributes:
        ips: Blocked addresses or networks. Plausible supports only single addresses.
        countries: Blocked countries, as ISO 3166-1 alpha-2 codes; `ZZ` blocks unknown countries.
        pages: Patterns of blocked pathnames.
        hostnames: Patterns of allowed hostnames; empty allows all.
    """

    ips: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    hostnames: tuple[str, ...] = ()
    _networks: tuple[tuple[int, int, dict[int, int]], ...] = field(
        init=False, repr=False, compare=False
    )
    _entries: tuple[IPNetwork, ...] = field(init=False, repr=False, compare=False)
    _countries: frozenset[str] = field(init=False, repr=False, compare=False)
    _pages: Patterns = field(init=False, repr=False, compare=False)
    _hostnames: Patterns = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the rules."""
        object.__setattr__(self, "_entries", tuple(map(parse_network, self.ips)))
        object.__setattr__(self, "_networks", _by_length(self._entries))
        object.__setattr__(self, "_countries", frozenset(self.countries))
        object.__setattr__(self, "_pages", Patterns(self.pages))
        object.__setattr__(self, "_hostnames", Patterns(self.hostnames))

    def allows_hostname(self, hostname: str) -> bool:
        """Whether a page's host (without `www.`, or `(none)`) may send events."""
        return not self.hostnames or self._hostnames.match(hostname)

    def blocking_page(self, pathname: str) -> str | None:
        """Return the first pattern that blocks a page, by its decoded path with the fragment.

        Returns:
            None when the page is not blocked.
        """
        if self.pages and self._pages.match(pathname):
            return self._pages.find(pathname)
        return None

    def blocking_network(self, client_ip: str) -> tuple[int, IPNetwork] | None:
        """Return the first network that blocks an address, and its number in `ips`, from 1.

        Results are not cached, because that would keep addresses in memory.

        Args:
            client_ip: An address in any form; other text is never blocked.

        Returns:
            None when the address is not blocked.
        """
        if not self._networks:
            return None
        address = _address(client_ip)
        if address is None:
            return None
        version, number = address.version, int(address)
        found = [
            indexes[number >> shift]
            for rule_version, shift, indexes in self._networks
            if version == rule_version and number >> shift in indexes
        ]
        if not found:
            return None
        first = min(found)
        return first + 1, self._entries[first]

    def blocks_country(self, country_code: str) -> bool:
        """Whether a country is blocked.

        Args:
            country_code: ISO 3166-1 alpha-2; empty when unknown, which `ZZ` blocks.
        """
        return bool(self._countries) and self.country_rule(country_code) in self._countries

    @staticmethod
    def country_rule(country_code: str) -> str:
        """Return the entry of `countries` that blocks a country."""
        return country_code.upper() or UNKNOWN_COUNTRY


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse an address in any form, with IPv4 as IPv4; return None for other text."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address


NO_SHIELDS: Final = Shields()
