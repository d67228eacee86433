import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.formats import Format
from ingest.past.import_request import ImportSelection
from ingest.past.import_state import (
    HEAD_BYTES,
    ReadContent,
    decode_state,
    encode_state,
    without_salt,
)
from ingest.sessions.salts import LIFETIME
from tests.examples import NOON
from tests.ingest.past.states import RECORDED, SALT, a_state


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"appended": 1},
        {"salt": None, "done": True},
        {"form": Format.EVENTS, "selection": ImportSelection(None, 1, 2, with_not_found=True)},
    ],
)
def test_states(changes: dict[str, object]) -> None:
    state = replace(a_state(b"abc"), **changes)  # type: ignore[arg-type]
    assert decode_state(encode_state(state)) == state


def test_no_address_and_no_agent() -> None:
    document = json.loads(encode_state(a_state(b"abc")))
    assert document.keys() == {
        *("version", "id", "form", "selection", "appended", "position", "digest", "head"),
        *("counts", "figures", "seen", "salt", "anew", "done"),
        *("updated_at", "seconds", "has_rows"),
    }


def test_the_import_is_a_source() -> None:
    assert a_state(id="abc").source == "import:abc"


@pytest.mark.parametrize(
    ("now", "due"),
    [(NOON, False), (NOON + LIFETIME, False), (NOON + LIFETIME + 1, True), (NOON - 1, True)],
)
def test_when_the_salt_is_due(now: int, due: bool) -> None:
    assert a_state(salt=SALT).salt_is_due(now) is due
    assert not a_state(salt=None).salt_is_due(now)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version": 9}',
        encode_state(a_state()).replace(b'"form"', b'"farm"'),
        encode_state(a_state()).replace(b"00000000", b"zz"),
        encode_state(a_state()).replace(b'"seen": [3, 4]', b'"seen": [3, 4, 5]'),
    ],
)
def test_something_else(content: bytes) -> None:
    with pytest.raises(ValueError) as broken:  # noqa: PT011 - the message is looked at
        decode_state(content)
    assert SALT.key.hex() not in str(broken.value)


@pytest.mark.parametrize(
    ("name", "done", "has_rows"),
    [
        ("import_version_1", False, True),
        ("import_version_1_done", True, False),
        ("import_version_1_growing", True, False),
        ("import_version_1_stopped", False, False),
        ("import_version_1_killed", False, True),
    ],
)
def test_states_of_version_1(name: str, done: bool, has_rows: bool) -> None:
    content = (RECORDED / name).read_bytes()
    state = decode_state(content.partition(b"\n")[0])
    assert (state.done, state.has_rows) == (done, has_rows)
    assert state.appended == state.position > 0
    assert state.figures == state.seen == (0, 0)
    assert state.counts.visits


@pytest.mark.parametrize("name", ["import_version_1", "import_version_1_growing", None])
def test_a_salt_is_taken_out_and_nothing_else(name: str | None) -> None:
    before = encode_state(a_state()) if name is None else (RECORDED / name).read_bytes()
    state = decode_state(before.partition(b"\n")[0])
    after = without_salt(before)
    assert decode_state(after.partition(b"\n")[0]) == replace(state, salt=None)
    assert state.salt is not None
    assert state.salt.key.hex().encode() not in after
    assert after.partition(b"\n")[2] == before.partition(b"\n")[2]


@given(st.lists(st.binary(max_size=3000)))
def test_content_is_the_same_however_it_is_cut(pieces: list[bytes]) -> None:
    one, other = ReadContent(), ReadContent()
    for piece in pieces:
        one.add(piece)
    other.add(b"".join(pieces))
    assert (one.position, one.digest, one.head) == (other.position, other.digest, other.head)
    assert (one.head == one.digest) is (one.position <= HEAD_BYTES)
