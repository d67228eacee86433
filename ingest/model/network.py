"""IP networks, and how much of one may be shown."""

import ipaddress
from typing import Final

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

SHOWN_BITS: Final = {4: 24, 6: 48}
"""Bits of an address that are shown, by the version of IP."""


def shown_network(network: IPNetwork) -> str:
    """A network, widened to the size that may be shown if it is smaller."""
    bits = min(network.prefixlen, SHOWN_BITS[network.version])
    return str(network.supernet(new_prefix=bits))
