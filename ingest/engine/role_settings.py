"""What the settings still lack for a role in a cluster."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from ingest.engine.connection import connection_problems
from ingest.engine.heartbeat import Role
from ingest.setting_types import MIN_SECRET_LENGTH
from ingest.settings import Settings


def cluster_problems(settings: Settings, role: Role) -> list[str]:
    """What must be set or changed before a process can have a role; each text names its variable.

    Args:
        settings: Of the process.
        role: The one it is to have.
    """
    own = _front_problems(settings) if role == "front" else _worker_problems(settings)
    return [*connection_problems(settings), *own]


def _front_problems(settings: Settings) -> Iterator[str]:
    if settings.cluster_secret is None:
        yield (
            f"SLUICE_CLUSTER_SECRET is needed: at least {MIN_SECRET_LENGTH} random characters, "
            "the same on all fronts"
        )
    if settings.durability != "journal":
        yield (
            f"SLUICE_DURABILITY: expected journal, got {settings.durability}; a front sends its "
            "events from there"
        )


def _worker_problems(settings: Settings) -> Iterator[str]:
    if urlsplit(settings.clickhouse_url).scheme == "chdb":
        yield (
            "CLICKHOUSE_URL: expected clickhouse://user:pass@host:9000/database; an embedded store "
            "cannot be shared by workers"
        )
