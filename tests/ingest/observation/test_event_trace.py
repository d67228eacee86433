"""A trace tells what the pipeline does, and changes nothing."""

from dataclasses import replace
from datetime import date
from functools import partial
from itertools import count
from typing import Any

import msgspec
import pytest

from ingest.enrichment.geo import AnyGeoDatabase, NoGeoDatabase
from ingest.model.event import Event, Place
from ingest.model.verdict import ACCEPTED, NO_SESSION, DropReason, Verdict
from ingest.observation.event_trace import VISIT_STEP, EventTrace, trace_event
from ingest.pipeline import steps
from ingest.pipeline.context import EventContext
from ingest.pipeline.gate import VERIFICATION_AGENT
from ingest.pipeline.reference import Reference
from ingest.pipeline.steps import GATE, run_steps
from ingest.rows.layout import rows_of
from ingest.sessions.live_sessions import LiveSessions
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.shields import Shields
from ingest.sites.site import RateLimit, Site, SiteRegistry
from tests.examples import NOON, an_event

STEPS = [
    *((step.stage, step.name) for step in steps.STEPS),
    ("sessions", VISIT_STEP),
]
NOBODY_KNOWS = "198.51.100.77"


class Atlas:
    """Knows one address."""

    def lookup(self, address: str) -> Place:
        return Place("GB") if address == "198.51.100.1" else Place()


def a_reference(**site: Any) -> Reference:
    geo: AnyGeoDatabase = Atlas()  # type: ignore[assignment]
    sites = SiteRegistry([Site(1, "example.com", previous_domain="old.example", **site)])
    return Reference(sites, geo, Salts(Salt(bytes(16), 0)), RateLimiter())


def open_sessions() -> LiveSessions:
    return LiveSessions(1800)


def trace_of(event: Event, reference: Reference, visits: LiveSessions | None = None) -> EventTrace:
    return trace_event(event, reference, visits or open_sessions(), count(0, 1500).__next__)


def send(event: Event, reference: Reference, visits: LiveSessions) -> Verdict:
    """What the pipeline does."""
    context = EventContext(event)
    drop = run_steps(steps.STEPS, context, reference)
    if drop is not None:
        return Verdict.of(drop)
    transition = visits.transition(context.enriched(111_111_111), event.timestamp)
    if transition is None:
        return NO_SESSION
    visits.put(transition.after)
    return ACCEPTED


def shields(**rules: tuple[str, ...]) -> dict[str, Any]:
    return {"shields": Shields(**rules)}


CASES: list[Any] = [
    pytest.param({}, {}, VISIT_STEP, None, id="accepted"),
    pytest.param({"referrer": "https://0-0.fr/"}, {}, "spam_referrer", "spam_referrer", id="spam"),
    pytest.param({"domains": ("else.example",)}, {}, "site", "not_found", id="unknown"),
    pytest.param(
        {},
        {"accept_traffic_until": date(2020, 1, 1)},
        "traffic_accepted",
        "payment_required",
        id="ended",
    ),
    pytest.param({}, {"rate_limit": RateLimit(0, 60)}, "rate_limit", "block", id="blocked"),
    pytest.param(
        {"user_agent": VERIFICATION_AGENT},
        {},
        "verification_agent",
        "verification_agent",
        id="verification",
    ),
    pytest.param({"ip_type": "dc_ip"}, {}, "ip_type", "dc_ip", id="datacentre"),
    pytest.param({"ip_type": "threat_ip"}, {}, "ip_type", "threat_ip", id="threat"),
    pytest.param(
        {},
        shields(hostnames=("a.com",)),
        "hostname_shield",
        "site_hostname_allowlist",
        id="hostname",
    ),
    pytest.param(
        {"pathname": "/admin/x"},
        shields(pages=("/admin/*",)),
        "page_shield",
        "site_page_blocklist",
        id="page",
    ),
    pytest.param({}, shields(ips=("203.0.113.9",)), "ip_shield", "site_ip_blocklist", id="address"),
    pytest.param(
        {}, shields(countries=("ZZ",)), "country_shield", "site_country_blocklist", id="country"
    ),
    pytest.param({"user_agent": "Googlebot/2.1"}, {}, "user_agent", "bot", id="bot"),
    pytest.param({"hostname": ""}, {}, "complete", "invalid", id="incomplete"),
    pytest.param(
        {"name": "engagement"}, {}, VISIT_STEP, "no_session_for_engagement", id="engagement"
    ),
]


@pytest.mark.parametrize(("sent", "site", "last", "reason"), CASES)
def test_the_trace_ends_where_the_pipeline_does(
    sent: dict[str, Any], site: dict[str, Any], last: str, reason: str | None
) -> None:
    reference, event = a_reference(**site), an_event(**sent)
    trace = trace_of(event, reference)
    assert [(step.stage, step.step) for step in trace.steps] == STEPS
    names = [step.step for step in trace.steps]
    outcomes = [step.outcome for step in trace.steps]
    end = names.index(last)
    assert outcomes[:end] == ["passed"] * end
    assert outcomes[end] == ("passed" if reason is None else "dropped")
    assert set(outcomes[end + 1 :]) <= {"not run"}
    assert (trace.reason, trace.accepted) == (reason, reason is None)
    assert bool(trace.rule) is (reason is not None)
    verdict = send(event, reference, open_sessions())
    assert (verdict.reason, verdict.rule) == (trace.reason, trace.rule)
    assert [step.microseconds for step in trace.steps[: end + 1]] == [1.5] * (end + 1)
    assert {step.microseconds for step in trace.steps[end + 1 :]} <= {None}
    assert msgspec.json.encode(trace)


