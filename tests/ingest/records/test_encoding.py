import contextlib
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.records.encoding import BINARY, TEXT, Decoder, encode


class Content(msgspec.Struct, array_like=True):
    text: str
    amount: Decimal | None
    number: int
    pairs: tuple[tuple[str, str], ...]


CONTENTS: Decoder[list[Content]] = Decoder(list[Content])

TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)


@given(
    st.lists(
        st.builds(
            Content,
            TEXTS,
            st.none() | st.decimals(allow_nan=False, allow_infinity=False),
            st.integers(-(2**63), 2**64 - 1),
            st.lists(st.tuples(TEXTS, TEXTS), max_size=2).map(tuple),
        ),
        max_size=3,
    )
)
def test_content_comes_back_as_it_was(content: list[Content]) -> None:
    form, body = encode(content)
    assert CONTENTS.decode(form, body) == content
    assert CONTENTS.decode(form, memoryview(body)) == content
    # What decimals look like is part of what they are.
    assert [str(one.amount) for one in CONTENTS.decode(form, body)] == [
        str(one.amount) for one in content
    ]


@pytest.mark.parametrize(("text", "form"), [("/é\U0001f600\0", BINARY), ("/caf\udce9", TEXT)])
def test_text_that_is_no_utf_8_has_a_form_of_its_own(text: str, form: int) -> None:
    content = [Content(text, Decimal("1.50"), 2**64 - 1, ((text, text),))]
    assert encode(content)[0] == form
    assert CONTENTS.decode(*encode(content)) == content


@pytest.mark.parametrize(
    ("form", "body"),
    [
        pytest.param(BINARY, b"", id="nothing"),
        pytest.param(TEXT, b"", id="no text"),
        pytest.param(BINARY, b"\x90\x90", id="something behind it"),
        pytest.param(BINARY, b"\x91\x91\xc0", id="another type"),
        pytest.param(BINARY, b"\x91\x94\xa1\xff\xc0\x01\x90", id="text that is no UTF-8"),
        pytest.param(BINARY, b"\x91\x94\xa1x\xa1x\x01\x90", id="no decimal"),
        pytest.param(BINARY, b"\x91" * 100_000, id="deep"),
        pytest.param(TEXT, b"\xff", id="no text at all"),
        pytest.param(TEXT, b"[[1e999]]", id="an infinite number"),
        pytest.param(TEXT, b"[" + b"9" * 5000 + b"]", id="a long number"),
        pytest.param(TEXT, b"[" * 100_000, id="deep text"),
        pytest.param(2, b"\x90", id="another form"),
    ],
)
def test_anything_else_is_refused(form: int, body: bytes) -> None:
    with pytest.raises(ValueError, match="broken content"):
        CONTENTS.decode(form, body)


@given(st.integers(0, 255) | st.sampled_from([BINARY, TEXT]), st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_raised(form: int, body: bytes) -> None:
    with contextlib.suppress(ValueError):
        CONTENTS.decode(form, body)


def test_named_tuples_are_read_in_both_forms() -> None:
    decoder: Decoder[list[Any]] = Decoder(list[tuple[str, int]])
    assert decoder.decode(*encode([("a", 1)])) == [("a", 1)]
    assert decoder.decode(*encode([("\udcff", 1)])) == [("\udcff", 1)]
