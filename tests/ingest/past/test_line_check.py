import pytest

from ingest.past.access_log import AccessLogReader
from ingest.past.import_counts import ImportCounts
from ingest.past.line_check import LineCheck
from tests.ingest.past.lines import COMBINED, options

LINE = COMBINED.encode() + b"\n"
FUTURE = LINE.replace(b"2026", b"2027")


def check(content: bytes, position: int = 0, counts: ImportCounts | None = None) -> LineCheck:
    checked = LineCheck(AccessLogReader(options()), counts or ImportCounts(), position)
    for start in range(0, len(content), 100):
        checked.take(checked.feed(content[start : start + 100]))
    return checked


@pytest.mark.parametrize(
    ("content", "broken", "fails"),
    [
        pytest.param(b"", 0, False, id="nothing"),
        pytest.param(9 * LINE + b"nonsense\n", 1, False, id="a tenth"),
        pytest.param(8 * LINE + b"nonsense\n", 1, True, id="more than a tenth"),
        pytest.param(b"Nov " + LINE, 1, True, id="no visitor"),
        pytest.param(FUTURE, 1, True, id="the future"),
        pytest.param(9 * LINE + b"\n\n\n", 0, False, id="empty lines"),
        pytest.param(5 * LINE.replace(b"GET", b"POST"), 0, False, id="skipped"),
        pytest.param(LINE + b"half a li", 0, False, id="a last line without its end"),
    ],
)
def test_shares(content: bytes, broken: int, fails: bool) -> None:
    checked = check(content)
    assert (checked.counts.lines, checked.counts.broken_lines) == (content.count(b"\n"), broken)
    assert checked.fails is fails


def test_what_was_read_before_counts_and_is_not_read_again() -> None:
    earlier = ImportCounts(lines=100, broken={"odd": 2}, examples={"odd": 7})
    before = 30 * b"nonsense\n"
    checked = check(before + b"nonsense\n" + LINE, len(before), earlier)
    assert checked.counts.lines == 102
    assert checked.counts.broken_lines == 3
    assert not checked.fails
    assert earlier.lines == 100
