"""Examines the actors and what the server answers."""

from collections.abc import Iterator, Mapping
from typing import Final

from ingest.observation.diagnosis.finding import Diagnosis, Severity
from ingest.observation.diagnosis.server_health import ServerHealth
from ingest.observation.diagnosis.words import ago, count

LAG_SECONDS: Final = 0.5
"""Event-loop lag that clients notice."""

RECENT_SECONDS: Final = 600.0
"""How long a restart is reported."""

QUEUE_SHARE: Final = 0.5
"""Share of the room for waiting requests beyond which the operator is warned."""


def examine_actors(health: ServerHealth) -> Iterator[Diagnosis]:
    """Actors that failed, or do not work as they should."""
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
            since = ago(actor.seconds_since_failure or 0.0)
            yield Diagnosis(
                Severity.DEGRADED,
                "actors",
                f"The actor “{name}” failed {since} ({actor.last_error}) and was started again; "
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


def examine_intake(health: ServerHealth) -> Iterator[Diagnosis]:
    """What keeps events from being accepted, and requests that got an error."""
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
            f"{count(overloaded, 'request')} could not be taken in the last five minutes (503).",
            "Clients were asked to try again; most trackers in browsers do not.",
        )
    if refused.get(500, 0):
        yield Diagnosis(
            Severity.DEGRADED,
            "intake",
            f"{count(refused[500], 'request')} met an internal error in the last five minutes.",
            "Look for “request failed” in the log; it is a mistake in Sluice.",
        )
    if refused.get(429, 0):
        yield Diagnosis(
            Severity.NOTE,
            "intake",
            f"{count(refused[429], 'request')} beyond the limit of one address in the last five "
            "minutes (429).",
            "SLUICE_FLOOD_REQUESTS_PER_MINUTE sets the limit; if all clients seem to have one "
            "address, see SLUICE_TRUSTED_PROXIES.",
        )
    wrong = sum(requests for code, requests in refused.items() if 400 <= code < 500 and code != 429)
    if wrong:
        yield Diagnosis(
            Severity.NOTE,
            "intake",
            f"{count(wrong, 'request')} in the last five minutes made no sense and got an error.",
            "The answers name the fields at fault; “sluice_validation_errors” in /metrics counts "
            "them.",
        )
