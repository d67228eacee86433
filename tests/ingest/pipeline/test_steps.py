"""The list, and what runs it."""

import pytest

from ingest.enrichment.geo import NoGeoDatabase
from ingest.model.verdict import Drop, DropReason
from ingest.pipeline.context import EventContext
from ingest.pipeline.reference import Reference
from ingest.pipeline.steps import ENRICHMENT, GATE, STEPS, Step, failing_step, run_steps
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry
from tests.examples import an_event

DROP = Drop(DropReason.BOT, "user agent of a crawler")


def a_reference() -> Reference:
    return Reference(
        SiteRegistry([Site(1, "example.com")]),
        NoGeoDatabase(),
        Salts(Salt(bytes(16), 0)),
        RateLimiter(),
    )


def succeed(context: EventContext, reference: Reference) -> Drop | None:
    return None


def drop(context: EventContext, reference: Reference) -> Drop | None:
    return DROP


def fail(context: EventContext, reference: Reference) -> Drop | None:
    raise ZeroDivisionError(context.event.request.client_ip)


def run(*steps: Step) -> Drop | None:
    return run_steps(steps, EventContext(an_event()), a_reference())


def test_names_are_unique() -> None:
    assert len({step.name for step in STEPS}) == len(STEPS)


def test_the_list_is_run_in_two_parts() -> None:
    assert GATE + ENRICHMENT == STEPS


def test_an_ordinary_event_passes_all_steps() -> None:
    context = EventContext(an_event())
    assert run_steps(STEPS, context, a_reference()) is None
    event = context.enriched(5)
    assert (event.site_id, event.device.browser) == (1, "Chrome")
    assert event.visitor == context.visitor


def test_the_first_drop_ends_the_way() -> None:
    assert run() is None
    assert run(Step("gate", "a", succeed)) is None
    assert run(Step("gate", "a", succeed), Step("gate", "b", drop), Step("gate", "c", fail)) is DROP


def test_a_failing_step_is_named_and_its_exception_is_as_it_was() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        run(Step("gate", "a", succeed), Step("gate", "b", fail))
    assert failing_step(raised.value) == "b"
    assert raised.traceback[-1].name == "fail"
    assert "203.0.113.9" not in "".join(raised.value.__notes__)


def test_other_exceptions_name_no_step() -> None:
    error = ZeroDivisionError()
    assert failing_step(error) is None
    error.add_note("something else")
    assert failing_step(error) is None
