from ingest.request.invalid import UNPARSABLE, InvalidRequest


def test_carries_every_mistake() -> None:
    error = InvalidRequest({"url": ["is required"], "domain": ["can't be blank"]})
    assert error.errors == {"url": ["is required"], "domain": ["can't be blank"]}
    assert str(error) == "url, domain"


def test_the_words_for_what_cannot_be_read() -> None:
    assert UNPARSABLE == {"request": ["Unable to parse request body as json"]}
