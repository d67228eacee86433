"""Finds which record a MaxMind-format database has for an address, without decoding it."""

import struct
from array import array
from functools import lru_cache
from mmap import mmap
from typing import Final

PREFIXES: Final = 4096
"""Number of prefixes of IPv6 whose nodes are remembered. A provider has one or a few."""

_BITS: Final = tuple(tuple(byte >> place & 1 for place in range(7, -1, -1)) for byte in range(256))
_word_at: Final = struct.Struct(">I").unpack_from


class GeoTree:
    """A database's search tree.

    A node has two children, for the next bit of an address. A child is the number of a node or, if
    it is greater than the number of nodes, of a record. The nodes behind the first 16 bits of IPv4
    and behind the first 32 bits of IPv6 are remembered.
    """

    __slots__ = ("_behind_prefix", "_has_ipv6", "_ipv4", "_layout", "_nodes", "_tops", "_tree")

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
        self._ipv4 = self._descend(0, bytes(12)) if self._has_ipv6 else 0
        self._tops = array("I", bytes(4 << 16))
        self._behind_prefix = lru_cache(PREFIXES)(self._descend)

    def find(self, address: bytes) -> int:
        """Return the number of an address's record, the same for all networks that share it.

        Args:
            address: 4 or 16 bytes.

        Returns:
            0 if there is none.
        """
        if len(address) == 4:
            top = address[0] << 8 | address[1]
            node = self._tops[top]
            if not node:
                node = self._tops[top] = self._descend(self._ipv4, address[:2])
            rest = address[2:]
        elif self._has_ipv6:
            node = self._behind_prefix(0, address[:4])
            rest = address[4:]
        else:
            return 0
        if node < self._nodes:
            node = self._descend(node, rest)
        return node if node > self._nodes else 0

    def _descend(self, node: int, address: bytes) -> int:
        """Follow a part of an address, at most down to a record."""
        tree, nodes = self._tree, self._nodes
        node_bytes, right, mask, shift, upper = self._layout
        for byte in address:
            for bit in _BITS[byte]:
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
