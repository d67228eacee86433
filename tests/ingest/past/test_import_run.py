from typing import Any

import pytest

from ingest.enrichment.geo import NoGeoDatabase
from ingest.past import import_run as module
from ingest.past.access_log import AccessLogReader
from ingest.past.formats import Format
from ingest.past.import_request import Selection
from ingest.past.import_run import SALT_GONE, Reading
from ingest.past.import_state import SavedImport, parts_of, read_saved
from ingest.pipeline.reference import Reference
from ingest.rows.batch import Flush
from ingest.sessions.salts import LIFETIME, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry
from tests.examples import NOON
from tests.ingest.past.lines import COMBINED, options
from tests.ingest.past.states import SALT

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


def a_reading(saved: SavedImport | None = None, now: float = NOON) -> Reading:
    reader = AccessLogReader(options())
    return Reading(reader, Format.ACCESS_LOG, Selection("example.com"), 1800, now, saved)


def feed(reading: Reading, piece: bytes) -> None:
    reading.take(reading.feed(piece), reading.salted(REFERENCE))


def cut(reading: Reading, now: float = NOON) -> tuple[SavedImport, Flush]:
    saved, flush = reading.cut(now, 2.0)
    return read_saved(b"".join(parts_of(saved))), flush


def pages(flush: Flush) -> list[str]:
    return [row[6] for insert in flush if insert.table == "events_v2" for row in insert.rows]


def test_a_batch() -> None:
    reading = a_reading()
    feed(reading, content(1, 2)[:-5])
    feed(reading, content(1, 2)[-5:])
    assert reading.position == len(content(1, 2))
    saved, flush = cut(reading)
    assert pages(flush) == ["/1", "/2"]
    assert [insert.token for insert in flush] == [
        f"import-{reading.id}-0-2-sessions",
        f"import-{reading.id}-0-2-events",
    ]
    assert {insert.receipt for insert in flush} == {f"import-{reading.id}-0-2"}
    assert {(insert.end, insert.attempted) for insert in flush} == {(None, False)}
    state = saved.state
    assert (state.position, state.events, state.batch_first) == (reading.position, 2, 0)
    assert (state.counts.accepted, state.seconds, state.done) == (2, 2.0, False)
    assert len(saved.visits) == 1
    assert not reading.has_uncut
    feed(reading, content(3))
    assert reading.has_uncut
    assert cut(reading)[1][1].token == f"import-{reading.id}-2-3-events"


def test_another_process_goes_on() -> None:
    reading = a_reading()
    feed(reading, content(1))
    saved, flush = cut(reading)
    other = a_reading(saved)
    assert other.id == reading.id
    # The same rows under the same tokens.
    assert [(insert.token, insert.rows) for insert in other.repeated] == [
        (insert.token, insert.rows) for insert in flush
    ]
    assert all(insert.attempted for insert in other.repeated)
    records = other.skip(content(1, 2)[:10])
    assert not list(records)
    assert other.position < other.first_position
    more = other.skip(content(1, 2)[10:])
    assert other.first_is_as_expected
    other.take(more, other.salted(REFERENCE))
    assert (other.earlier_lines, other.counts.lines) == (1, 2)
    _, flush = cut(other)
    assert pages(flush) == ["/2"]
    # The visit goes on: the state that the first batch wrote is cancelled.
    assert [row[1] for row in flush[0].rows] == [-1, 1]


def test_what_was_skipped_has_changed() -> None:
    reading = a_reading()
    feed(reading, content(1))
    other = a_reading(cut(reading)[0])
    other.skip(content(2))
    assert not other.first_is_as_expected


@pytest.mark.parametrize("age", [LIFETIME, LIFETIME + 1])
def test_salts_live_for_48_hours(age: int) -> None:
    reading = a_reading()
    feed(reading, content(1))
    saved, _ = cut(reading)
    other = a_reading(saved, NOON + age)
    fresh = age <= LIFETIME
    assert (SALT_GONE in other.notes) is not fresh
    other.take(other.skip(content(1, 2)), other.salted(REFERENCE))
    _, flush = cut(other, NOON + age)
    assert [row[1] for row in flush[0].rows] == ([-1, 1] if fresh else [1])


def test_an_import_that_takes_longer_than_that() -> None:
    reading = a_reading()
    feed(reading, content(1))
    saved, _ = cut(reading, NOON + LIFETIME + 1)
    assert saved.state.salt is not None
    assert saved.state.salt.created_at == NOON + LIFETIME + 1
    assert not saved.visits
    assert reading.notes == [SALT_GONE]


@pytest.mark.parametrize("keep", [True, False])
def test_the_end(keep: bool) -> None:
    reading = a_reading()
    feed(reading, content(1))
    cut(reading)
    saved = reading.finish(NOON, 3.0, done=True, keep=keep)
    assert (saved.state.done, saved.rows) == (True, ())
    assert (saved.state.events, saved.state.batch_first) == (1, 1)
    assert ((saved.state.salt is not None), len(saved.visits)) == (keep, int(keep))
    # A log that has grown since is no reason to warn.
    other = a_reading(saved)
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
    reading = a_reading()
    feed(reading, rest)
    reading.take_last_line(reading.salted(REFERENCE), may_go_on=may_go_on)
    assert (reading.counts.accepted, reading.position) == ((1, len(rest)) if taken else (0, 0))
    assert bool(reading.notes) is (not taken and bool(rest.strip()))


@pytest.mark.parametrize(("name", "value"), [("BATCH_EVENTS", 2), ("BATCH_BYTES", 400)])
def test_when_a_batch_is_full(name: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, name, value)
    reading = a_reading()
    feed(reading, content(1))
    assert not reading.batch_is_full
    feed(reading, content(2))
    assert reading.batch_is_full
    cut(reading)
    assert not reading.batch_is_full


def test_what_is_not_to_be_stored() -> None:
    reading = a_reading()
    feed(reading, content(1))
    reading.discard()
    assert not reading.has_uncut
    assert cut(reading)[1] == ()
    assert reading.counts.accepted == 1
