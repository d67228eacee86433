"""The cost of each pure stage, warm: `python -m benchmarks.stages`, with pyperf's options."""

import json
from collections.abc import Callable
from itertools import cycle

import pyperf

from ingest.enrichment.geo import NoGeoDatabase
from ingest.http.fast_path.event_request import read_head
from ingest.model.event import EnrichedEvent, Event
from ingest.pipeline.context import EventContext
from ingest.pipeline.reference import Reference
from ingest.pipeline.steps import ENRICHMENT, GATE, run_steps
from ingest.records.run import Run, decode_run, encode_run
from ingest.request.client_address import TrustedProxies, resolve_client_ip
from ingest.request.parse import parse_request
from ingest.rows.layout import EventRows, event_row, session_row
from ingest.rows.native import encode_block
from ingest.rows.schema import EVENTS
from ingest.sessions.salts import Salt, Salts
from ingest.sessions.session import advance, begin
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry

NOW = 1_790_078_400
AGENTS = [
    f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{n}.0.0.0"
    " Safari/537.36"
    for n in range(100, 140)
]
BODIES = [
    json.dumps(
        {"n": "pageview", "v": 36, "u": f"https://example.com/blog/post-{n}", "d": "example.com",
         "r": "https://www.google.com/", "p": {"plan": "pro"}}
    ).encode()
    for n in range(200)
]  # fmt: skip
REFERENCE = Reference(
    SiteRegistry([Site(1, "example.com")]),
    NoGeoDatabase(),
    Salts(Salt(b"k" * 16, NOW), Salt(b"p" * 16, NOW - 86_400)),
    RateLimiter(),
)
PRIVATE = TrustedProxies.parse("private")


def gate(event: Event) -> EventContext:
    """Run the gate's steps for an event that passes."""
    context = EventContext(event)
    run_steps(GATE, context, REFERENCE)
    return context


def enrich(context: EventContext) -> EnrichedEvent:
    """Run enrichment's steps for an event that passes."""
    run_steps(ENRICHMENT, context, REFERENCE)
    return context.enriched(7)


def stages() -> dict[str, Callable[[], object]]:
    """Return the stages, in the order of the pipeline."""
    head = "POST /api/event HTTP/1.1\r\nHost: a\r\nUser-Agent: {}\r\nAccept: */*\r\n"
    head += (
        "X-Forwarded-For: 198.51.100.7\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n"
    )
    wire = [
        bytearray(head.format(agent, len(body)).encode() + body)
        for agent, body in zip(cycle(AGENTS), BODIES, strict=False)
    ]
    requests = [
        parse_request(
            "text/plain", body, timestamp=NOW, client_ip="198.51.100.7", user_agent=agent,
            ip_type=None,
        )
        for agent, body in zip(cycle(AGENTS), BODIES, strict=False)
    ]  # fmt: skip
    events = [Event(0, 0, "example.com", request) for request in requests]
    gated = [gate(event) for event in events]
    enriched = [enrich(context) for context in gated]
    session = begin(enriched[0], NOW)
    rows = [
        EventRows(event_row(one, session), (session_row(session, -1), session_row(session, 1)))
        for one in enriched
    ]
    event_rows = [row.event for row in rows]
    run = Run(1, 0, 0, NOW, enriched)
    data = encode_run(run)
    wires, bodies, agents = cycle(wire), cycle(BODIES), cycle(AGENTS)
    all_events, all_gated, all_enriched = cycle(events), cycle(gated), cycle(enriched)
    headers = {"x-forwarded-for": "198.51.100.7"}
    return {
        "read a request's head": lambda: read_head(next(wires)),
        "find the client's address": lambda: resolve_client_ip(headers, "127.0.0.1", PRIVATE),
        "parse and validate": lambda: parse_request(
            "text/plain", next(bodies), timestamp=NOW, client_ip="198.51.100.7",
            user_agent=next(agents), ip_type=None,
        ),
        "gate": lambda: gate(next(all_events)),
        "enrichment": lambda: enrich(next(all_gated)),
        "visit": lambda: advance(session, next(all_enriched), NOW),
        "rows": lambda: (
            event_row(enriched[0], session), session_row(session, -1), session_row(session, 1)
        ),
        "run of the log, 200 events": lambda: encode_run(run),
        "run read back, 200 events": lambda: decode_run(data),
        "native block, 200 events": lambda: encode_block(EVENTS.inserted, event_rows),
    }  # fmt: skip


def main() -> None:
    """Measure all stages."""
    runner = pyperf.Runner()
    for name, stage in stages().items():
        runner.bench_func(name, stage)


if __name__ == "__main__":
    main()
