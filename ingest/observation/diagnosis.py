"""Describes problems in words, and what to do about them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from ingest.observation.odd_scripts import OddScript

LAG_SECONDS: Final = 0.5
"""Event-loop lag that clients notice."""

RECENT_SECONDS: Final = 600.0
"""How long a restart is reported."""

JOURNAL_SHARE: Final = 0.5
"""Share of the journal's limit beyond which the operator is warned."""

QUEUE_SHARE: Final = 0.5
"""The same for the requests that may wait for the gate."""

STORE: Final = "store"
SESSIONS: Final = "sessions"
LETTERS: Final = "dead letters"
KAFKA: Final = "Kafka"
CLUSTER: Final = "cluster"
SCRIPTS: Final = "scripts"

SHOWN_SCRIPTS: Final = 5
"""Maximum number of addresses of scripts that a finding names."""

QUIET_SECONDS: Final = 900.0
"""Uptime after which a lack of events is reported."""


class Severity(IntEnum):
    """How severe a finding is; greater is worse."""

    NOTE = 0
    """Events are accepted and stored; for information."""
    DEGRADED = 1
    """Events are accepted and kept, but there is a problem."""
    DOWN = 2
    """Events are not accepted."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A finding.

    Attributes:
        severity: How bad it is.
        part: The part concerned, one word.
        what: The problem, in one sentence.
        advice: What to do, in one sentence.
    """

    severity: Severity
    part: str
    what: str
    advice: str


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
        unknown_events: Events of the last hour that named no registered site.
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
    unknown_events: int = 0
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


def diagnose(health: ServerHealth) -> list[Diagnosis]:
    """Find all problems, the worst first."""
    found = [finding for examine in EXAMINATIONS for finding in examine(health)]
    return sorted(found, key=lambda finding: -finding.severity)


def headline(findings: Sequence[Diagnosis]) -> str:
    """The overall state in one line."""
    worst = max((finding.severity for finding in findings), default=Severity.NOTE)
    parts = {finding.part for finding in findings if finding.severity is worst}
    if worst is Severity.NOTE:
        return "All is well"
    if worst is Severity.DOWN and (SESSIONS not in parts or parts - {SESSIONS, LETTERS}):
        return "Events are refused"
    if parts & {SESSIONS, STORE}:
        return "Events are taken and kept, but not stored"
    if KAFKA in parts:
        return "Events are taken and kept, but not sent to Kafka"
    return "Events are taken, but something needs care"


def status(findings: Sequence[Diagnosis]) -> str:
    """The overall state in one word, as in readiness: `ok`, `degraded` or `down`."""
    worst = max((finding.severity for finding in findings), default=Severity.NOTE)
    return {Severity.NOTE: "ok", Severity.DEGRADED: "degraded", Severity.DOWN: "down"}[worst]


def _actors(health: ServerHealth) -> Iterator[Diagnosis]:
    for name, actor in health.actors.items():
        if actor.condition == "failed":
            yield Diagnosis(
                Severity.DOWN,
                "actors",
                f"The actor “{name}” failed too often ({actor.last_error}) and was given up.",
                "The server drains and ends, for the process manager to start it again; "
                "the log has the place of the error.",
            )
        elif actor.condition == "restarting" or (
            actor.seconds_since_failure is not None and actor.seconds_since_failure < RECENT_SECONDS
        ):
            ago = _ago(actor.seconds_since_failure or 0.0)
            yield Diagnosis(
                Severity.DEGRADED,
                "actors",
                f"The actor “{name}” failed {ago} ({actor.last_error}) and was started again; "
                f"restarts so far: {actor.restarts}.",
                "Look for “actor failed” in the log; what it could not handle is a dead letter.",
            )
        elif actor.trouble is not None:
            yield Diagnosis(
                Severity.DEGRADED,
                "actors",
                f"The actor “{name}” is in trouble: {actor.trouble}.",
                "Look for “most messages fail” or “actor is stuck” in the log, and report it.",
            )


def _intake(health: ServerHealth) -> Iterator[Diagnosis]:
    if not health.open:
        onwards, end = ("sends on", "Kafka") if health.front else ("stores", "the store")
        yield Diagnosis(
            Severity.DOWN,
            "intake",
            f"The server is stopping: it takes no more events and {onwards} what it has.",
            f"Nothing is to be done; what {end} does not take in time waits for the next start.",
        )
    if health.queue_share > QUEUE_SHARE:
        yield Diagnosis(
            Severity.DEGRADED,
            "intake",
            f"Requests queue up: {health.queue_share:.0%} of the room for them is taken.",
            "When there is none left, events are refused with 503; give the server more processor "
            "time or see which actor's channel is full.",
        )
    if health.loop_lag_seconds > LAG_SECONDS:
        yield Diagnosis(
            Severity.DEGRADED,
            "process",
            f"The server is slow: its event loop was {health.loop_lag_seconds:.1f} s late.",
            "Look for other programs on the machine, or for too little memory.",
        )
    yield from _refusals(health.refused)


