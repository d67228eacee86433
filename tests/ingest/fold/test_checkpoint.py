import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.fold import checkpoint as module
from ingest.fold.checkpoint import FoldState, read_parts, write_parts
from ingest.fold.import_sessions import ImportFigures, SavedImport
from ingest.fold.sources import TakenSource
from ingest.model.event import Attribution, Source
from ingest.records.record import Description
from ingest.sessions.session import Session
from tests.examples import NOON
from tests.ingest.records.examples import a_session

DESCRIPTION = Description(session_seconds=1800, margin_seconds=60)
HEADER, LIVE, PAST, SOURCES, IMPORT, IMPORT_SESSIONS = range(6)
"""Kinds of parts."""


def an_import(name: str = "import:a", sessions: Sequence[Session] | None = None) -> SavedImport:
    open_sessions = [replace(a_session(), session_id=4)] if sessions is None else sessions
    return SavedImport(name, NOON + 7, ImportFigures(5, 6), open_sessions)


def a_state(**changes: Any) -> FoldState:
    """One of everything."""
    fields: dict[str, Any] = {
        "log_id": "0badc0de",
        "position": 2**63,
        "number": 2**62,
        "log_time": NOON + 100,
        "description": DESCRIPTION,
        "sessions": [a_session()],
        "past": [replace(a_session(), session_id=3, touched=NOON)],
        "sources": [TakenSource("letter:a", 2, NOON + 5)],
        "imports": (an_import(),),
    }
    return FoldState(**(fields | changes))


def some_sessions(number: int, **changes: Any) -> list[Session]:
    return [replace(a_session(), user_id=user, **changes) for user in range(number)]


TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
IDS = st.integers(0, 2**64 - 1)
sessions = st.lists(
    st.builds(
        replace,
        st.just(a_session()),
        session_id=IDS,
        user_id=IDS,
        entry_page=TEXTS,
        entry_props=st.lists(st.tuples(TEXTS, TEXTS), max_size=2).map(tuple),
        attribution=st.builds(Attribution, TEXTS),
        is_bounce=st.booleans(),
    ),
    max_size=5,
    unique_by=lambda session: session.user_id,
)
sources = st.lists(st.builds(TakenSource, TEXTS, IDS, IDS), max_size=3)


@given(sessions, sessions, sources, st.lists(sessions, max_size=3), st.integers(1, 2000))
def test_a_state_comes_back_as_it_was(
    live: list[Session],
    past: list[Session],
    sources: list[TakenSource],
    imports: list[list[Session]],
    part_size: int,
) -> None:
    named = tuple(an_import(f"import:{number}", some) for number, some in enumerate(imports))
    state = a_state(sessions=live, past=past, sources=sources, imports=named)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "PART_SIZE", part_size)
        parts = list(write_parts(state))
    assert read_parts(parts) == state


def test_a_restored_fold_goes_on_where_the_saved_one_was() -> None:
    state = a_state()
    fold = state.restore()
    assert (fold.log_time, fold.description) == (NOON + 100, DESCRIPTION)
    assert list(fold.sessions) == state.sessions
    assert list(fold.past) == state.past
    assert list(fold.sources) == state.sources
    assert fold.sources.has_taken(Source("letter:a", 2))
    ((name, restored),) = fold.imports
    assert (name, restored.touched, restored.figures) == ("import:a", NOON + 7, (5, 6))
    assert [session.session_id for session in restored.open] == [4]
    assert restored.open.timeout == 1800
    assert (fold.sessions.timeout, fold.sessions.margin, fold.past.timeout) == (1800, 60, 1800)
    # The log's time goes on, too: that of the next record may be a step back.
    fold.begin_run(NOON + 50)
    assert [session.touched for session in fold.sessions] == [NOON + 50]


def test_sessions_are_saved_in_parts_of_bounded_size() -> None:
    state = a_state(sessions=some_sessions(5000), past=some_sessions(1200))
    parts = list(write_parts(state))
    assert max(map(len, parts)) < 100_000
    assert len(parts) < 50
    back = read_parts(parts)
    assert [session.user_id for session in back.sessions] == list(range(5000))
    assert [session.user_id for session in back.past] == list(range(1200))


@pytest.mark.parametrize("text", ["v", "\udcff"], ids=["binary", "text"])
def test_large_sessions_are_saved_a_few_at_a_time(text: str) -> None:
    props = tuple((f"{number:0300}", text * 2000) for number in range(30))
    parts = list(write_parts(a_state(sessions=some_sessions(20, entry_props=props))))
    assert max(map(len, parts)) < 1_000_000
    assert len(read_parts(parts).sessions) == 20


