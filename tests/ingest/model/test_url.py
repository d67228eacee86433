import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model.url import clean_host, split_url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://a.com:80/x?y#z", ("https", "a.com", "/x", "y", "z")),
        ("HTTPS://u@a@b.com", ("https", "b.com", "", None, None)),
        ("https:://twitter.com", ("https", "", "://twitter.com", None, None)),
        ("//a.com", ("", "a.com", "", None, None)),
        ("a b:c", ("", "", "a b:c", None, None)),
        ("http://[::1", ("http", "::1", "", None, None)),
        ("x:?#", ("x", "", "", "", "")),
        ("http://a\n/b\nc#d\ne", ("http", "a\n", "/b\nc", None, "d\ne")),
    ],
)
def test_parts(url: str, parts: tuple[object, ...]) -> None:
    assert split_url(url) == parts


@pytest.mark.parametrize(
    ("host", "clean"),
    [(" www.a.com ", "a.com"), ("www.www.a.com", "www.a.com"), ("WWW.a.com", "WWW.a.com")],
)
def test_clean_hosts(host: str, clean: str) -> None:
    assert clean_host(host) == clean


@given(st.text())
def test_any_text_is_split(url: str) -> None:
    assert len(split_url(url)) == 5
