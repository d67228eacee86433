"""Flood protection: how many requests one address may send in a minute.

It protects against a single broken or malicious client, not against many addresses at once. The
number of remembered addresses is bounded here; the cost of their requests is bounded elsewhere.
"""

import ipaddress
import math
from collections import OrderedDict
from hashlib import blake2b
from typing import Final

MAX_ADDRESSES: Final = 100_000
"""Addresses remembered, some 17 MB; of more, the one that was silent for longest is forgotten."""

WINDOW_SECONDS: Final = 60.0

_DIGEST_BYTES: Final = 8
_IPV6_NETWORK_BYTES: Final = 8
"""A /64, what one customer is given at the least; within it, an address costs nothing."""


class FloodGuard:
    """Limits requests by address, as a leaky bucket that holds a minute's worth.

    So a burst may be as large as the limit, and further requests are accepted at the limit's rate.
    For each address one number is kept: when its bucket will be empty (the generic cell rate
    algorithm of ITU-T I.371). Addresses are known by a hash under a key that lives as long as the
    process.
    """

    __slots__ = ("_empty_at", "_key", "_limit", "_seconds")

    def __init__(self, requests_per_minute: int, key: bytes, limit: int = MAX_ADDRESSES) -> None:
        """Know no address.

        Args:
            requests_per_minute: At least 1.
            key: Random bytes, at most 64.
            limit: Addresses to remember.
        """
        self._seconds = WINDOW_SECONDS / requests_per_minute
        self._key = key
        self._limit = limit
        self._empty_at: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        """Addresses remembered."""
        return len(self._empty_at)

    def seconds_to_wait(self, address: str, now: float) -> int:
        """Count a request and decide on it.

        Args:
            address: The client's, as text. IPv6 addresses of one /64 are one; what is no address
                counts as text. Empty when there is none to tell clients apart by: not limited.
            now: Seconds on a clock that is never set back.

        Returns:
            0: let it in. Otherwise the seconds after which the next one will be let in, rounded up;
            this one is not counted.
        """
        if not address:
            return 0
        key = self._hash(address)
        empty_at = max(self._empty_at.get(key, now), now)
        wait = empty_at + self._seconds - now - WINDOW_SECONDS
        refused = wait > 1e-6  # not what additions have rounded
        self._empty_at[key] = empty_at if refused else empty_at + self._seconds
        self._empty_at.move_to_end(key)
        if len(self._empty_at) > self._limit:
            self._empty_at.popitem(last=False)
        return math.ceil(wait) if refused else 0

    def _hash(self, address: str) -> bytes:
        return blake2b(_identity(address), digest_size=_DIGEST_BYTES, key=self._key).digest()


def _identity(address: str) -> bytes:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return b"text" + address.encode("utf-8", "surrogatepass")
    if isinstance(parsed, ipaddress.IPv4Address):
        return parsed.packed
    mapped = parsed.ipv4_mapped
    return parsed.packed[:_IPV6_NETWORK_BYTES] if mapped is None else mapped.packed
