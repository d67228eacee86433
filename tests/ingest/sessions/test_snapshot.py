import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sessions.session import begin
from ingest.sessions.snapshot import Snapshot, read_snapshot, write_header, write_sessions
from tests.examples import an_enriched_event

VISIT = begin(an_enriched_event(), 7)
HEADER = write_header(Snapshot("j", 3, (VISIT,)))


@given(st.text(st.characters(exclude_categories=())), st.integers(0, 2**64 - 1))
def test_visits_come_back_as_they_were(pathname: str, session_id: int) -> None:
    session = begin(an_enriched_event(pathname=pathname, props=((pathname, "v"),)), session_id)
    snapshot = Snapshot("j", 12, (session, session), (session,))
    text = write_header(snapshot) + write_sessions([*snapshot.sessions, *snapshot.past])
    assert read_snapshot(text.splitlines(keepends=True)) == snapshot


def test_none_come_back_as_none() -> None:
    assert read_snapshot([write_header(Snapshot("", 0, ()))]) == Snapshot("", 0, ())


@pytest.mark.parametrize(
    ("header", "journal", "position"),
    [
        pytest.param(b'{"version": 1}', "", 0, id="without a journal"),
        pytest.param(
            b'{"version": 2, "journal": "j", "position": 3}',
            "j",
            3,
            id="without visits of the past",
        ),
    ],
)
def test_earlier_versions_are_still_read(header: bytes, journal: str, position: int) -> None:
    lines = [header + b"\n", write_sessions([VISIT])]
    assert read_snapshot(lines) == Snapshot(journal, position, (VISIT,))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="empty"),
        pytest.param([b"garbage"], id="no JSON"),
        pytest.param([b"\xff"], id="no text"),
        pytest.param([b"[]"], id="no header"),
        pytest.param([b'{"version": 0}'], id="another version"),
        pytest.param([b'{"version": 3}'], id="a header that lacks fields"),
        pytest.param([HEADER], id="fewer visits than the header says"),
        pytest.param(
            [HEADER, write_sessions([VISIT]), write_sessions([VISIT])],
            id="more visits than it says",
        ),
        pytest.param([HEADER, b'{"session_id": 1}'], id="a visit that lacks fields"),
        pytest.param([HEADER, b'{"sess'], id="cut off"),
        pytest.param([HEADER, b"\xff"], id="a visit that is no text"),
        pytest.param(
            [HEADER, write_sessions([VISIT]).replace(b"7", b'"7"')], id="a field of another type"
        ),
    ],
)
def test_anything_else_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        read_snapshot(lines)