def _refusals(refused: Mapping[int, int]) -> Iterator[Diagnosis]:
    overloaded = refused.get(503, 0)
    if overloaded:
        yield Diagnosis(
            Severity.DEGRADED,
            "intake",
            f"{_count(overloaded, 'request')} could not be taken in the last five minutes (503).",
            "Clients were asked to try again; most trackers in browsers do not.",
        )
    if refused.get(500, 0):
        yield Diagnosis(
            Severity.DEGRADED,
            "intake",
            f"{_count(refused[500], 'request')} met an internal error in the last five minutes.",
            "Look for “request failed” in the log; it is a mistake in Sluice.",
        )
    if refused.get(429, 0):
        yield Diagnosis(
            Severity.NOTE,
            "intake",
            f"{_count(refused[429], 'request')} beyond the limit of one address in the last five "
            "minutes (429).",
            "SLUICE_FLOOD_REQUESTS_PER_MINUTE sets the limit; if all clients seem to have one "
            "address, see SLUICE_TRUSTED_PROXIES.",
        )
    wrong = sum(requests for code, requests in refused.items() if 400 <= code < 500 and code != 429)
    if wrong:
        yield Diagnosis(
            Severity.NOTE,
            "intake",
            f"{_count(wrong, 'request')} in the last five minutes made no sense and got an error.",
            "The answers name the fields at fault; “sluice_validation_errors” in /metrics counts "
            "them.",
        )


def _store(health: ServerHealth) -> Iterator[Diagnosis]:
    if not health.store_failures:
        return
    if health.durable:
        taken = (
            "What was taken before waits" if health.journal_full else "Events are taken and wait"
        )
        kept = (
            f"{taken} in the journal ({health.backlog_events:,} so far, "
            f"{_share(health.journal_share)} of its limit)"
        )
    else:
        kept = f"Events wait in memory ({health.backlog_events:,} so far) and end with the process"
    yield Diagnosis(
        Severity.DEGRADED,
        STORE,
        f"The store does not take rows: {_count(health.store_failures, 'attempt')} failed in a row"
        f"{_quote(health.store_error)}.",
        f"{kept}; they are stored by themselves once ClickHouse is back.",
    )


def _kafka(health: ServerHealth) -> Iterator[Diagnosis]:
    if health.cluster_state == "ok":
        return
    part, what = (
        (CLUSTER, "This front is not as its cluster needs it")
        if health.forwards
        else (KAFKA, "Events do not go on to Kafka")
    )
    yield Diagnosis(
        Severity.DOWN if health.cluster_state == "down" else Severity.DEGRADED,
        part,
        f"{what}{_quote(health.cluster_problem)}.",
        f"What Kafka does not have yet is kept in the outbox: {health.backlog_events:,} so far, "
        f"{_share(health.journal_share)} of its limit.",
    )


def _cluster(health: ServerHealth) -> Iterator[Diagnosis]:
    for text, advice in health.cluster_findings:
        yield Diagnosis(Severity.DEGRADED, CLUSTER, _sentence(text), _sentence(advice))


def _journal(health: ServerHealth) -> Iterator[Diagnosis]:
    name, end = ("outbox", "Kafka") if health.front else ("journal", "the store")
    if health.journal_full:
        yield Diagnosis(
            Severity.DOWN,
            "journal",
            f"The {name} has reached its limit: events are refused with 503.",
            f"Bring {end} back, or raise SLUICE_JOURNAL_MEGABYTES if the disk has room.",
        )
    elif health.journal_share > JOURNAL_SHARE:
        yield Diagnosis(
            Severity.DEGRADED,
            "journal",
            f"The {name} is filling up: {health.journal_share:.0%} of its limit.",
            f"At the limit events are refused; see why {end} is slow, or raise "
            "SLUICE_JOURNAL_MEGABYTES.",
        )
    if health.journal_broken:
        yield Diagnosis(
            Severity.DOWN,
            "journal",
            f"The {name} cannot be trusted{_quote(health.journal_problem or '')}: "
            "events are refused with 503.",
            f"What can be read still goes to {end}; then the process ends with exit code "
            "74. See to the disk of SLUICE_STATE_DIR.",
        )
    elif health.journal_problem:
        yield Diagnosis(
            Severity.DEGRADED,
            "journal",
            f"The {name} could not be written{_quote(health.journal_problem)}.",
            "Events that cannot be kept are refused with 503; see to the disk of SLUICE_STATE_DIR.",
        )
    if health.events_lost:
        yield Diagnosis(
            Severity.DEGRADED,
            "journal",
            f"{_count(health.events_lost, 'event')} could not be read from the {name}.",
            "A file is missing, or was damaged and put aside with the suffix .damaged; see to the "
            "disk of SLUICE_STATE_DIR.",
        )


def _sessions(health: ServerHealth) -> Iterator[Diagnosis]:
    if health.fold_problem is not None:
        yield Diagnosis(
            Severity.DOWN,
            SESSIONS,
            f"No events become rows: {health.fold_problem}.",
            "Events are taken and wait in the journal; replay or drop dead letters, or see to the "
            "disk of SLUICE_STATE_DIR, and it goes on by itself.",
        )


