"""From any bytes to the log and to rows: refused, dropped for a reason, or kept as it was."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.enrichment.geo import NoGeoDatabase
from ingest.model.event import EnrichedEvent, Event, EventRequest
from ingest.pipeline.context import EventContext
from ingest.pipeline.reference import Reference
from ingest.pipeline.steps import STEPS, run_steps
from ingest.records.record import Record
from ingest.records.run import Run, decode_run, encode_run
from ingest.request.invalid import InvalidRequest
from ingest.request.parse import parse_request
from ingest.rows.layout import rows_of
from ingest.rows.native import encode_block
from ingest.rows.schema import EVENTS
from ingest.sessions.open_sessions import Transition
from ingest.sessions.salts import Salt, Salts
from ingest.sessions.session import begin
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry
from tests.examples import NOON

SEEDS = {path.name: path.read_bytes() for path in sorted(Path(__file__).parent.glob("seeds/*"))}
BODIES = [json.loads(body) for name, body in SEEDS.items() if name.endswith(".json")]
KEYS = sorted({key for body in BODIES for key in body})

TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.sampled_from([value for body in BODIES for value in body.values() if value]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(
    [None, "text/plain", "application/json", "application/x-www-form-urlencoded"]
)
AGENTS = st.none() | TEXT | st.sampled_from(["Mozilla/5.0 (X11; Linux) Firefox/140.0", "curl/8"])

REFERENCE = Reference(
    SiteRegistry([Site(1, "example.com", revenue_goals={"Purchase": "EUR"})]),
    NoGeoDatabase(),
    Salts(Salt(b"k" * 16, NOON), Salt(b"p" * 16, NOON - 86_400)),
    RateLimiter(),
)


def pass_through(body: bytes, content_type: str | None, agent: str | None) -> EventRequest | None:
    """The whole way of a request, without the tasks."""
    try:
        request = parse_request(
            content_type,
            body,
            timestamp=NOON,
            client_ip="203.0.113.9",
            user_agent=agent,
            ip_type=None,
        )
    except InvalidRequest as invalid:
        answered(dict(invalid.errors))
        return None
    for position, domain in enumerate(request.domains):
        context = EventContext(Event(0, position, domain, request))
        if run_steps(STEPS, context, REFERENCE) is None:
            keep(context.enriched(7))
    return request


def answered(errors: dict[str, list[str]]) -> None:
    """A refusal says why, in JSON."""
    assert errors
    assert all(errors.values())
    json.dumps(errors).encode()


def keep(event: EnrichedEvent) -> None:
    records: list[Record] = [event]
    run = Run(1, 2, 3, NOON, records)
    assert decode_run(encode_run(run)) == run
    rows = rows_of(event, Transition(None, begin(event, NOON)))
    block = encode_block(EVENTS.inserted, [rows.event])
    assert len(block) > len(EVENTS.inserted)


@given(st.binary(max_size=300), TYPES, AGENTS)
def test_bytes(body: bytes, content_type: str | None, agent: str | None) -> None:
    pass_through(body, content_type, agent)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=300)
@given(
    st.sampled_from(BODIES),
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4),
    st.sets(st.sampled_from(KEYS), max_size=2),
    TYPES,
    AGENTS,
)
def test_recorded_bodies_with_other_values(
    seed: dict[str, Any],
    changes: dict[str, Any],
    without: set[str],
    content_type: str | None,
    agent: str | None,
) -> None:
    fields = {key: value for key, value in {**seed, **changes}.items() if key not in without}
    pass_through(json.dumps(fields).encode(), content_type, agent)


@given(
    st.sampled_from(sorted(SEEDS.values())),
    st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=4)), max_size=4),
    TYPES,
)
def test_recorded_bodies_with_other_bytes(
    seed: bytes, edits: list[tuple[int, bytes]], content_type: str | None
) -> None:
    body = bytearray(seed)
    for place, replacement in edits:
        place %= len(body) + 1
        body[place : place + len(replacement)] = replacement
    pass_through(bytes(body), content_type, "Mozilla/5.0 (X11; Linux) Firefox/140.0")


@pytest.mark.parametrize("name", [name for name in SEEDS if name.endswith(".json")])
def test_recorded_bodies_are_taken_as_they_are(name: str) -> None:
    request = pass_through(SEEDS[name], "text/plain", "Mozilla/5.0 (X11; Linux) Firefox/140.0")
    assert request is not None
