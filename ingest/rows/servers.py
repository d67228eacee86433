"""The table in which servers that write to one database find each other.

Each server adds a row, a *beat*, at regular intervals. All times are the database's, and only they
are compared, so the clocks of the servers do not matter.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.rows.schema import quote_identifier, quote_string

SERVERS = "sluice_servers"
"""The table's name."""

BEAT_SECONDS = 30.0
"""Interval between the beats of a server."""

SILENT_SECONDS = 100
"""Age of a server's last beat beyond which it no longer counts: three beats were missed."""

OVERLAP_SECONDS = 20
"""How long two processes must have beaten side by side to count as two servers. A restart leaves no
overlap, or that of one insert that was on its way when its process ended."""

WINDOW_SECONDS = 600
"""Older beats are not read."""

AHEAD_SECONDS = 60
"""Beats further in the future are not read either; the database's clock was set back."""


@dataclass(frozen=True, slots=True)
class Server:
    """A process that writes to a database.

    Attributes:
        process: A random id of the process.
        directory: The id of its state directory, which it keeps over restarts.
        name: Where it runs, for the operator: host and port.
        role: `all` for a single server, `worker` for a part of a cluster.
        cluster: The id of the cluster that it belongs to; empty for a single server.
    """

    process: str
    directory: str
    name: str
    role: str = "all"
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class SeenServer:
    """A server and its beats within `WINDOW_SECONDS`, by the database's clock.

    Attributes:
        server: Which one.
        first: Seconds since its first beat.
        last: Seconds since its last beat.
    """

    server: Server
    first: int
    last: int

    @property
    def recent(self) -> bool:
        """Whether it still counts as running."""
        return self.last <= SILENT_SECONDS

    def beside(self, other: "SeenServer") -> bool:
        """Whether both have run at the same time."""
        return min(self.first, other.first) - max(self.last, other.last) >= OVERLAP_SECONDS


def create_statement(database: str) -> str:
    """The statement that creates the table; it does nothing if the table exists."""
    return (
        f"CREATE TABLE IF NOT EXISTS {_table(database)} "
        "(at DateTime, process String, directory String, name String, "
        "role LowCardinality(String), cluster String) "
        "ENGINE = MergeTree ORDER BY at TTL at + INTERVAL 1 DAY"
    )


def beat_statement(database: str, server: Server) -> str:
    """The statement that adds a beat at the database's current time."""
    values = (server.process, server.directory, server.name, server.role, server.cluster)
    return (
        f"INSERT INTO {_table(database)} (at, process, directory, name, role, cluster) "
        f"SELECT now(), {', '.join(map(quote_string, values))}"
    )


def select_statement(database: str) -> str:
    """The statement that reads the servers of the last minutes, for `seen_servers`."""
    return (
        "SELECT process, any(directory), any(name), any(role), any(cluster), "  # noqa: S608
        "dateDiff('second', min(at), now()), dateDiff('second', max(at), now()) "
        f"FROM {_table(database)} "
        f"WHERE at > now() - {WINDOW_SECONDS} AND at < now() + {AHEAD_SECONDS} "
        "GROUP BY process ORDER BY max(at) DESC, process LIMIT 1000"
    )


def seen_servers(rows: Iterable[Sequence[str]]) -> tuple[SeenServer, ...]:
    """Read the rows of `select_statement`, all cells as text."""
    return tuple(
        SeenServer(Server(process, directory, name, role, cluster), int(first), int(last))
        for process, directory, name, role, cluster, first, last in rows
    )


def others_beside(server: Server, seen: Iterable[SeenServer]) -> tuple[Server, ...]:
    """The other servers that run now, as a running server sees them.

    Args:
        server: The one that asks. It must be among `seen`, or there are no others yet.
        seen: All that have beaten in the last minutes.

    Returns:
        One for each state directory. Servers of the same cluster are no others.
    """
    seen = tuple(seen)
    own = [each for each in seen if each.server.process == server.process]
    return _by_directory(
        each
        for each in seen
        if each.recent
        and each.server.process != server.process
        and not (server.cluster and each.server.cluster == server.cluster)
        and any(each.beside(one) for one in own)
    )


def others_of_directory(directory: str | None, seen: Iterable[SeenServer]) -> tuple[Server, ...]:
    """The other servers that run now, as seen from a state directory.

    Args:
        directory: The directory's id; None if it has none yet.
        seen: All that have beaten in the last minutes.

    Returns:
        If a server runs from the directory, what it sees; otherwise all servers of other
        directories.
    """
    seen = tuple(each for each in seen if each.recent)
    own = next((each.server for each in seen if each.server.directory == directory), None)
    if own is not None:
        return others_beside(own, seen)
    return _by_directory(seen)


def _by_directory(seen: Iterable[SeenServer]) -> tuple[Server, ...]:
    """The server that has beaten last in each directory, in the order of their names."""
    last = {
        each.server.directory: each.server
        for each in sorted(seen, key=lambda each: each.last, reverse=True)
    }
    return tuple(sorted(last.values(), key=lambda server: (server.name, server.directory)))


def _table(database: str) -> str:
    return f"{quote_identifier(database)}.{quote_identifier(SERVERS)}"
