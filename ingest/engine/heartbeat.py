"""What each member of a cluster says of itself, every few seconds, as JSON in the control topic."""

import secrets
from hashlib import blake2b
from typing import Final, Literal

import msgspec

KEY_PREFIX: Final = b"heartbeat:"

INTERVAL_SECONDS: Final = 5.0
"""Seconds between two heartbeats of a member."""

Role = Literal["front", "worker"]

_PURPOSE: Final = b"heartbeat"
"""Gives this use of the cluster's secret a key of its own."""


class Heartbeat(msgspec.Struct, frozen=True):
    """A member's state.

    Attributes:
        member: Random id of the process.
        role: What it does.
        host: Name of its machine.
        version: Of the program.
        sent_at: By its own clock, Unix seconds.
        events_per_second: Events that it accepted (a front) or stored (a worker) lately.
        mac: From `cluster_mac`; empty for a member without the secret.
        trouble: Why a front cannot forward, or why a worker cannot go on; empty if there is none.
        backlog: Events that a front has not yet forwarded.
        partitions: The partitions that a worker owns, each with its lag in messages.
        oldest_seconds: Age of the oldest event that a worker has not stored; None if there is none.
    """

    member: str
    role: Role
    host: str
    version: str
    sent_at: float
    events_per_second: float = 0.0
    mac: str = ""
    trouble: str = ""
    backlog: int = 0
    partitions: dict[int, int] = {}
    oldest_seconds: float | None = None

    @property
    def key(self) -> bytes:
        """The record's key in the control topic."""
        return KEY_PREFIX + self.member.encode()

    @property
    def lag(self) -> int:
        """Messages of all its partitions that a worker has not stored."""
        return sum(self.partitions.values())


_HEARTBEAT: Final = msgspec.json.Decoder(Heartbeat)


def new_member() -> str:
    """A random id for this process."""
    return secrets.token_hex(8)


def cluster_mac(secret: str, cluster_id: str) -> str:
    """Shows which secret a member has, without showing the secret.

    Args:
        secret: `SLUICE_CLUSTER_SECRET`.
        cluster_id: From the cluster record.
    """
    key = blake2b(secret.encode(), digest_size=32, person=_PURPOSE).digest()
    return blake2b(cluster_id.encode(), digest_size=16, key=key).hexdigest()


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """A heartbeat as bytes."""
    return msgspec.json.encode(heartbeat)


def decode_heartbeat(data: bytes) -> Heartbeat:
    """Read what `encode_heartbeat` wrote. Fields of later versions are ignored.

    Raises:
        ValueError: It is no heartbeat.
    """
    try:
        return _HEARTBEAT.decode(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a heartbeat: {error}") from None
