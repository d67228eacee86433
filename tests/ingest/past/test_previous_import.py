import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.import_state import HEAD_BYTES, ImportState
from ingest.past.previous_import import Recognition
from tests.examples import NOON
from tests.ingest.past.states import a_state

CONTENT = random.Random(1).randbytes(3 * HEAD_BYTES)  # noqa: S311 - the same each time


def recognise(content: bytes, *known: ImportState, size: int = 1000) -> Recognition:
    recognition = Recognition(known)
    for start in range(0, len(content), size):
        recognition.feed(content[start : start + size])
    if not recognition.finished:
        recognition.end()
    assert recognition.finished
    return recognition


@pytest.mark.parametrize(
    "length", [1, 100, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, 3 * HEAD_BYTES]
)
@pytest.mark.parametrize("size", [7, 1000, 10**6])
def test_found_by_what_was_read(length: int, size: int) -> None:
    known = a_state(CONTENT[:length])
    assert recognise(CONTENT, known, size=size).found is known


def test_the_longest_beginning_counts() -> None:
    states = [a_state(CONTENT[:length], id=str(length)) for length in (9000, 10, 5000)]
    other = a_state(b"x" + CONTENT, id="other")
    found = recognise(CONTENT, *states, other).found
    assert found is states[0]
    assert recognise(CONTENT[:6000], *states, other).found is states[2]


def test_of_two_the_later() -> None:
    early, late = (a_state(CONTENT, id=str(at), updated_at=at) for at in (NOON, NOON + 1))
    assert recognise(CONTENT, late, early).found is late


def test_another_file() -> None:
    recognition = recognise(CONTENT, a_state(b"x" + CONTENT), a_state(b"y"))
    assert (recognition.found, recognition.changed) == (None, None)


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(CONTENT[:-1] + b"x", id="another end"),
        pytest.param(CONTENT + b"x", id="more was read than there is now"),
    ],
)
def test_a_file_that_has_changed(read: bytes) -> None:
    known = a_state(read)
    recognition = recognise(CONTENT, known)
    assert recognition.found is None
    assert recognition.changed is known


def test_nothing_to_compare_with() -> None:
    assert Recognition([]).finished
    assert Recognition([a_state(b"")]).finished


@given(st.binary(max_size=50), st.lists(st.integers(0, 50)), st.integers(1, 9))
def test_any_beginning_is_found(content: bytes, lengths: list[int], size: int) -> None:
    known = [a_state(content[:length]) for length in lengths]
    found = recognise(content, *known, size=size).found
    longest = max((state.position for state in known), default=0)
    assert (found.position if found else 0) == longest
