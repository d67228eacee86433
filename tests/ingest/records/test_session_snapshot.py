import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.records.session_snapshot import (
    EMPTY,
    Snapshot,
    read_sessions,
    read_snapshot,
)
from ingest.sessions.session import begin
from tests.examples import NOON, an_enriched_event
from tests.ingest.records.examples import ATTRIBUTION, DEVICE, PLACE, a_session
from tests.ingest.records.old_forms import write_sessions

RECORDED = (Path(__file__).parent / "recorded" / "sessions_version_3").read_bytes()
"""A snapshot as the program wrote it when it had a journal of rows: a live visit, and one of the
past, whose page has bytes that are no UTF-8."""

HEADER, LIVE_LINE, PAST_LINE = RECORDED.splitlines(keepends=True)

LIVE = replace(
    begin(
        an_enriched_event(
            pathname="/é",
            props=(("plan", "pro"),),
            place=PLACE,
            device=DEVICE,
            attribution=ATTRIBUTION,
            nonce=2**64 - 1,
        ),
        NOON + 30,
    ),
    timestamp=NOON + 30,
    duration=30,
    events=2,
    is_bounce=False,
)


@given(st.text(st.characters(exclude_categories=())), st.integers(0, 2**64 - 1))
def test_sessions_come_back_as_they_were(pathname: str, number: int) -> None:
    event = an_enriched_event(pathname=pathname, props=((pathname, "v"),), nonce=number)
    sessions = (a_session(), begin(event, NOON + 5))
    lines = write_sessions(sessions).split(b"\n")
    assert lines.pop() == b""
    assert read_sessions(lines) == sessions


def test_a_recorded_snapshot_is_read() -> None:
    snapshot = read_snapshot(RECORDED.splitlines(keepends=True))
    assert (snapshot.journal, snapshot.position) == ("0badc0de", 3)
    # The time of its last event stands for the log's time.
    assert snapshot.sessions == (LIVE,)
    (past,) = snapshot.past
    assert (past.session_id, past.user_id, past.entry_page) == (5, 2002, "/caf\udce9")
    assert (past.attribution, past.place, past.device) == (ATTRIBUTION, PLACE, DEVICE)
    assert past.touched == past.timestamp == NOON + 60


def test_lines_of_both_forms_are_told_apart() -> None:
    lines = [LIVE_LINE, write_sessions([LIVE]), PAST_LINE]
    assert read_sessions(lines)[:2] == (LIVE, LIVE)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(b'{"version": 1}', Snapshot("", 0, (LIVE,)), id="without a journal"),
        pytest.param(
            b'{"version": 2, "journal": "j", "position": 3}',
            Snapshot("j", 3, (LIVE,)),
            id="without visits of the past",
        ),
        pytest.param(
            b'{"version": 3, "journal": "j", "position": 3, "visits": 0, "past_visits": 1}',
            Snapshot("j", 3, (), (LIVE,)),
            id="with visits of the past",
        ),
    ],
)
def test_all_versions_are_read(header: bytes, expected: Snapshot) -> None:
    assert read_snapshot([header + b"\n", LIVE_LINE]) == expected


def test_none_come_back_as_none() -> None:
    assert read_sessions([]) == ()
    header = b'{"version": 3, "journal": "", "position": 0, "visits": 0, "past_visits": 0}'
    assert read_snapshot([header]) == EMPTY


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="empty"),
        pytest.param([b"garbage"], id="no JSON"),
        pytest.param([b"\xff"], id="no text"),
        pytest.param([b"[]"], id="no header"),
        pytest.param([b"[" * 100_000], id="a deep header"),
        pytest.param([b'{"version": 0}'], id="another version"),
        pytest.param([b'{"version": 3}'], id="a header that lacks fields"),
        pytest.param([HEADER], id="fewer visits than the header says"),
        pytest.param([HEADER, *[LIVE_LINE] * 3], id="more visits than it says"),
        pytest.param(
            [HEADER.replace(b'"visits": 1', b'"visits": -1'), LIVE_LINE], id="a negative number"
        ),
        pytest.param([HEADER, b'{"session_id": 1}'], id="a visit that lacks fields"),
        pytest.param([HEADER, b"[1]"], id="a list that lacks fields"),
        pytest.param([HEADER, b'{"sess'], id="cut off"),
        pytest.param([HEADER, b"\xff"], id="a visit that is no text"),
        pytest.param([HEADER, b"[" * 100_000], id="a deep list"),
        pytest.param([HEADER, b'{"a":' * 100_000], id="a deep mapping"),
        pytest.param([HEADER, b"\n", LIVE_LINE], id="an empty line"),
        pytest.param(
            [HEADER, LIVE_LINE, PAST_LINE.replace(b'"site_id": 1', b'"site_id": "1"')],
            id="a field of another type",
        ),
    ],
)
def test_anything_else_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        read_snapshot(lines)


@given(st.lists(st.binary(max_size=60) | st.sampled_from([HEADER, LIVE_LINE, PAST_LINE])))
def test_garbage_is_refused_and_nothing_else_raised(lines: list[bytes]) -> None:
    with contextlib.suppress(ValueError):
        read_snapshot(lines)