def test_rate_limits_are_shown_and_not_consumed() -> None:
    reference = a_reference(rate_limit=RateLimit(2, 60))
    for used in (0, 1):
        for _ in range(3):
            trace = trace_of(an_event(), reference)
            (found,) = [step.found for step in trace.steps if step.step == "rate_limit"]
            assert (trace.accepted, found["used"], found["allowed"]) == (True, used, 2)
        run_steps(GATE, EventContext(an_event()), reference)
    trace = trace_of(an_event(), reference)
    assert trace.reason is DropReason.THROTTLE
    assert trace.rule == "rate_limit = { events = 2, seconds = 60 }"


def test_the_visit_that_begins_or_goes_on() -> None:
    reference, visits = a_reference(), open_sessions()
    begins = trace_of(an_event(pathname="/a"), reference, visits)
    assert len(visits) == 0
    assert begins.visit is not None
    assert (begins.visit["begins"], begins.visit["session_id"]) == (True, "new")
    send(an_event(pathname="/a"), reference, visits)
    before = list(visits)
    goes_on = trace_of(an_event(pathname="/b", timestamp=NOON + 60), reference, visits)
    assert list(visits) == before
    assert goes_on.visit is not None
    assert goes_on.visit | {"user": None} == {
        "begins": False,
        "session_id": "111111…",
        "start": "2026-09-22 12:00:00",
        "last_activity": "2026-09-22 12:00:00",
        "ends_after_seconds": 1800,
        "entry_page": "/a",
        "pageviews": 2,
        "events": 2,
        "is_bounce": False,
        "duration": 60,
        "user": None,
    }
    sessions = goes_on.rows["sessions_v2"]
    assert [(row["sign"], row["session_id"]) for row in sessions] == [
        (-1, "111111…"),
        (1, "111111…"),
    ]


def test_the_rows_are_those_of_the_pipeline_with_shortened_ids() -> None:
    reference = a_reference(revenue_goals={"Buy": "EUR"})
    event = an_event(
        name="Buy", props=(("plan", "pro"),), referrer="https://news.ycombinator.com/x"
    )
    trace = trace_of(event, reference)
    context = EventContext(event)
    assert run_steps(steps.STEPS, context, reference) is None
    enriched = context.enriched(111_111_111)
    transition = open_sessions().transition(enriched, NOON)
    assert transition is not None
    rows = rows_of(enriched, transition)
    (shown,) = trace.rows["events_v2"]
    assert len(shown) == len(rows.event)
    assert shown["timestamp"] == "2026-09-22 12:00:00"
    assert (shown["meta.key"], shown["meta.value"]) == (["plan"], ["pro"])
    assert shown["referrer_source"] == "Hacker News"
    assert str(enriched.visitor.user_id).startswith(shown["user_id"].rstrip("…"))
    assert len(shown["user_id"]) == 7
    assert shown["session_id"] == "new"
    assert [row["session_id"] for row in trace.rows["sessions_v2"]] == ["new"]


def test_a_failing_step_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def lookup(self, address: str) -> Place:
            raise ZeroDivisionError(address)

    reference = a_reference()
    reference.geo = Broken()  # type: ignore[assignment]
    trace = trace_of(an_event(), reference)
    (failed,) = [step for step in trace.steps if step.outcome == "failed"]
    assert (failed.step, failed.found) == ("geolocation", {"error": "ZeroDivisionError"})
    assert trace.reason is DropReason.PERSIST_ERROR
    assert trace.rule == "an error of the server, see sluice dead-letters"
    assert "203.0.113.9" not in repr(trace)


@pytest.mark.parametrize("address", [NOBODY_KNOWS, f"::ffff:{NOBODY_KNOWS}", "not an address"])
def test_neither_address_nor_user_agent_is_in_a_trace(address: str) -> None:
    rules = ("198.51.100.77", "203.0.113.0/24")
    for site in ({}, shields(ips=rules), shields(countries=("ZZ",))):
        for agent in ("Googlebot (marker)", "Mozilla/5.0 (marker) Firefox/140.0", None):
            event = an_event(client_ip=address, user_agent=agent)
            shown = repr(trace_of(event, a_reference(**site)))
            assert address not in shown
            assert NOBODY_KNOWS not in shown
            assert "marker" not in shown


def test_a_site_by_its_previous_domain() -> None:
    trace = trace_of(an_event(domains=("old.example",)), a_reference())
    assert trace.site == {
        "id": 1,
        "domain": "example.com",
        "previous_domain": "old.example",
        "in_sites_file": True,
    }


def test_a_site_that_is_taken_though_unknown() -> None:
    reference = replace(a_reference(), accept_unknown_sites=True, geo=NoGeoDatabase())
    trace = trace_of(an_event(domains=("else.example",)), reference)
    assert trace.accepted
    assert trace.site is not None
    assert trace.site["in_sites_file"] is False


@pytest.mark.parametrize("goes_on", [False, True])
def test_sources_have_the_names_of_the_store(goes_on: bool) -> None:
    reference, visits = a_reference(), open_sessions()
    event = an_event(referrer="https://chatgpt.com/")
    if goes_on:
        send(event, reference, visits)
    for older, name, channel in (
        (False, "ChatGPT", "AI Assistants"),
        (True, "chatgpt.com", "Organic Search"),
    ):
        reference.older_names = partial(bool, older)
        trace = trace_of(event, reference, visits)
        (found,) = [step.found for step in trace.steps if step.step == "attribution"]
        shown = [found, *trace.rows["events_v2"], *trace.rows["sessions_v2"]]
        assert len(shown) == (4 if goes_on else 3)
        assert {(one["referrer_source"], one["acquisition_channel"]) for one in shown} == {
            (name, channel)
        }
