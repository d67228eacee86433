"""An event's way through the pipeline, step by step, without any consequence."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec

from ingest.model.event import EnrichedEvent, Event
from ingest.model.verdict import DropReason
from ingest.observation.rule import rule_that_hit
from ingest.observation.step_details import found_at_gate, found_in_enrichment
from ingest.observation.trace_format import format_rows, format_site, format_visit
from ingest.pipeline import enrichment, gate
from ingest.pipeline.reference import Reference
from ingest.rows.layout import rows_of
from ingest.sessions.open_sessions import OpenSessions, Transition
from ingest.sites.rate_limit import Forecast

VISIT_STEP: Final = "visit"
"""What the actor that owns the visits does, after all steps."""

_NANOSECONDS: Final = 1000
"""In a microsecond."""


class StepTrace(msgspec.Struct, frozen=True):
    """What one step did.

    Attributes:
        stage: `gate`, `enrichment` or `sessions`.
        step: Its name in the stage's list.
        outcome: `passed`, `dropped`, `failed` (an exception of ours) or `not run`.
        microseconds: How long it took; None when it was not run.
        found: What it looked at and found out.
    """

    stage: str
    step: str
    outcome: str
    microseconds: float | None = None
    found: dict[str, Any] = {}


class EventTrace(msgspec.Struct, frozen=True):
    """What would become of an event for one domain.

    Attributes:
        domain: The domain.
        accepted: Whether the event would be stored.
        reason: Why it would be dropped; None when it would not.
        rule: What would hit, as `rule_that_hit` tells it.
        site: The site; None when no site has the domain.
        steps: All steps in their order.
        visit: The visit that would begin or go on; None when the event does not come so far.
        rows: By table, the rows as column → value, with the ids of visitor and visit shortened.
    """

    domain: str
    accepted: bool
    reason: DropReason | None
    rule: str
    site: dict[str, Any] | None
    steps: list[StepTrace]
    visit: dict[str, Any] | None = None
    rows: dict[str, list[dict[str, Any]]] = {}


def trace_event(
    event: Event, reference: Reference, visits: OpenSessions, clock: Callable[[], int]
) -> EventTrace:
    """Run the steps of the pipeline on an event, and stop where that would.

    Nothing is changed by it: no rate limit is consumed, visits stay as they are.

    Args:
        event: An event that happens now.
        reference: What the steps look things up in.
        visits: The open ones.
        clock: Nanoseconds, to time the steps with.
    """
    reference = replace(reference, limiter=Forecast(reference.limiter))
    steps = _Steps(clock)
    at_gate = gate.Passage(event)
    reason = steps.run(
        "gate", gate.STEPS, at_gate, reference, lambda step: found_at_gate(step, at_gate, reference)
    )
    later = enrichment.Passage(at_gate.passed())
    reason = steps.run(
        "enrichment",
        enrichment.STEPS,
        later,
        reference,
        lambda step: found_in_enrichment(step, later),
        unless=reason,
    )
    enriched = later.passed()
    transition, reason = steps.find_visit(enriched, visits, unless=reason)
    site = reference.site(event.domain)
    return EventTrace(
        domain=event.domain,
        accepted=reason is None,
        reason=reason,
        rule="" if reason is None else rule_that_hit(event, site, reason, reference),
        site=None if site is None else format_site(site, reference),
        steps=steps.traces,
        visit=None if transition is None else format_visit(transition, enriched, visits.timeout),
        rows={} if transition is None else format_rows(rows_of(enriched, transition)),
    )


class _Steps:
    """Runs steps and writes down how they went."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self.traces: list[StepTrace] = []

    def run(
        self,
        stage: str,
        steps: Sequence[tuple[str, Callable[[Any, Reference], DropReason | None]]],
        passage: object,
        reference: Reference,
        found: Callable[[str], dict[str, Any]],
        *,
        unless: DropReason | None = None,
    ) -> DropReason | None:
        """Run a stage's steps until one drops the event.

        Args:
            stage: Its name.
            steps: Its steps.
            passage: The event on its way through them.
            reference: What they look things up in.
            found: Tells what a step found out, once it was run.
            unless: Why the event was dropped before; then nothing is run.
        """
        reason = unless
        for name, step in steps:
            if reason is not None:
                self.traces.append(StepTrace(stage, name, "not run"))
                continue
            reason = self._time(stage, name, partial(step, passage, reference), found)
        return reason

    def find_visit(
        self, event: EnrichedEvent, visits: OpenSessions, *, unless: DropReason | None
    ) -> tuple[Transition | None, DropReason | None]:
        """Find out what the event would do to its visit, if it comes so far."""
        if unless is not None:
            self.traces.append(StepTrace("sessions", VISIT_STEP, "not run"))
            return None, unless
        transition: Transition | None = None

        def find() -> DropReason | None:
            nonlocal transition
            transition = visits.transition(event)
            return None if transition is not None else DropReason.NO_SESSION_FOR_ENGAGEMENT

        def found(_: str) -> dict[str, Any]:
            goes_on = transition is not None and transition.before is not None
            return {"open_visit": goes_on, "visits_open": len(visits)}

        reason = self._time("sessions", VISIT_STEP, find, found)
        return transition, reason

    def _time(
        self,
        stage: str,
        name: str,
        step: Callable[[], DropReason | None],
        found: Callable[[str], dict[str, Any]],
    ) -> DropReason | None:
        """Run one step, as the pipeline does: an exception is ours, not the event's."""
        started = self._clock()
        try:
            reason = step()
        except Exception as error:
            outcome, reason = "failed", DropReason.PERSIST_ERROR
            facts: dict[str, Any] = {"error": type(error).__name__}
        else:
            outcome = "passed" if reason is None else "dropped"
            facts = {}
        microseconds = (self._clock() - started) / _NANOSECONDS
        if outcome != "failed":
            facts = found(name)
        self.traces.append(StepTrace(stage, name, outcome, microseconds, facts))
        return reason
