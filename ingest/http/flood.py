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
"""Maximum number of remembered addresses, about 17 MB. Beyond it, the one with the oldest last
request is forgotten."""

WINDOW_SECONDS: Final = 60.0

_DIGEST_BYTES: Final = 8
_IPV6_NETWORK_BYTES: Final = 8
"""A /64, the smallest network that a customer is assigned. Its user can pick any address in it."""


class FloodGuard:
    """Limits requests by address, with a leaky bucket that holds a minute's requests.

    So a burst may be as large as the limit, and further requests are accepted at the limit's rate.
    One number is kept for each address: the time at which its bucket will be empty (the generic
    cell rate algorithm of ITU-T I.371). Addresses are stored as hashes, with a key that is valid as
    long as the process.
    """

    __slots__ = ("_empty_at", "_key", "_limit", "_seconds")

    def __init__(self, requests_per_minute: int, key: bytes, limit: int = MAX_ADDRESSES) -> None:
        """Start without addresses.

        Args:
            requests_per_minute: At least 1.
            key: Random bytes, at most 64.
            limit: Maximum number of remembered addresses.
        """
        self._seconds = WINDOW_SECONDS / requests_per_minute
        self._key = key
        self._limit = limit
        self._empty_at: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of remembered addresses."""
        return len(self._empty_at)

    def seconds_to_wait(self, address: str, now: float) -> int:
        """Count a request and decide whether to accept it.

        Args:
            address: The client's address as text. IPv6 addresses of the same /64 count as one. Text
                that is not an address is used as it is. Requests with an empty address are not
                limited.
            now: Seconds on a monotonic clock.

        Returns:
            0 if the request is accepted. Otherwise the seconds after which the next one will be
            accepted, rounded up; this one is not counted.
        """
        if not address:
            return 0
        key = self._hash(address)
        empty_at = max(self._empty_at.get(key, now), now)
        wait = empty_at + self._seconds - now - WINDOW_SECONDS
        refused = wait > 1e-6  # ignores rounding errors
        self._empty_at[key] = empty_at if refused else empty_at + self._seconds
        self._empty_at.move_to_end(key)
        if len(self._empty_at) > self._limit:
            self._empty_at.popitem(last=False)
        return math.ceil(wait) if refused else 0

    def _hash(self, address: str) -> bytes:
        return blake2b(identity_of(address), digest_size=_DIGEST_BYTES, key=self._key).digest()


def identity_of(address: str) -> bytes:
    """Return what identifies the client at an address: IPv6 addresses of the same /64 are one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return b"text" + address.encode("utf-8", "surrogatepass")
    if isinstance(parsed, ipaddress.IPv4Address):
        return parsed.packed
    mapped = parsed.ipv4_mapped
    return parsed.packed[:_IPV6_NETWORK_BYTES] if mapped is None else mapped.packed
