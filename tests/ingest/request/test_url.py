import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.request.url import parse_url


@pytest.mark.parametrize(
    ("url", "hostname", "pathname"),
    [
        ("https://www.Example.com:8080/a%20b+c/ ?q#f", "Example.com", "/a b+c/"),
        ("https://www.www.a.com", "www.a.com", "/"),
        ("https://WWW.a.com/", "WWW.a.com", "/"),
        ("https://a.com./", "a.com.", "/"),
        ("https://user:pw@a.com/x", "a.com", "/x"),
        ("https://[2001:db8::1]:80/x", "2001:db8::1", "/x"),
        ("https:// a.com /x", "a.com", "/x"),
        ("chrome-extension://abc/popup.html", "abc", "/popup.html"),
        ("file:///home/x", "(none)", "/home/x"),
        ("about:config", "(none)", "config"),
        ("/no/host", "(none)", "/no/host"),
        ("", "(none)", "/"),
        ("?q", "(none)", "/"),
        ("https://a.com/%zz%4", "a.com", "/%zz%4"),
        ("https://a.com/caf%C3%A9", "a.com", "/café"),
        ("https://a.com/caf%E9", "a.com", "/caf\udce9"),
        ("https://a.com/x%20%0A", "a.com", "/x"),
        ("https://bücher.de/ü", "bücher.de", "/ü"),
        ("foo:%20", "(none)", ""),
    ],
)
def test_pages(url: str, hostname: str, pathname: str) -> None:
    page = parse_url(url)
    assert (page.hostname, page.pathname(with_fragment=False)) == (hostname, pathname)


@pytest.mark.parametrize(
    ("url", "pathname"),
    [
        ("https://a.com/x#/route%20a ", "/x#/route a "),
        ("https://a.com#", "/#"),
        ("https://a.com/x", "/x"),
        ("https://a.com/x?y#z?w", "/x#z?w"),
    ],
)
def test_fragments(url: str, pathname: str) -> None:
    assert parse_url(url).pathname(with_fragment=True) == pathname


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("", {}),
        ("?", {}),
        ("?a=1&a=2", {"a": "2"}),
        ("?a=x+y%20z", {"a": "x y z"}),
        ("?a", {"a": ""}),
        ("?a=&b=1&&", {"a": "", "b": "1"}),
        ("?A=1&a=2", {"A": "1", "a": "2"}),
        ("?a=%ff", {"a": "\udcff"}),
        ("?a=1;b=2", {"a": "1;b=2"}),
        ("?a=1?b#c=3", {"a": "1?b"}),
    ],
)
def test_query_parameters(query: str, parameters: dict[str, str]) -> None:
    assert parse_url(f"https://a.com/{query}").query == parameters


@given(st.text(max_size=500))
def test_any_text_is_an_address(url: str) -> None:
    for text in (url, f"https://{url}", f"https://a.com/{url}"):
        page = parse_url(text)
        for part in (page.pathname(with_fragment=True), *page.query, *page.query.values()):
            part.encode("utf-8", "surrogateescape")
        assert page.hostname
