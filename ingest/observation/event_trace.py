"""Traces an event through the pipeline, step by step, without side effects."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec

from ingest.model.event import Event
from ingest.model.verdict import ACCEPTED, NO_SESSION, SET_ASIDE, DropReason, Verdict
from ingest.observation.step_details import Details, step_details
from ingest.observation.trace_format import NEW_SESSION, format_rows, format_site, format_visit
from ingest.pipeline.context import EventContext
from ingest.pipeline.reference import Reference
from ingest.pipeline.steps import STEPS, Step, run_steps
from ingest.rows.layout import rows_of
from ingest.sessions.live_sessions import LiveSessions
from ingest.sessions.open_sessions import Transition
from ingest.sites.rate_limit import Forecast

VISIT_STEP: Final = "visit"
"""The name of the fold's part, after all steps."""

_NANOSECONDS: Final = 1000
"""In a microsecond."""


class StepTrace(msgspec.Struct, frozen=True):
    """The trace of one step.

    Attributes:
        stage: `gate`, `enrichment` or `sessions`.
        step: Its name in the stage's list.
        outcome: `passed`, `dropped`, `failed` (an exception of ours) or `not run`.
        microseconds: How long it took; None when it was not run.
        found: Its inputs and results.
    """

    stage: str
    step: str
    outcome: str
    microseconds: float | None = None
    found: Details = {}


class EventTrace(msgspec.Struct, frozen=True):
    """The trace of an event for one domain.

    Attributes:
        domain: The domain.
        accepted: Whether the event would be stored.
        reason: Why it would be dropped; None when it would not.
        rule: What would match, as in `Drop`; empty when the event would be stored.
        site: The site; None when no site has the domain.
        steps: All steps in their order.
        visit: The session that the event would start or continue; None if it is dropped before.
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
    event: Event, reference: Reference, visits: LiveSessions | None, clock: Callable[[], int]
) -> EventTrace:
    """Run the steps of the pipeline on an event, up to the step that drops it.

    Nothing is changed: no rate limit is consumed, and sessions stay unchanged.

    Args:
        event: An event that happens now.
        reference: What the steps look things up in.
        visits: The open ones; None if this process does not know them.
        clock: Nanoseconds, to time the steps with.
    """
    reference = replace(reference, limiter=Forecast(reference.limiter))
    context = EventContext(event)
    recorder = _Recorder(clock)
    for step in STEPS:
        recorder.run(
            step.stage,
            step.name,
            partial(_decide, step, context, reference),
            partial(step_details, step.name, context, reference),
        )
    enriched = context.enriched(NEW_SESSION)
    transition: Transition | None = None

    def find_visit() -> Verdict:
        nonlocal transition
        if visits is None:
            return ACCEPTED
        transition = visits.transition(enriched, event.timestamp)
        return NO_SESSION if transition is None else ACCEPTED

    def visit_details() -> Details:
        if visits is None:
            return {"open_visit": "only the cluster's workers know it"}
        goes_on = transition is not None and transition.before is not None
        return {"open_visit": goes_on, "visits_open": visits.count(event.timestamp)}

    recorder.run("sessions", VISIT_STEP, find_visit, visit_details)
    verdict, site = recorder.verdict, reference.site(event.domain)
    return EventTrace(
        domain=event.domain,
        accepted=verdict.accepted,
        reason=verdict.reason,
        rule=verdict.rule,
        site=None if site is None else format_site(site, reference),
        steps=recorder.traces,
        visit=(
            None
            if transition is None or visits is None
            else format_visit(transition, enriched, visits.timeout)
        ),
        rows=(
            {}
            if transition is None
            else format_rows(rows_of(enriched, _as_stored(transition, reference)))
        ),
    )


def _as_stored(transition: Transition, reference: Reference) -> Transition:
    before = transition.before
    return Transition(
        None if before is None else reference.as_stored(before),
        reference.as_stored(transition.after),
    )


def _decide(step: Step, context: EventContext, reference: Reference) -> Verdict:
    return Verdict.of(run_steps((step,), context, reference))


class _Recorder:
    """Runs steps until one drops the event, and records their traces."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self.traces: list[StepTrace] = []
        self.verdict = ACCEPTED

    def run(
        self,
        stage: str,
        step: str,
        decide: Callable[[], Verdict],
        details: Callable[[], Details],
    ) -> None:
        """Run one step as the pipeline does; an exception counts as a failure.

        Args:
            stage: Its stage.
            step: Its name.
            decide: Runs it.
            details: Tells what it found out, once it was run.
        """
        if not self.verdict.accepted:
            self.traces.append(StepTrace(stage, step, "not run"))
            return
        error: Exception | None = None
        started = self._clock()
        try:
            self.verdict = decide()
        except Exception as raised:
            self.verdict, error = SET_ASIDE, raised
        microseconds = (self._clock() - started) / _NANOSECONDS
        if error is not None:
            outcome, found = "failed", {"error": type(error).__name__}
        else:
            outcome, found = "passed" if self.verdict.accepted else "dropped", details()
        self.traces.append(StepTrace(stage, step, outcome, microseconds, found))
