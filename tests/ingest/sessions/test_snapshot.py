import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sessions.session import begin
from ingest.sessions.snapshot import read_snapshot, write_snapshot
from tests.examples import an_enriched_event


@given(st.text(st.characters(exclude_categories=())), st.integers(0, 2**64 - 1))
def test_visits_come_back_as_they_were(pathname: str, session_id: int) -> None:
    session = begin(an_enriched_event(pathname=pathname, props=((pathname, "v"),)), session_id)
    assert list(read_snapshot(list(write_snapshot([session, session])))) == [session, session]


def test_none_come_back_as_none() -> None:
    assert list(read_snapshot(write_snapshot([]))) == []


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="empty"),
        pytest.param([b"garbage"], id="no JSON"),
        pytest.param([b"[]"], id="no header"),
        pytest.param([b'{"version": 0}'], id="another version"),
        pytest.param([b'{"version": 1}', b'{"session_id": 1}'], id="a visit that lacks fields"),
        pytest.param([b'{"version": 1}', b'{"sess'], id="cut off"),
    ],
)
def test_anything_else_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        list(read_snapshot(lines))
