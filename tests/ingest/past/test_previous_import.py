import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.import_state import HEAD_BYTES, ImportState
from ingest.past.previous_import import PreviousImportSearch
from tests.examples import NOON
from tests.ingest.past.states import a_state

CONTENT = random.Random(1).randbytes(3 * HEAD_BYTES)  # noqa: S311 - the same each time


def search_previous(content: bytes, *known: ImportState, size: int = 1000) -> PreviousImportSearch:
    search = PreviousImportSearch(known)
    for start in range(0, len(content), size):
        search.feed(content[start : start + size])
    if not search.finished:
        search.end()
    assert search.finished
    return search


@pytest.mark.parametrize(
    "length", [1, 100, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, 3 * HEAD_BYTES]
)
@pytest.mark.parametrize("size", [7, 1000, 10**6])
def test_found_by_what_was_read(length: int, size: int) -> None:
    known = a_state(CONTENT[:length])
    assert search_previous(CONTENT, known, size=size).found is known


def test_the_longest_beginning_counts() -> None:
    states = [a_state(CONTENT[:length], id=str(length)) for length in (9000, 10, 5000)]
    other = a_state(b"x" + CONTENT, id="other")
    found = search_previous(CONTENT, *states, other).found
    assert found is states[0]
    assert search_previous(CONTENT[:6000], *states, other).found is states[2]


def test_of_two_the_later() -> None:
    early, late = (a_state(CONTENT, id=str(at), updated_at=at) for at in (NOON, NOON + 1))
    assert search_previous(CONTENT, late, early).found is late


def test_another_file() -> None:
    search = search_previous(CONTENT, a_state(b"x" + CONTENT), a_state(b"y"))
    assert (search.found, search.changed) == (None, None)


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(CONTENT[:-1] + b"x", id="another end"),
        pytest.param(CONTENT + b"x", id="more was read than there is now"),
    ],
)
def test_a_file_that_has_changed(read: bytes) -> None:
    known = a_state(read)
    search = search_previous(CONTENT, known)
    assert search.found is None
    assert search.changed is known


def test_nothing_to_compare_with() -> None:
    assert PreviousImportSearch([]).finished
    assert PreviousImportSearch([a_state(b"")]).finished


@given(st.binary(max_size=50), st.lists(st.integers(0, 50)), st.integers(1, 9))
def test_any_beginning_is_found(content: bytes, lengths: list[int], size: int) -> None:
    known = [a_state(content[:length]) for length in lengths]
    found = search_previous(content, *known, size=size).found
    longest = max((state.position for state in known), default=0)
    assert (found.position if found else 0) == longest
