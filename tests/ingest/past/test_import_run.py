from typing import Any

import pytest

from ingest.enrichment.geo import NoGeoDatabase
from ingest.past import import_run as module
from ingest.past.access_log import AccessLogReader
from ingest.past.formats import Format
from ingest.past.import_request import ImportSelection
from ingest.past.import_run import SALT_GONE, ImportRun
from ingest.past.import_state import SavedImport, parts_of, read_saved
from ingest.pipeline.reference import Reference
from ingest.rows.batch import Insert
from ingest.sessions.salts import LIFETIME, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry
from tests.examples import NOON
from tests.ingest.past.lines import COMBINED, options
from tests.ingest.past.states import RECORDED, SALT

REFERENCE = Reference(
    SiteRegistry([Site(1, "example.com")]), NoGeoDatabase(), Salts(SALT), RateLimiter()
)


def content(*numbers: int) -> bytes:
    """A visitor's pages, a second after another."""
    lines = [
        COMBINED.replace("/a?", f"/{number}?").replace("11:58:20", f"11:50:{number:02}")
        for number in numbers
    ]
    return b"".join(line.encode() + b"\n" for line in lines)


def a_run(saved: SavedImport | None = None, now: float = NOON) -> ImportRun:
    reader = AccessLogReader(options())
    return ImportRun(reader, Format.ACCESS_LOG, ImportSelection("example.com"), 1800, now, saved)


def feed(run: ImportRun, piece: bytes) -> None:
    run.take(run.feed(piece), run.with_salt(REFERENCE))


def cut(run: ImportRun, now: float = NOON) -> tuple[SavedImport, tuple[Insert, ...]]:
    saved, inserts = run.cut(now, 2.0)
    return read_saved(b"".join(parts_of(saved))), inserts


def pages(inserts: tuple[Insert, ...]) -> list[str]:
    return [row[6] for insert in inserts if insert.table == "events_v2" for row in insert.rows]


def test_a_batch() -> None:
    run = a_run()
    feed(run, content(1, 2)[:-5])
    feed(run, content(1, 2)[-5:])
    assert run.position == len(content(1, 2))
    saved, inserts = cut(run)
    assert pages(inserts) == ["/1", "/2"]
    assert [insert.token for insert in inserts] == [
        f"import-{run.id}-0-2-sessions",
        f"import-{run.id}-0-2-events",
    ]
    assert not any(insert.attempted for insert in inserts)
    state = saved.state
    assert (state.position, state.events, state.batch_first) == (run.position, 2, 0)
    assert (state.counts.accepted, state.seconds, state.done) == (2, 2.0, False)
    assert len(saved.visits) == 1
    assert not run.has_uncut
    feed(run, content(3))
    assert run.has_uncut
    assert cut(run)[1][1].token == f"import-{run.id}-2-3-events"


def test_another_process_goes_on() -> None:
    run = a_run()
    feed(run, content(1))
    saved, inserts = cut(run)
    other = a_run(saved)
    assert other.id == run.id
    # The same rows under the same tokens.
    assert [(insert.token, insert.rows) for insert in other.repeated] == [
        (insert.token, insert.rows) for insert in inserts
    ]
    assert all(insert.attempted for insert in other.repeated)
    records = other.skip(content(1, 2)[:10])
    assert not list(records)
    assert other.position < other.first_position
    more = other.skip(content(1, 2)[10:])
    assert other.first_is_as_expected
    other.take(more, other.with_salt(REFERENCE))
    assert (other.earlier_lines, other.counts.lines) == (1, 2)
    _, inserts = cut(other)
    assert pages(inserts) == ["/2"]
    # The visit goes on: the state that the first batch wrote is cancelled.
    assert [row[1] for row in inserts[0].rows] == [-1, 1]


def test_what_was_skipped_has_changed() -> None:
    run = a_run()
    feed(run, content(1))
    other = a_run(cut(run)[0])
    other.skip(content(2))
    assert not other.first_is_as_expected


