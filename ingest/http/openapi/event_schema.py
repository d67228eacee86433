"""The description of the routes in OpenAPI 3.1, made from the models that validate events."""

from typing import Any

from ingest.http.openapi.route_schemas import EVENT, RETRY_AFTER, errors, route_paths
from ingest.request.body import BODY_LIMIT
from ingest.request.event_fields import EventFields
from ingest.request.sent_event import ALIASES, INTERACTIVE_KEYS

_BODY_TYPES = (
    "text/plain",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
)


def openapi_document(version: str) -> dict[str, Any]:
    """Describe the event route and the routes of `ingest.http.openapi.route_schemas`.

    Args:
        version: The program's version.
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
            **route_paths(),
        },
        "components": {
            "schemas": {"Event": event_schema(), "Errors": _ERRORS},
            "securitySchemes": _SCHEMES,
        },
    }


def event_schema() -> dict[str, Any]:
    """Return the JSON schema of an event's body, with every key that a client may use."""
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

_SCHEMES = {
    "admin": {
        "type": "http",
        "scheme": "bearer",
        "description": "`SLUICE_ADMIN_TOKEN`. Without one, requests of this machine need none.",
    },
    "command": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token in `server.json`, by which this machine's command line asks.",
    },
    "server": {
        "type": "http",
        "scheme": "bearer",
        "description": "The `server_key` that the sites file gives a site.",
    },
}


def _event_operation() -> dict[str, Any]:
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
            "content": {kind: {"schema": EVENT, "example": example} for kind in _BODY_TYPES},
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
            "400": errors("The body cannot be read, or fields are wrong"),
            "406": errors("The client does not accept JSON"),
            "408": errors("The body did not arrive in time"),
            "413": errors("A JSON or form body is too long"),
            "429": errors("One address has sent too many requests", RETRY_AFTER),
            "431": errors("The request's head is too large"),
            "503": errors("Events cannot be taken now", RETRY_AFTER),
        },
    }
