from ingest.past.past_event import broken_by, text_of
from ingest.request.invalid import InvalidRequest


def test_mistakes_of_an_event() -> None:
    invalid = InvalidRequest({"url": ["is required", "is odd"], "domain": ["can't be blank"]})
    assert str(broken_by(invalid)) == "url: is required, is odd; domain: can't be blank"


def test_text_keeps_every_byte() -> None:
    assert text_of(b"a\xff\xc3\xa9") == "a\udcffé"
