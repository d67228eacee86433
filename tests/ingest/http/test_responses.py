import pytest

from ingest.http.responses import accepts_json


@pytest.mark.parametrize(
    ("accept", "accepts"),
    [
        (None, True),
        ("", True),
        (" ", True),
        ("*/*", True),
        ("application/json", True),
        ("application/*;q=0.5", True),
        ("application/vnd.api+json", True),
        ("text/html, application/json;q=0.1", True),
        ("TEXT/HTML, APPLICATION/JSON", True),
        ("text/html", False),
        ("text/html, application/xml", False),
        ("application/json;q=0", False),
        ("text/html, */*;q=0.0", False),
        (",", False),
    ],
)
def test_who_takes_json(accept: str | None, accepts: bool) -> None:
    assert accepts_json(accept) is accepts
