import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.http.drop_reasons import VALUE_LENGTH, drops_of, header_value
from ingest.model.verdict import ACCEPTED, DropReason, Verdict
from tests.examples import a_request

ITEM = r'(?:[A-Za-z0-9_.~/:%-]*=[a-z_]+(?:;rule="[^"\\\x00-\x1f\x7f-\U0010ffff]*")?|\*=[0-9]+)'
VALUE = re.compile(rf"(?:{ITEM}(?:, {ITEM})*)?", re.ASCII)


@pytest.mark.parametrize(
    ("domain", "rule", "value"),
    [
        ("example.com", "/admin/**", 'example.com=bot;rule="/admin/**"'),
        ("example.com", "", "example.com=bot"),
        ("example.com/shop", "a, b; c", 'example.com/shop=bot;rule="a, b; c"'),
        ('x"=y\r\nset-cookie: z', "", "x%22%3Dy%0D%0Aset-cookie:%20z=bot"),
        ("bücher.example", 'ü"\\%\n', 'b%C3%BCcher.example=bot;rule="%C3%BC%22%5C%25%0A"'),
        ("\udcff", "", "%ED%B3%BF=bot"),
        ("", "", "=bot"),
    ],
)
def test_items(domain: str, rule: str, value: str) -> None:
    assert header_value([(domain, DropReason.BOT, rule)]) == value


@given(
    st.lists(st.tuples(st.text(max_size=300), st.sampled_from(DropReason), st.text()), max_size=9)
)
def test_no_item_can_break_out(drops: list[tuple[str, DropReason, str]]) -> None:
    value = header_value(drops)
    assert VALUE.fullmatch(value)
    assert len(value) <= VALUE_LENGTH + 10


def test_what_has_no_room_is_counted() -> None:
    value = header_value([("d" * 250, DropReason.BOT, "")] * 20)
    shown = value.count("=bot")
    assert 0 < shown < 20
    assert value.endswith(f", *={20 - shown}")


def test_each_domain_has_its_own_reason() -> None:
    request = a_request(domains=("a.example", "b.example", "c.example"))
    verdicts = [
        Verdict(DropReason.SPAM_REFERRER, "0-0.fr"),
        ACCEPTED,
        Verdict(DropReason.NOT_FOUND, "no site has the domain"),
    ]
    assert drops_of(request, verdicts) == [
        ("a.example", DropReason.SPAM_REFERRER, "0-0.fr"),
        ("c.example", DropReason.NOT_FOUND, "no site has the domain"),
    ]
