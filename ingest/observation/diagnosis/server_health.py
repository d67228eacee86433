"""What the diagnosis is told about a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ingest.model.verdict import DropReason
from ingest.observation.odd_scripts import OddScript


@dataclass(frozen=True, slots=True)
class ActorHealth:
    """The state of an actor.

    Attributes:
        condition: As the supervisor names it.
        restarts: Since the start.
        last_error: Type of the last exception; None when there was none.
        seconds_since_failure: None when it never failed.
        trouble: A problem with its work; None if there is none.
        waiting: Runs in its inbox; None without one that holds any.
        room: How many may be.
    """

    condition: str = "running"
    restarts: int = 0
    last_error: str | None = None
    seconds_since_failure: float | None = None
    trouble: str | None = None
    waiting: int | None = None
    room: int | None = None


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """The input of the diagnosis; the defaults are those of a healthy, idle server.

    Attributes:
        open: Whether the server accepts requests and is not shutting down.
        actors: By name.
        store_failures: Attempts in a row that failed.
        store_error: Message of the last failure; may contain host names.
        rows_waiting: Rows in memory that the store has not acknowledged.
        durable: Whether events are in a journal on disk.
        backlog_events: Events that the store, or Kafka for a front, has not acknowledged.
        journal_share: Share of the journal's limit that is used.
        journal_full: Whether the journal is full.
        journal_broken: Whether it cannot be trusted any more.
        journal_problem: Why it could not be written or synced; None when it could.
        events_lost: Events whose record on disk was damaged.
        fold_problem: Why no events become rows; None when they do.
        letters: Dead letters kept.
        letters_full: Whether there is no room for more.
        letters_problem: Why letters cannot be written; None if they can.
        sites: Registered sites.
        sites_problem: Why the sites are not up to date; None when they are.
        sites_followed: Whether they come from Plausible's PostgreSQL, with its salts.
        geo_problem: The same for the geo database.
        other_servers: Which other servers write to the same database; empty for none.
        loop_lag_seconds: The event loop's lag.
        queue_share: Share of the room for waiting requests that is used.
        refused: Requests answered with an error in the last five minutes, by status.
        verdicts: Events of the last hour by site and verdict, of registered sites; None: accepted.
        unknown_events: Events of the last hour that named no registered site.
        unknown_domains: How many of them named which domain, the most first; as far as known, and
            only domains that need no quotes in a shell.
        unknown_accepted: Whether such events are taken.
        odd_scripts: Addresses of the tracker that pages asked for and that are not known.
        events: Events of the last hour.
        uptime_seconds: Since the start.
        front: Whether events go on to Kafka, and other processes store them.
        forwards: Whether they do go on.
        cluster_state: What readiness says of a front's part in its cluster: `ok`, `degraded` or
            `down`.
        cluster_problem: Why it is not `ok`.
        cluster_findings: What was found on the cluster: texts and advice.
        others: Parts that readiness reports besides these, and is not content with: `degraded` or
            `down`.
    """

    open: bool = True
    actors: Mapping[str, ActorHealth] = field(default_factory=dict)
    store_failures: int = 0
    store_error: str = ""
    rows_waiting: int = 0
    durable: bool = True
    backlog_events: int = 0
    journal_share: float = 0.0
    journal_full: bool = False
    journal_broken: bool = False
    journal_problem: str | None = None
    events_lost: int = 0
    fold_problem: str | None = None
    letters: int = 0
    letters_full: bool = False
    letters_problem: str | None = None
    sites: int = 1
    sites_problem: str | None = None
    sites_followed: bool = False
    geo_problem: str | None = None
    other_servers: str = ""
    loop_lag_seconds: float = 0.0
    queue_share: float = 0.0
    refused: Mapping[int, int] = field(default_factory=dict)
    verdicts: Mapping[str, Mapping[DropReason | None, int]] = field(default_factory=dict)
    unknown_events: int = 0
    unknown_domains: Mapping[str, int] = field(default_factory=dict)
    unknown_accepted: bool = False
    odd_scripts: Sequence[OddScript] = ()
    events: int = 1
    uptime_seconds: float = 0.0
    front: bool = False
    forwards: bool = True
    cluster_state: str = "ok"
    cluster_problem: str = ""
    cluster_findings: Sequence[tuple[str, str]] = ()
    others: Mapping[str, str] = field(default_factory=dict)
