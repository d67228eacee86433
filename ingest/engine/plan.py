"""The plan of a partition's next batch: the metadata of its offset commit, as JSON.

The commit's offset is that of the message at `committed`.
"""

from typing import Final

import msgspec

from ingest.engine.message import POSITIONS
from ingest.records.run import LogPoint

VERSION: Final = 1

MAX_BYTES: Final = 4095
"""Maximum size of the metadata, by the broker's default for `offset.metadata.max.bytes`."""

NEEDED_BYTES: Final = 512
"""Size of a plan with the greatest numbers and an ordinary checkpoint id, rounded up."""


class UnknownPlanError(ValueError):
    """A later version of the program wrote the plan.

    Attributes:
        version: Of the plan.
    """

    def __init__(self, version: int) -> None:
        """Create the error for a version."""
        super().__init__(f"plan version {version} is not known, only {VERSION}")
        self.version = version


class CheckpointPlace(msgspec.Struct, frozen=True, gc=False):
    """Where a partition's checkpoint is.

    Attributes:
        checkpoint_id: Of the checkpoint; all its parts carry it.
        offset: Of its first part in the partition of the checkpoints topic.
        position: Of the fold's state: all records before it are applied.
    """

    checkpoint_id: str
    offset: int
    position: int


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What the owner of a partition committed.

    Attributes:
        committed: The store has everything before it.
        prepared: The end of the batch that the store may have, too; None if there is none.
        checkpoint: The newest checkpoint that is valid; None if there is none.
        rules: Version of the fold that made the batch's rows.
        planned_at: When the batch was prepared, Unix seconds.
    """

    committed: LogPoint
    prepared: LogPoint | None
    checkpoint: CheckpointPlace | None
    rules: int
    planned_at: int

    def __post_init__(self) -> None:
        """Check that the points can be those of a partition.

        Raises:
            ValueError: They cannot.
        """
        for point in (self.committed, self.prepared or self.committed):
            if point.position % POSITIONS or min(point) < 0:
                raise ValueError(f"no point between messages: {point.position}")
        if self.prepared is not None and self.prepared.position <= self.committed.position:
            raise ValueError("the prepared batch ends where it begins, or before")

    @property
    def offset(self) -> int:
        """The offset to commit: of the first message that is not in the store."""
        return self.committed.position // POSITIONS


class _Versioned(msgspec.Struct, frozen=True):
    version: int


class _Document(msgspec.Struct, frozen=True):
    version: int
    plan: Plan


_VERSION: Final = msgspec.json.Decoder(_Versioned)
_DOCUMENT: Final = msgspec.json.Decoder(_Document)


def encode_plan(plan: Plan) -> str:
    """A plan as text.

    Raises:
        ValueError: It is longer than `MAX_BYTES`, because of the checkpoint's id.
    """
    text = msgspec.json.encode(_Document(VERSION, plan)).decode()
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(f"a plan of more than {MAX_BYTES} bytes")
    return text


def decode_plan(text: str) -> Plan:
    """Read what `encode_plan` wrote.

    Raises:
        UnknownPlanError: The version is not known.
        ValueError: It is no plan.
    """
    try:
        version = _VERSION.decode(text).version
        if version != VERSION:
            raise UnknownPlanError(version)
        return _DOCUMENT.decode(text).plan
    except UnknownPlanError:
        raise
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a plan: {error}") from None
