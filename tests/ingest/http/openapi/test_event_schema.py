import json

from ingest.http.openapi.event_schema import event_schema, openapi_document
from ingest.request.sent_event import ALIASES, INTERACTIVE_KEYS


def test_every_key_is_described() -> None:
    properties = event_schema()["properties"]
    keys = [key for keys in ALIASES.values() for key in keys]
    assert set(properties) == {*keys, *INTERACTIVE_KEYS}
    assert all(described["description"] for described in properties.values())


def test_what_is_required_may_be_under_either_key() -> None:
    assert event_schema()["allOf"] == [
        {"anyOf": [{"required": ["n"]}, {"required": ["name"]}]},
        {"anyOf": [{"required": ["u"]}, {"required": ["url"]}]},
    ]


def test_the_document_is_whole() -> None:
    document = json.loads(json.dumps(openapi_document("1.2.3")))
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == "1.2.3"
    operation = document["paths"]["/api/event"]["post"]
    assert set(operation["responses"]) == {
        *("202", "400", "406", "408", "413", "429", "431", "503")
    }
    assert "X-Plausible-Dropped" in operation["responses"]["202"]["headers"]
    for status in ("429", "503"):
        assert "Retry-After" in operation["responses"][status]["headers"]
    assert "text/plain" in operation["requestBody"]["content"]
    paths = (
        *("/health", "/ready", "/metrics", "/openapi.json", "/", "/api/status", "/api/health"),
        *("/api/system/health/ready", "/api/system/health/live", "/api/system", "/api/error"),
    )
    for path in paths:
        assert document["paths"][path]["get"]["responses"]
    text = json.dumps(document)
    for reference in ("#/components/schemas/Event", "#/components/schemas/Errors"):
        assert reference in text
        assert reference.rpartition("/")[2] in document["components"]["schemas"]