def test_text_that_is_no_utf_8_makes_only_its_own_part_json() -> None:
    state = a_state(past=[replace(a_session(), entry_page="/\udcff")])
    assert [part[:2] for part in write_parts(state)] == [
        bytes((HEADER, 0)),
        bytes((LIVE, 0)),
        bytes((PAST, 1)),
        bytes((SOURCES, 0)),
        bytes((IMPORT, 0)),
        bytes((IMPORT_SESSIONS, 0)),
    ]


def test_an_empty_fold_is_a_header() -> None:
    state = a_state(sessions=[], past=[], sources=[], imports=())
    (header,) = write_parts(state)
    assert read_parts([header]) == state


def test_a_checkpoint_of_a_version_without_imports_is_read() -> None:
    state = a_state(imports=())
    header, *rest = write_parts(state)
    fields: list[object] = msgspec.msgpack.decode(header[2:])
    older = header[:2] + msgspec.msgpack.encode(fields[:-1])
    assert read_parts([older, *rest]) == state


PARTS = list(write_parts(a_state()))


def a_header(**changes: Any) -> bytes:
    """The header with other values."""
    header: module.CheckpointHeader = msgspec.msgpack.decode(
        PARTS[0][2:], type=module.CheckpointHeader
    )
    return PARTS[0][:2] + msgspec.msgpack.encode(replace(header, **changes))


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        pytest.param([], "a part is empty", id="nothing"),
        pytest.param([b"\0"], "a part is empty", id="half a part"),
        pytest.param(PARTS[1:], "it has no header", id="no header"),
        *(
            pytest.param(PARTS[:gone] + PARTS[gone + 1 :], "parts are missing", id=f"no {name}")
            for gone, name in (
                (LIVE, "sessions"),
                (PAST, "past"),
                (SOURCES, "sources"),
                (IMPORT_SESSIONS, "sessions of an import"),
            )
        ),
        pytest.param(PARTS[:IMPORT], "parts are missing", id="no import"),
        pytest.param(PARTS[:IMPORT] + PARTS[IMPORT_SESSIONS:], "of kind 5", id="whose sessions"),
        pytest.param([*PARTS, PARTS[LIVE]], "parts are missing", id="a part twice"),
        pytest.param([*PARTS, b"\x06\x00\x90"], "a part of kind 6", id="another kind"),
        pytest.param([*PARTS, PARTS[0]], "a part of kind 0", id="two headers"),
        pytest.param([*PARTS, b""], "a part is empty", id="an empty part"),
        pytest.param([PARTS[0][:-1], *PARTS[1:]], "broken content", id="half a header"),
        pytest.param([PARTS[0], PARTS[1][:-1]], "broken content", id="half a session"),
        pytest.param([PARTS[0], b"\x01\x02" + PARTS[1][2:]], "broken content", id="another form"),
        pytest.param([PARTS[0], b"\x01" + PARTS[SOURCES][1:]], "broken content", id="mixed up"),
        pytest.param([a_header(sessions=-1), *PARTS[1:]], "parts are missing", id="below zero"),
        pytest.param([a_header(sources=2**40), *PARTS[1:]], "parts are missing", id="too many"),
        pytest.param([a_header(version=2), *PARTS[1:]], r"version \[2\] ", id="a later version"),
        pytest.param([b"\0\0\x90", *PARTS[1:]], r"version \[\] ", id="an empty header"),
    ],
)
def test_anything_else_is_refused(parts: list[bytes], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_parts(parts)


def test_a_later_version_is_refused_whatever_its_header_holds() -> None:
    header = b"\0\0" + msgspec.msgpack.encode([2, {"log": 5}, None])
    with pytest.raises(ValueError, match=r"version \[2\] of a checkpoint is not known"):
        read_parts([header])


@given(
    st.lists(
        st.binary(max_size=40)
        | st.sampled_from(PARTS)
        | st.builds(
            bytes.__add__, st.sampled_from([b"\1\0", b"\1\1", b"\3\0", b"\4\0"]), st.binary()
        )
    )
)
def test_garbage_is_refused_and_nothing_else_raised(parts: list[bytes]) -> None:
    with contextlib.suppress(ValueError):
        read_parts(parts)
    with contextlib.suppress(ValueError):
        read_parts([PARTS[0], *parts])


def test_the_order_of_past_sessions_and_sources_is_kept() -> None:
    state = a_state(
        sessions=some_sessions(600),
        past=list(reversed(some_sessions(600))),
        sources=[TakenSource(f"letter:{number}", 1, NOON) for number in reversed(range(1000))],
    )
    fold = read_parts(write_parts(state)).restore()
    assert sorted(fold.sessions, key=lambda session: session.user_id) == state.sessions
    assert list(fold.past) == state.past
    assert list(fold.sources) == state.sources
    # What is saved again is the same.
    again = replace(state, past=list(fold.past), sources=list(fold.sources))
    assert list(write_parts(again)) == list(write_parts(state))
