"""The few forms of response."""

import json

import pytest

from ingest.http.responses import accepts_json, empty, error, json_response, text


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, True),
        ("", True),
        ("  ", True),
        ("*/*", True),
        ("application/*", True),
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/vnd.api+json", True),
        ("text/html, application/json;q=0.1", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("application/json;q=0, */*", True),
        ("TEXT/HTML, APPLICATION/JSON", True),
        ("application/*;q=0.5", True),
        ("text/html", False),
        ("text/html, application/xml", False),
        ("text/html, */*;q=0.0", False),
        (",", False),
        ("text/*", False),
        ("image/png, text/plain", False),
        ("application/json;q=0", False),
        ("*/* ; Q=0.000", False),
        ("json", False),
        (",;,", False),
    ],
)
def test_who_takes_json(accept: str | None, expected: bool) -> None:
    assert accepts_json(accept) is expected


async def test_text_has_its_type_and_headers() -> None:
    response = text(202, "ok", {"x-plausible-dropped": "1"})
    assert response.status_code == 202
    assert response.headers.getlist("content-type") == ["text/plain; charset=utf-8"]
    assert response.headers["x-plausible-dropped"] == "1"
    assert await response.get_data() == b"ok"


async def test_an_empty_response_has_no_type() -> None:
    response = empty(204, {"access-control-max-age": "86400"})
    assert response.status_code == 204
    assert "content-type" not in response.headers
    assert response.headers["access-control-max-age"] == "86400"
    assert await response.get_data() == b""


async def test_json() -> None:
    response = json_response(200, {"a": ["\u00e9"]})
    assert response.headers.getlist("content-type") == ["application/json"]
    assert json.loads(await response.get_data()) == {"a": ["\u00e9"]}


async def test_errors_have_the_form_of_validation_errors() -> None:
    response = error(405, "request", "Method Not Allowed", {"allow": "POST"})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert json.loads(await response.get_data()) == {"errors": {"request": ["Method Not Allowed"]}}
