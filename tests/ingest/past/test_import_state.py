import json
from dataclasses import replace

import pytest

from ingest.past.formats import Format
from ingest.past.import_request import ImportSelection
from ingest.past.import_state import (
    SavedImport,
    header_of,
    parts_of,
    read_header,
    read_saved,
)
from ingest.rows.layout import rows_of
from ingest.sessions.open_sessions import OpenSessions
from ingest.sessions.salts import LIFETIME
from tests.examples import NOON, an_enriched_event
from tests.ingest.past.states import RECORDED, SALT, a_state


def a_saved(events: int) -> SavedImport:
    visits = OpenSessions(1800)
    rows = []
    for number in range(events):
        event = an_enriched_event(pathname=f"/{number}\udcff\n", timestamp=NOON + number)
        transition = visits.transition(event, event.timestamp)
        assert transition is not None
        rows.append(rows_of(event, transition))
        visits.commit(transition)
    return SavedImport(a_state(b"abc"), tuple(visits), tuple(rows))


@pytest.mark.parametrize("events", [0, 1, 1203])
def test_what_is_written_is_read(events: int) -> None:
    saved = a_saved(events)
    assert read_saved(b"".join(parts_of(saved))) == saved


@pytest.mark.parametrize(
    "changes",
    [
        {"salt": None, "done": True},
        {"form": Format.EVENTS, "selection": ImportSelection(None, 1, 2, with_not_found=True)},
    ],
)
def test_states(changes: dict[str, object]) -> None:
    state = replace(a_state(b"abc"), **changes)  # type: ignore[arg-type]
    assert read_header(header_of(state, 3, [4, 5])) == (state, 3, [4, 5])


def test_no_address_and_no_agent() -> None:
    document = json.loads(header_of(a_state(b"abc"), 0, []))
    assert document.keys() == {
        *("version", "id", "form", "selection", "position", "digest", "head", "counts", "events"),
        *("batch_first", "salt", "done", "updated_at", "seconds", "visits", "records"),
    }


@pytest.mark.parametrize(
    ("now", "due"),
    [(NOON, False), (NOON + LIFETIME, False), (NOON + LIFETIME + 1, True), (NOON - 1, True)],
)
def test_when_the_salt_is_due(now: int, due: bool) -> None:
    assert a_state(salt=SALT).salt_is_due(now) is due
    assert not a_state(salt=SALT).without_salt().salt_is_due(now)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version": 9}',
        b"".join(parts_of(a_saved(3)))[:-1],
        b"".join(parts_of(a_saved(3))) + b"x",
        header_of(a_state(), 1, []),
        header_of(a_state(), 1, []) + b"{}\n",
        header_of(a_state(), 0, [2]) + b"\xff\xff",
        header_of(a_state(), 0, []).replace(b'"done"', b'"gone"'),
        header_of(a_state(), 0, []).replace(b"00000000", b"zz"),
    ],
)
def test_something_else(content: bytes) -> None:
    with pytest.raises(ValueError) as broken:  # noqa: PT011 - the message is looked at
        read_saved(content)
    assert SALT.key.hex() not in str(broken.value)


def test_a_recorded_state_is_read_and_written_again() -> None:
    saved = read_saved(RECORDED.read_bytes())
    assert (saved.state.id, saved.state.salt) == ("0123456789ab", SALT)
    assert (saved.state.position, saved.state.events, saved.state.batch_first) == (3, 3, 0)
    assert [
        (visit.session_id, visit.user_id, visit.entry_page, visit.events, visit.touched)
        for visit in saved.visits
    ] == [(2**64 - 1, 1001, "/é", 2, NOON + 30), (5, 2002, "/caf\udce9", 1, NOON + 60)]
    assert [rows.event[6] for rows in saved.rows] == ["/é", "/caf\udce9", "/caf\udce9"]
    assert read_saved(b"".join(parts_of(saved))) == saved
