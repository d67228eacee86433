import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from ingest.request.field_values import first_graphemes

MADE_OF_CLUSTERS = st.text(
    st.sampled_from(
        "a\r\n\u0301\u200d\u0915\u094d\u0600\u1100\u1161\u11a8\U0001f468\U0001f1e6\U0001f1e7"
    ),
    max_size=30,
).map(lambda text: text * 20)
"""Long enough for several windows: marks, emoji, letters of Indian and Korean, flags."""


@pytest.mark.parametrize(
    ("text", "limit", "length"),
    [
        pytest.param("\U0001f1e6" * 4001, 2000, 4000, id="flags"),
        pytest.param("\U0001f1e6" * 511, 2000, 511, id="half a flag at the end"),
        pytest.param("a" + "\u0301" * 5000, 2000, 5001, id="one cluster beyond all windows"),
        pytest.param("a" + "\u0301" * 9000, 120, 3840, id="32 code points per cluster"),
        pytest.param("a" * 255 + "\r\n" + "b" * 9, 256, 257, id="across a window's end"),
    ],
)
def test_long_runs_are_cut_as_short_ones(text: str, limit: int, length: int) -> None:
    assert len(first_graphemes(text, limit)) == length


@given(MADE_OF_CLUSTERS, st.integers(20, 700))
def test_windows_show_in_no_result(text: str, limit: int) -> None:
    assert first_graphemes(text, limit) == "".join(regex.findall(r"\X", text)[:limit])


@given(st.text(max_size=60), st.integers(1, 20))
def test_graphemes_are_cut_whole(text: str, limit: int) -> None:
    assert first_graphemes(text, limit) == "".join(regex.findall(r"\X", text)[:limit])
