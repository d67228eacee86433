import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.enrichment.referrer import parse_referral


@pytest.mark.parametrize(
    ("referrer", "column"),
    [
        ("https://www.indiehackers.com/page?q#h", "indiehackers.com/page"),
        ("https://facebook.com/page/", "facebook.com/page"),
        ("https://facebook.com/page///", "facebook.com/page"),
        ("http://a.com", "a.com"),
        ("HTTP://a.com/", "a.com"),
        ("https://user:secret@a.com:8080/p", "a.com/p"),
        ("https://a.com/%41 b", "a.com/%41 b"),
        ("https://blog.example.com/x", "blog.example.com/x"),
        ("https://Example.com/", "Example.com"),
        ("https://[2001:db8::1]:80/x", "2001:db8::1/x"),
        ("android-app://com.reddit.frontpage", "android-app://com.reddit.frontpage"),
        ("android-app://com.reddit.frontpage/a/", "android-app://com.reddit.frontpage/a"),
    ],
)
def test_what_is_stored(referrer: str, column: str) -> None:
    referral = parse_referral(referrer, "example.com")
    assert referral is not None
    assert referral.referrer == column


@pytest.mark.parametrize(
    "referrer",
    [
        None,
        "",
        "https://example.com/",
        "https://www.example.com/other",
        "android-app://example.com/",
        "http://example.com:8080",
        "http://localhost",
        "http://localhost:3000/x",
        "https:://twitter.com",
        "ftp://wat",
        "wat",
        "/path",
        "//a.com/",
        "https://",
        "https:///path",
        "data:text/html,x",
        "http://[",
    ],
)
def test_what_does_not_count(referrer: str | None) -> None:
    assert parse_referral(referrer, "example.com") is None


@given(st.text(max_size=3000))
def test_any_text_is_read(referrer: str) -> None:
    for text in (referrer, f"https://{referrer}"):
        referral = parse_referral(text, "example.com")
        assert referral is None or not referral.referrer.endswith("/")
