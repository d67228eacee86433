"""The gate as an actor: verdicts for what it drops, letters for what it cannot handle."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from ingest.letters.dead_letter import redact
from ingest.model.verdict import ACCEPTED, SET_ASIDE, DropReason, Verdict
from ingest.pipeline.enrichment import visitor_of
from tests.actors.pipeline.running_pipeline import Pipeline, fail_once, running
from tests.examples import an_event


async def test_what_passes_is_sent_on_and_the_rest_is_answered(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    collector = Pipeline(tmp_path).collector
    ticket = collector.front.verdicts.open(2)
    unknown = an_event(ticket=ticket.number, domains=("unknown.example",))
    known = an_event(ticket=ticket.number, position=1, domains=("", "example.com"))
    assert collector.front.gate.handle(unknown) is None
    gated = collector.front.gate.handle(known)
    assert gated is not None
    assert gated.event is known
    assert ticket.verdicts == [Verdict(DropReason.NOT_FOUND), None]


@pytest.mark.parametrize("error", [ZeroDivisionError("203.0.113.9"), None])
async def test_a_letter_holds_no_address_but_the_visitors_ids(
    autojump_clock: MockClock, tmp_path: Path, error: Exception | None
) -> None:
    pipeline = Pipeline(tmp_path)
    collector = pipeline.collector
    event = an_event()
    collector.front.gate.set_aside(event, error)
    collector.letters.flush()
    (letter_id,) = collector.letters.ids()
    letter = collector.letters.directory.read(letter_id)
    assert letter.actor == "gate"
    assert letter.content == redact(event, lambda: visitor_of(event, pipeline.reference))
    (path,) = (tmp_path / "letters").iterdir()
    assert event.request.client_ip not in path.read_text()


async def test_the_sender_of_a_letter_is_answered_once_it_is_kept(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    collector = Pipeline(tmp_path).collector
    ticket = collector.front.verdicts.open(1)
    collector.front.gate.set_aside(an_event(ticket=ticket.number), None)
    assert ticket.verdicts == [None]
    collector.letters.flush()
    assert ticket.verdicts == [SET_ASIDE]
    assert not ticket.missing


async def test_a_restart_finds_the_rate_limits_as_they_were(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        limiter, registry = pipeline.reference.limiter, pipeline.reference.registry
        fail_once(pipeline.front.gate, "handle", monkeypatch)
        assert await pipeline.send() == [SET_ASIDE]
        assert await pipeline.send() == [ACCEPTED]
        assert pipeline.reference.limiter is limiter
        assert pipeline.reference.registry is registry


async def test_the_inboxs_end_ends_the_gate(autojump_clock: MockClock, tmp_path: Path) -> None:
    collector = Pipeline(tmp_path).collector
    collector.intake.close()
    with trio.fail_after(1):
        await collector.front.gate.run()
