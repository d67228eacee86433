"""Finds which record a MaxMind-format database has for an address, without decoding it."""

import struct
from array import array
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from mmap import mmap
from typing import Final

PREFIXES: Final = 4096
"""Number of prefixes of IPv6 whose nodes are remembered. A provider has one or a few."""

_BITS: Final = tuple(tuple(byte >> place & 1 for place in range(7, -1, -1)) for byte in range(256))
_word_at: Final = struct.Struct(">I").unpack_from


class GeoTree:
    """A database's search tree.

    A node has two children, for the next bit of an address. A child is the number of a node or, if
    it is greater than the number of nodes, of a record. The nodes behind the first 20 bits of IPv4
    (4 MB), behind its first 16 bits, and behind the first 32 bits of IPv6 are remembered.
    """

    __slots__ = (
        "_behind_16",
        "_behind_20",
        "_behind_prefix",
        "_has_ipv6",
        "_ipv4",
        "_layout",
        "_nodes",
        "_tree",
    )

    def __init__(self, tree: mmap, nodes: int, child_bits: int, ip_version: int) -> None:
        """Use the tree at the beginning of a database.

        Args:
            tree: The database.
            nodes: Number of nodes.
            child_bits: Size of a child: 24, 28 or 32.
            ip_version: 4, or 6 for a tree of both; there, IPv4 is behind 96 bits of 0.
        """
        self._tree = tree
        self._nodes = nodes
        node_bytes = child_bits // 4
        self._layout = (
            node_bytes,
            node_bytes - 4,
            (1 << child_bits) - 1,
            0 if child_bits == 32 else 8,
            # The upper bits of both children are in the byte between the lower ones.
            0xF0 if child_bits == 28 else 0,
        )
        self._has_ipv6 = ip_version == 6
        self._ipv4 = self._descend(0, bytes(96)) if self._has_ipv6 else 0
        self._behind_16 = array("I", [0]) * (1 << 16)
        self._behind_20 = array("I", [0]) * (1 << 20)
        self._behind_prefix = lru_cache(PREFIXES)(self._descend_to_prefix)

    def find(self, address: bytes) -> int:
        """Return the number of an address's record, the same for all networks that share it.

        Args:
            address: 4 or 16 bytes.

        Returns:
            0 if there is none.
        """
        if len(address) == 4:
            first, second, third, fourth = address
            top = first << 8 | second
            node = self._behind_20[top << 4 | third >> 4]
            if not node:
                node = self._behind_16[top]
                if not node:
                    node = self._behind_16[top] = self._descend(self._ipv4, _bits(address[:2]))
                node = self._descend(node, _BITS[third][:4])
                self._behind_20[top << 4 | third >> 4] = node
            if node < self._nodes:
                node = self._descend(node, _BITS[third][4:] + _BITS[fourth])
        elif self._has_ipv6:
            node = self._descend(self._behind_prefix(address[:4]), _bits(address[4:]))
        else:
            return 0
        return node if node > self._nodes else 0

    def _descend_to_prefix(self, prefix: bytes) -> int:
        return self._descend(0, _bits(prefix))

    def _descend(self, node: int, bits: Iterable[int]) -> int:
        """Follow bits of an address, at most down to a record."""
        tree, nodes = self._tree, self._nodes
        node_bytes, right, mask, shift, upper = self._layout
        for bit in bits:
            if node >= nodes:
                return node
            if bit:
                node = _word_at(tree, node * node_bytes + right)[0] & mask
                continue
            word = _word_at(tree, node * node_bytes)[0]
            node = word >> shift
            if upper:
                node |= (word & upper) << 20
        return node


def _bits(address: bytes) -> Iterable[int]:
    return chain.from_iterable(map(_BITS.__getitem__, address))