def _letters(health: ServerHealth) -> Iterator[Diagnosis]:
    if health.letters_problem is not None:
        yield Diagnosis(
            Severity.DEGRADED,
            LETTERS,
            f"Dead letters cannot be written: {health.letters_problem}.",
            "Events that would become one are answered with 503 meanwhile; see to the disk.",
        )
    if not health.letters:
        return
    yield Diagnosis(
        Severity.DOWN if health.letters_full else Severity.NOTE,
        LETTERS,
        f"{_count(health.letters, 'dead letter')} {'waits' if health.letters == 1 else 'wait'} "
        "for somebody to look.",
        "“sluice dead-letters” lists them; replay them once the cause is mended, or drop them.",
    )


def _files(health: ServerHealth) -> Iterator[Diagnosis]:
    if health.sites_problem and health.sites_followed:
        yield Diagnosis(
            Severity.DEGRADED,
            "sites",
            f"Plausible's PostgreSQL is not followed in all{_quote(health.sites_problem)}.",
            "What was last read there is used; “sluice check” says what to do.",
        )
    elif health.sites_problem:
        yield Diagnosis(
            Severity.DEGRADED,
            "sites",
            f"The sites file is not in force{_quote(health.sites_problem)}.",
            "The last good state is used; correct the file and it is taken over at once.",
        )
    elif not health.sites and not health.unknown_accepted:
        yield Diagnosis(
            Severity.DEGRADED,
            "sites",
            "No site is registered: every event is dropped.",
            "Add your sites in Plausible's dashboard."
            if health.sites_followed
            else "Add your sites to the file that SLUICE_SITES names.",
        )
    if health.geo_problem:
        yield Diagnosis(
            Severity.DEGRADED,
            "places",
            f"The geo database is not in force{_quote(health.geo_problem)}.",
            "The last good one is used; put a whole file in its place.",
        )


def _other_servers(health: ServerHealth) -> Iterator[Diagnosis]:
    if health.other_servers:
        yield Diagnosis(
            Severity.DEGRADED,
            "database",
            f"There is another server{_quote(health.other_servers)}: visitors and visits that "
            "reach both are counted twice.",
            "Let only one server write to a database and stop the other; where several are wanted, "
            "see docs/cluster.md.",
        )


def _others(health: ServerHealth) -> Iterator[Diagnosis]:
    for part, state in health.others.items():
        name = part.replace("_", " ")
        yield Diagnosis(
            Severity.DOWN if state == "down" else Severity.DEGRADED,
            name,
            f"Readiness is not content with this part: {name}.",
            "“/ready” says why.",
        )


def _traffic(health: ServerHealth) -> Iterator[Diagnosis]:
    if health.unknown_events and not health.unknown_accepted:
        yield Diagnosis(
            Severity.NOTE,
            "sites",
            f"{_count(health.unknown_events, 'event')} of the last hour named no registered site.",
            "If one is yours, add its domain to the sites file: the last events show it.",
        )
    if not health.events and health.uptime_seconds > QUIET_SECONDS:
        yield Diagnosis(
            Severity.NOTE,
            "traffic",
            "No event has come in the last hour.",
            "If there should be some, see whether the trackers' address leads here.",
        )


def _scripts(health: ServerHealth) -> Iterator[Diagnosis]:
    missing = [script for script in health.odd_scripts if not script.served]
    if missing:
        yield Diagnosis(
            Severity.NOTE,
            SCRIPTS,
            f"Pages ask for scripts of sites that are not known: {_addresses(missing)}.",
            "These pages send nothing; import the sites from Plausible again, or write the id into "
            "[site.script] in the sites file.",
        )
    served = [script for script in health.odd_scripts if script.served]
    if served:
        yield Diagnosis(
            Severity.NOTE,
            SCRIPTS,
            f"Pages ask for scripts whose names have unknown words: {_addresses(served)}.",
            "They get the script without what these words mean; docs/trackers.md has all words.",
        )


def _addresses(scripts: Sequence[OddScript]) -> str:
    named = [
        f"“{each.path}” ({_count(each.requests, 'request')})" for each in scripts[:SHOWN_SCRIPTS]
    ]
    more = len(scripts) - len(named)
    return ", ".join([*named, *([f"{more} more"] if more else [])])


EXAMINATIONS: Final[tuple[Callable[[ServerHealth], Iterator[Diagnosis]], ...]] = (
    _actors,
    _intake,
    _journal,
    _sessions,
    _store,
    _files,
    _letters,
    _other_servers,
    _kafka,
    _cluster,
    _others,
    _traffic,
    _scripts,
)
"""All that is looked at; what is equally bad is reported in this order."""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _share(part: float) -> str:
    return "less than 1%" if part < 0.01 else f"{part:.0%}"


def _quote(reason: str) -> str:
    """A reason in brackets, without the full stop that it may end with."""
    reason = " ".join(reason.split()).rstrip(".")
    return f" ({reason})" if reason else ""


def _sentence(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _ago(seconds: float) -> str:
    if seconds < 2:
        return "just now"
    return f"{seconds:.0f} s ago" if seconds < 120 else f"{seconds / 60:.0f} min ago"
