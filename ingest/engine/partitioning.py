"""Which partition of the events topic an event goes to."""

from hashlib import blake2b
from typing import Final

from siphashc import siphash

_PURPOSE: Final = b"partitioning"
"""Gives this use of the cluster's secret a key of its own."""


class Partitioner:
    """Assigns visitors to partitions, by a keyed hash that does not change with the salts."""

    __slots__ = ("_key", "_partitions")

    def __init__(self, secret: str, partitions: int) -> None:
        """Create the function of a cluster.

        Args:
            secret: `SLUICE_CLUSTER_SECRET`.
            partitions: Number of partitions of the topic.
        """
        self._key = blake2b(secret.encode(), digest_size=16, person=_PURPOSE).digest()
        self._partitions = partitions

    def partition_of(self, identity: bytes) -> int:
        """The partition for a visitor's events.

        Args:
            identity: What identifies the visitor, from `ingest.sessions.visitor.identity`.
        """
        return siphash(self._key, identity) % self._partitions
