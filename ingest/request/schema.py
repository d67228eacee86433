"""The endpoint's description in OpenAPI 3.1, made from the models that validate."""

from typing import Any

from ingest.request.body import BODY_LIMIT
from ingest.request.fields import ALIASES, INTERACTIVE_KEYS, EventFields

_BODY_TYPES = (
    "text/plain",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
)


def openapi_document(version: str) -> dict[str, Any]:
    """Describe the event endpoint and the operator's routes.

    Args:
        version: The program's.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sluice",
            "version": version,
            "summary": "Collects web-analytics events, as Plausible Analytics does.",
        },
        "paths": {
            "/api/event": {"post": _event_operation()},
            "/health": {"get": _status("The process is alive and its actors run", "They do not")},
            "/ready": {"get": _status("Events are taken", "Events are not taken")},
            "/api/health": {
                "get": {
                    "summary": "Health in the form of Plausible's own route",
                    "responses": {
                        "200": _json("All is well"),
                        "500": _json("Something is not"),
                    },
                }
            },
            "/metrics": {"get": _operator_route("Figures in Prometheus' text format")},
            "/": {"get": _operator_route("The live page")},
            "/api/status": {"get": _operator_route("What the live page shows")},
            "/openapi.json": {"get": _operator_route("This description")},
        },
        "components": {
            "schemas": {"Event": event_schema(), "Errors": _ERRORS},
            "securitySchemes": {"admin": {"type": "http", "scheme": "bearer"}},
        },
    }


def event_schema() -> dict[str, Any]:
    """The JSON schema of an event's body, with every key that a client may use."""
    schema = EventFields.model_json_schema(mode="validation")
    keys_of = {**ALIASES, "interactive": INTERACTIVE_KEYS}
    properties: dict[str, Any] = {}
    for field, described in schema["properties"].items():
        first, *others = keys_of[field]
        described = {
            name: value
            for name, value in described.items()
            if name != "title" and (name, value) != ("default", None)
        }
        properties[first] = described
        for other in others:
            properties[other] = {
                **described,
                "description": f"The same as `{first}`, which is tried first."
                if len(keys_of[field]) == 2
                else f"The same as `{first}`; tried in the order {', '.join(keys_of[field])}.",
            }
    return {
        "type": "object",
        "description": schema["description"],
        "properties": properties,
        "allOf": [
            {"anyOf": [{"required": [key]} for key in ALIASES[field]]}
            for field in ("event_name", "url")
        ],
        "additionalProperties": True,
    }


_ERRORS = {
    "type": "object",
    "properties": {
        "errors": {
            "type": "object",
            "description": "Messages by field.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        }
    },
    "required": ["errors"],
}

_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
}


def _event_operation() -> dict[str, Any]:
    event = {"$ref": "#/components/schemas/Event"}
    example = {
        "n": "pageview",
        "u": "https://example.com/pricing",
        "d": "example.com",
        "r": "https://news.ycombinator.com/",
    }
    return {
        "summary": "Record an event",
        "description": "The visitor is known by address and user agent, which are not stored. "
        f"A body may have {BODY_LIMIT:,} bytes; any type but JSON and forms is read as JSON.",
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": event, "example": example} for kind in _BODY_TYPES},
        },
        "responses": {
            "202": {
                "description": "Taken. An event that a rule of the site drops is answered the "
                "same, but for the header.",
                "headers": {
                    "X-Plausible-Dropped": {
                        "description": "How many of the domains dropped the event; absent if none.",
                        "schema": {"type": "integer", "minimum": 1},
                    }
                },
                "content": {"text/plain": {"schema": {"type": "string", "const": "ok"}}},
            },
            "400": _errors("The body cannot be read, or fields are wrong"),
            "406": _errors("The client does not accept JSON"),
            "408": _errors("The body did not arrive in time"),
            "413": _errors("A JSON or form body is too long"),
            "429": _errors("One address has sent too many requests", _RETRY_AFTER),
            "431": _errors("The request's head is too large"),
            "503": _errors("Events cannot be taken now", _RETRY_AFTER),
        },
    }


def _json(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }


def _errors(description: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Errors"}}},
    }
    return {**response, "headers": headers} if headers else response


def _status(good: str, bad: str) -> dict[str, Any]:
    return {"summary": good + "?", "responses": {"200": _json(good), "503": _json(bad)}}


def _operator_route(summary: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "security": [{"admin": []}],
        "responses": {
            "200": {"description": summary},
            "401": _errors("The admin token is missing or wrong"),
            "403": _errors("No admin token is set and the client is not this machine"),
        },
    }
