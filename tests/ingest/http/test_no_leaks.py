"""Neither logs nor answers show who a visitor is, whatever happens to a request."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.pipeline.topology import Collector
from actors.stores.store import QueryRefused
from ingest.http.hypercorn.server import Server
from ingest.http.live.event_stream import encode
from ingest.model.event import EventRequest
from ingest.observation.event_filter import EventFilter
from ingest.request.body import BODY_LIMIT
from ingest.sites.shields import Shields
from ingest.sites.site import Site, SiteRegistry
from ingest.telemetry.logs import configure
from tests.actors.pipeline.running_pipeline import Pipeline, fail_once
from tests.ingest.http.application import COMMAND_TOKEN, Application, HTTPAnswer

PEER = "198.51.100.77"
FORWARDED = "192.0.2.177"
AGENT = "MarkerAgent/7.7 (do not show)"
ADMIN_TOKEN = "admin-token-do-not-show"
LINE_END = "\r\nset-cookie: marker=1"
SECRETS = (PEER, FORWARDED, "MarkerAgent", "do not show", ADMIN_TOKEN, COMMAND_TOKEN, "set-cookie")

HEADERS = {"user-agent": AGENT, "x-forwarded-for": FORWARDED, "content-type": "text/plain"}
LONG = b" " * (BODY_LIMIT + 1)


def event(**changes: Any) -> bytes:
    fields = {"n": "pageview", "u": "https://example.com/", "d": "example.com"} | changes
    return json.dumps(fields).encode()


REQUESTS: dict[str, tuple[int, str, str, bytes, dict[str, str]]] = {
    "accepted": (202, "POST", "/api/event", event(), {}),
    "dropped": (202, "POST", "/api/event", event(d="unknown.example"), {}),
    "dropped as a bot's": (
        202,
        "POST",
        "/api/event",
        event(),
        {"user-agent": f"Googlebot {AGENT}"},
    ),
    "wrong fields": (400, "POST", "/api/event", event(n="", u=f"data:{FORWARDED}", d=" "), {}),
    "fields with line ends": (202, "POST", "/api/event", event(n=LINE_END, d=LINE_END), {}),
    "no JSON": (400, "POST", "/api/event", f"{{{AGENT}{FORWARDED}".encode(), {}),
    "a form without boundary": (
        *(400, "POST", "/api/event", AGENT.encode()),
        {"content-type": f"multipart/form-data; {AGENT}"},
    ),
    "too long": (413, "POST", "/api/event", LONG, {"content-type": "application/json"}),
    "not acceptable": (406, "POST", "/api/event", event(), {"accept": f"text/{AGENT}"}),
    "no address": (202, "POST", "/api/event", event(), {"x-forwarded-for": f"{AGENT}{FORWARDED}"}),
    "no route": (404, "GET", f"/{FORWARDED}/%0d%0aset-cookie:%20a?ip={FORWARDED}", b"", {}),
    "no method": (405, "DELETE", "/api/event", b"", {}),
    "preflight": (204, "OPTIONS", f"/{FORWARDED}", b"", {"origin": f"https://{FORWARDED}"}),
    "ready": (200, "GET", "/ready", b"", {}),
    "metrics": (200, "GET", "/metrics", b"", {"authorization": f"Bearer {ADMIN_TOKEN}"}),
    "metrics, refused": (401, "GET", "/metrics", b"", {"authorization": f"Bearer {AGENT}"}),
    "query, refused": (401, "POST", "/api/query", AGENT.encode(), {"authorization": "Bearer x"}),
}


SIGNED = {"authorization": f"Bearer {ADMIN_TOKEN}"}
WATCHED: dict[str, tuple[int, str, str, bytes, dict[str, str]]] = {
    "validated": (200, "POST", "/api/event/validate", event(), SIGNED),
    "validated, a bot's": (
        *(200, "POST", "/api/event/validate", event(d="example.com,b.example")),
        SIGNED | {"user-agent": f"Googlebot {AGENT}"},
    ),
    "validated, wrong": (400, "POST", "/api/event/validate", event(n=""), SIGNED),
    "validated, no address": (
        *(200, "POST", "/api/event/validate", event()),
        SIGNED | {"x-forwarded-for": f"{AGENT}{FORWARDED}"},
    ),
    "dropped, and told why": (
        *(202, "POST", "/api/event", event(d=f"example.com,{LINE_END}")),
        SIGNED | {"user-agent": f"Googlebot {AGENT}"},
    ),
    "drops": (200, "GET", "/api/drops", b"", SIGNED),
    "no drops": (401, "GET", "/api/drops", b"", {"authorization": f"Bearer {AGENT}"}),
}


async def test_what_the_operator_sees(
    autojump_clock: MockClock, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("debug", "json")
    application = Application(pipeline, token=ADMIN_TOKEN)
    shields = Shields(ips=(FORWARDED,), pages=("/blocked",))
    pipeline.reference.registry = SiteRegistry([Site(1, "example.com", shields=shields)])
    broadcast = pipeline.collector.broadcast
    with broadcast.follow(EventFilter()) as follower:
        answers = [await ask(application, name, REQUESTS | WATCHED) for name in REQUESTS | WATCHED]
        seen = encode(await follower.next())
    assert seen.count(b"event: dropped") > 5
    kept = broadcast.recent
    logged = "".join(capsys.readouterr())
    in_memory = repr([kept.drops(lambda _: True), kept.accepted(lambda _: True)])
    # A domain may look like a header; it is shown as JSON, in which no line ends.
    assert shown([], logged) == {}
    assert shown([], (in_memory + seen.decode()).replace("set-cookie", "")) == {}
    assert shown(answers, "").keys() <= {"set-cookie"}
    assert not any("set-cookie" in answer.headers for answer in answers)


async def ask(
    application: Application,
    name: str,
    requests: dict[str, tuple[int, str, str, bytes, dict[str, str]]] = REQUESTS,
) -> HTTPAnswer:
    status, method, path, body, headers = requests[name]
    answer = await application.ask(method, path, body, HEADERS | headers, peer=PEER)
    assert answer.status == status, name
    return answer


def shown(answers: list[HTTPAnswer], logged: str) -> dict[str, str]:
    """Every secret that is shown, and where."""
    places = {"the log": logged}
    for number, answer in enumerate(answers):
        places[f"answer {number}"] = f"{answer.headers}{answer.body!r}"
    return {secret: name for name, text in places.items() for secret in SECRETS if secret in text}


async def test_ordinary_requests(
    autojump_clock: MockClock, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("debug", "json")
    application = Application(pipeline, token=ADMIN_TOKEN)
    answers = [await ask(application, name) for name in REQUESTS]
    await trio.sleep(30)
    answers.append(await ask(application, "metrics"))
    logged = "".join(capsys.readouterr())
    assert shown(answers, logged) == {}
    salts = pipeline.reference.salts
    for text in (salts.current.key.hex(), repr(salts.current.key)[2:-1]):
        assert text not in logged


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        pytest.param(lambda collector: collector.intake, "send", id="intake"),
        pytest.param(lambda collector: collector.front.gate, "handle", id="gate"),
        pytest.param(lambda collector: collector.front.enrichment, "handle", id="enrichment"),
        pytest.param(lambda collector: collector.front.recorder, "handle", id="recorder"),
        pytest.param(lambda collector: collector.back.partition.sessions.fold, "take", id="fold"),
    ],
)
async def test_failures(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    owner: Callable[[Collector], object],
    method: str,
) -> None:
    configure("debug", "json")
    application = Application(pipeline)
    failed = fail_once(owner(pipeline.collector), method, monkeypatch)
    body = event()
    answers = [
        await application.ask("POST", "/api/event", body, HEADERS, peer=PEER) for _ in range(2)
    ]
    await trio.sleep(10)
    assert failed()
    logged = "".join(capsys.readouterr())
    assert '"error": "ZeroDivisionError' in logged
    assert shown(answers, logged) == {}


async def test_failures_that_quote_the_visitor(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("debug", "json")

    def fail(event_request: EventRequest, **_: object) -> None:
        raise ValueError(event_request.client_ip, event_request.user_agent, repr(event_request))

    monkeypatch.setattr(pipeline.collector.intake, "send", fail)
    application = Application(pipeline)
    answer = await application.ask("POST", "/api/event", event(), HEADERS, peer=PEER)
    assert answer.status == 500
    assert shown([answer], "".join(capsys.readouterr())) == {}


async def test_refusals(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("debug", "json")

    async def refuse(sql: str) -> list[str]:
        raise QueryRefused("no such table")

    application = Application(pipeline, flood=1)
    monkeypatch.setattr(pipeline.store, "query", refuse)
    bearer = HEADERS | {"authorization": f"Bearer {COMMAND_TOKEN}"}
    answers = [
        await application.ask("POST", "/api/event", event(), HEADERS, peer=PEER),
        await application.ask("POST", "/api/event", event(), HEADERS, peer=PEER),
        await application.ask("POST", "/api/query", AGENT.encode(), bearer, peer=PEER),
    ]
    pipeline.collector.intake.close()
    answers.append(await application.ask("POST", "/api/event", event(), HEADERS, peer=PEER))
    assert [answer.status for answer in answers] == [202, 429, 400, 503]
    assert shown(answers, "".join(capsys.readouterr())) == {}


async def test_requests_that_are_none(
    tmp_path: Any, nursery: trio.Nursery, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("debug", "json")
    application = Application(Pipeline(tmp_path))
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = Server(application.app, listeners, application.pipeline.collector.metrics)
    await nursery.start(server.run)
    port = listeners[0].socket.getsockname()[1]
    head = f"GET / HTTP/1.1\r\nhost: a\r\nuser-agent: {AGENT}\r\nx-forwarded-for: {FORWARDED}\r\n"
    answers = b""
    for rest in ("bad header\r\n\r\n", "content-length: x\r\n\r\n", "x: 1\r\n" * 100 + "\r\n"):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all((head + rest).encode())
            async for chunk in stream:
                answers += chunk
    assert answers.count(b"HTTP/1.1 4") == 3
    assert shown([], answers.decode() + "".join(capsys.readouterr())) == {}
    nursery.cancel_scope.cancel()