@pytest.mark.parametrize("age", [LIFETIME, LIFETIME + 1])
def test_salts_live_for_48_hours(age: int) -> None:
    run = a_run()
    feed(run, content(1))
    saved, _ = cut(run)
    other = a_run(saved, NOON + age)
    fresh = age <= LIFETIME
    assert (SALT_GONE in other.notes) is not fresh
    other.take(other.skip(content(1, 2)), other.with_salt(REFERENCE))
    _, inserts = cut(other, NOON + age)
    assert [row[1] for row in inserts[0].rows] == ([-1, 1] if fresh else [1])


def test_an_import_that_takes_longer_than_that() -> None:
    run = a_run()
    feed(run, content(1))
    saved, _ = cut(run, NOON + LIFETIME + 1)
    assert saved.state.salt is not None
    assert saved.state.salt.created_at == NOON + LIFETIME + 1
    assert not saved.visits
    assert run.notes == [SALT_GONE]


@pytest.mark.parametrize("keep", [True, False])
def test_the_end(keep: bool) -> None:
    run = a_run()
    feed(run, content(1))
    cut(run)
    saved = run.finish(NOON, 3.0, done=True, keep=keep)
    assert (saved.state.done, saved.rows) == (True, ())
    assert (saved.state.events, saved.state.batch_first) == (1, 1)
    assert ((saved.state.salt is not None), len(saved.visits)) == (keep, int(keep))
    # A log that has grown since is no reason to warn.
    other = a_run(saved)
    assert (other.was_done, other.repeated, other.notes) == (True, (), [])


@pytest.mark.parametrize(
    ("rest", "may_go_on", "taken"),
    [
        pytest.param(content(1)[:-1], False, True, id="whole"),
        pytest.param(content(1)[:-1], True, False, id="still written to"),
        pytest.param(content(1)[:-9], False, False, id="half"),
        pytest.param(b" ", False, False, id="nothing"),
    ],
)
def test_a_last_line_without_an_end(rest: bytes, may_go_on: bool, taken: bool) -> None:
    run = a_run()
    feed(run, rest)
    run.take_last_line(run.with_salt(REFERENCE), may_go_on=may_go_on)
    assert (run.counts.accepted, run.position) == ((1, len(rest)) if taken else (0, 0))
    assert bool(run.notes) is (not taken and bool(rest.strip()))


@pytest.mark.parametrize(("name", "value"), [("BATCH_EVENTS", 2), ("BATCH_BYTES", 400)])
def test_when_a_batch_is_full(name: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, name, value)
    run = a_run()
    feed(run, content(1))
    assert not run.batch_is_full
    feed(run, content(2))
    assert run.batch_is_full
    cut(run)
    assert not run.batch_is_full


def test_what_is_not_to_be_stored() -> None:
    run = a_run()
    feed(run, content(1))
    run.discard()
    assert not run.has_uncut
    assert cut(run)[1] == ()
    assert run.counts.accepted == 1


def test_an_import_of_an_earlier_version_goes_on() -> None:
    saved = read_saved(RECORDED.read_bytes())
    run = a_run(saved)
    # The same rows under the same tokens as that version gives them.
    assert [
        (insert.token, [row[:2] for row in insert.rows], insert.attempted)
        for insert in run.repeated
    ] == [
        ("import-0123456789ab-0-3-sessions", [(2**64 - 1, 1), (5, 1)], True),
        (
            "import-0123456789ab-0-3-events",
            [(NOON, "pageview"), (NOON + 30, "Purchase"), (NOON + 60, "pageview")],
            True,
        ),
    ]
    list(run.skip(b"abc"))
    feed(run, content(1))
    saved, inserts = cut(run)
    assert inserts[1].token == "import-0123456789ab-3-4-events"
    assert (saved.state.events, saved.state.batch_first) == (4, 3)
