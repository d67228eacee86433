import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.access_log import AccessLogReader
from ingest.past.goatcounter import GoatCounterReader
from ingest.past.lines import RECORD_LINES, SLICE_BYTES, Lines, slices
from ingest.past.past_event import LINE_BYTES
from tests.ingest.past.lines import options
from tests.ingest.past.test_goatcounter import HEADER


def cut(lines: Lines, *pieces: bytes) -> list[tuple[bytes, int]]:
    return [record for piece in pieces for record in lines.feed(piece)]


def plain() -> Lines:
    return Lines(AccessLogReader(options()))


def quoted() -> Lines:
    return Lines(GoatCounterReader(options(), HEADER.encode()))


def test_lines_over_pieces() -> None:
    lines = plain()
    assert cut(lines, b"a\nb", b"c\n\nd") == [(b"a\n", 1), (b"bc\n", 1), (b"\n", 1)]
    assert lines.rest == b"d"


def test_records_of_several_lines() -> None:
    lines = quoted()
    assert cut(lines, b'a,"b\n', b'c",d\ne\n"') == [(b'a,"b\nc",d\n', 2), (b"e\n", 1)]
    assert lines.rest == b'"'


def test_a_quote_that_nobody_closes_costs_a_few_lines() -> None:
    records = cut(quoted(), b'"a\n' + b"b\n" * RECORD_LINES)
    assert [lines for _, lines in records] == [RECORD_LINES, 1]


def test_a_line_that_is_too_long_takes_no_more_memory() -> None:
    lines = plain()
    piece = b"a" * LINE_BYTES
    records = cut(lines, *[piece] * 10, b"\nb\n")
    assert len(lines.rest) < 3 * LINE_BYTES
    assert sum(lines for _, lines in records) == 2
    assert b"".join(record for record, _ in records) == piece * 10 + b"\nb\n"


@given(st.lists(st.text(alphabet='a"\n', max_size=30).map(str.encode)), st.booleans())
def test_every_byte_is_in_one_record(pieces: list[bytes], with_quotes: bool) -> None:
    lines = quoted() if with_quotes else plain()
    records = cut(lines, *pieces)
    content = b"".join(pieces)
    assert b"".join(record for record, _ in records) + lines.rest == content
    assert sum(number for _, number in records) == content.count(b"\n") - lines.rest.count(b"\n")
    # However the content is cut in pieces.
    assert records == cut(quoted() if with_quotes else plain(), content)


@pytest.mark.parametrize(
    ("length", "sizes"),
    [(1, [16, 16, 8]), (SLICE_BYTES // 4, [4] * 10), (2 * SLICE_BYTES, [1] * 40)],
)
def test_slices_are_bounded_by_records_and_bytes(length: int, sizes: list[int]) -> None:
    records = iter([(b"x" * length, 1)] * 40)
    assert list(map(len, slices(records))) == sizes
    assert not list(slices(records))
