"""What is fixed for a cluster's lifetime: a record in the control topic, as JSON."""

import secrets
from typing import Final

import msgspec

from ingest.records.record import Description

KEY: Final = b"cluster"
"""The record's key in the control topic."""

FORMAT: Final = 1

MAX_PARTITIONS: Final = 4096

MARGIN_SECONDS: Final = 1800
"""How much longer than its timeout a session is kept, by the log's time: a front may be cut off for
as long."""

ID_BYTES: Final = 8


class ClusterRecord(msgspec.Struct, frozen=True):
    """What all members of a cluster must agree on.

    Attributes:
        cluster_id: Random, 16 hexadecimal digits.
        partitions: Number of partitions of the events topic.
        session_seconds: Seconds without events after which a session ends.
        format: Version of what the topics hold.

    Raises:
        ValueError: A field is out of range.
    """

    cluster_id: str
    partitions: int
    session_seconds: int
    format: int = FORMAT

    def __post_init__(self) -> None:
        """Check the fields."""
        if len(self.cluster_id) != 2 * ID_BYTES or set(self.cluster_id) - set("0123456789abcdef"):
            raise ValueError("the cluster's id has not 16 hexadecimal digits")
        if not 1 <= self.partitions <= MAX_PARTITIONS:
            raise ValueError(f"partitions: expected 1 to {MAX_PARTITIONS}, got {self.partitions}")
        if self.session_seconds <= 0:
            raise ValueError(f"session seconds: expected 1 or more, got {self.session_seconds}")

    @property
    def description(self) -> Description:
        """The parameters of each partition's fold."""
        return Description(self.session_seconds, MARGIN_SECONDS)


class _Format(msgspec.Struct, frozen=True):
    format: int


_FORMAT: Final = msgspec.json.Decoder(_Format)
_RECORD: Final = msgspec.json.Decoder(ClusterRecord)


def new_cluster_record(partitions: int, session_minutes: int) -> ClusterRecord:
    """The record of a new cluster, with a random id.

    Raises:
        ValueError: A number is out of range.
    """
    return ClusterRecord(secrets.token_hex(ID_BYTES), partitions, session_minutes * 60)


def encode_cluster_record(record: ClusterRecord) -> bytes:
    """A record as bytes."""
    return msgspec.json.encode(record)


def decode_cluster_record(data: bytes) -> ClusterRecord:
    """Read what `encode_cluster_record` wrote.

    Raises:
        ValueError: It is no such record, or its format is not known.
    """
    try:
        found = _FORMAT.decode(data).format
        if found == FORMAT:
            return _RECORD.decode(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a cluster record: {error}") from None
    raise ValueError(f"the cluster's format {found} is not known, only {FORMAT}")
