import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.enrichment.source_tables import spam_hosts
from ingest.enrichment.spam import spam_host


@pytest.mark.parametrize(
    ("referrer", "spam"),
    [
        ("https://0-0.fr/", True),
        ("http://www.0-0.fr/path?x", True),
        ("https:// 0-0.fr /", True),
        ("https://sub.0-0.fr/", False),
        ("https://0-0.FR/", False),
        ("https://example.com/?https://0-0.fr/", False),
        ("0-0.fr", False),
        ("", False),
        (None, False),
        ("http://[", False),
    ],
)
def test_spam(referrer: str | None, spam: bool) -> None:
    assert spam_host(referrer) == ("0-0.fr" if spam else None)


@given(st.text())
def test_any_text_is_looked_at(referrer: str) -> None:
    assert spam_host(referrer) in {None, *spam_hosts()}
