"""The description of all routes except the event's: batches, health, operator, imports."""

from typing import Any, Final

from ingest.stats.period import CUSTOM, PERIODS
from ingest.stats.queries import FIGURES

EVENT: Final = {"$ref": "#/components/schemas/Event"}

RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
}

_RESULTS: Final = ("accepted", "dropped", "invalid", "unavailable")


def route_paths() -> dict[str, Any]:
    """Return the path items of all routes except the event's and the live page's files."""
    return {
        "/api/events": {"post": _batch_operation()},
        "/js/{name}": {"get": _tracker_operation()},
        "/health": {"get": _status("The process is alive and its actors run", "They do not")},
        "/ready": {"get": _status("Events are taken", "Events are not taken")},
        "/api/health": {"get": _PLAUSIBLE_HEALTH},
        "/api/system/health/ready": {"get": _PLAUSIBLE_HEALTH},
        "/api/system/health/live": {
            "get": {
                "summary": "Liveness in the form of Plausible's own route",
                "responses": {"200": _json("Its actors run"), "500": _json("They do not")},
            }
        },
        "/api/system": {
            "get": {
                "summary": "The kind of the geo database, and the program's version",
                "responses": {"200": _json("Both")},
            }
        },
        "/api/error": {
            "get": {
                "summary": "Takes a script's report of an error, and keeps nothing of it",
                "responses": {"200": {"description": "Always, without a body"}},
            }
        },
        "/metrics": {"get": _operator("Figures in Prometheus' text format", "text/plain")},
        "/": {"get": _operator("The live page", "text/html")},
        "/api/status": {
            "get": _operator(
                "What the live page shows",
                parameters=[_query("since", "integer", "Unix seconds: leaves out what is older.")],
            )
        },
        "/stats": {"get": _operator("The page with the first site's statistics", "text/html")},
        "/stats/{domain}": {
            "parameters": [_path("domain", "The site's current or previous domain.")],
            "get": _operator("The page with a site's statistics", "text/html"),
        },
        "/api/stats": {
            "get": _operator(
                "What the page with a site's statistics shows",
                parameters=[
                    _query("site", "string", "Of this site; without it, of the first one."),
                    _query("period", "string", f"{', '.join(PERIODS)} or {CUSTOM}."),
                    _query("from", "string", f"First day of the period {CUSTOM}: YYYY-MM-DD."),
                    _query("to", "string", "Its last day; without it, today."),
                    _query(
                        "of",
                        "string",
                        f"One of {', '.join(FIGURES)}; without it, the period and the sites.",
                    ),
                ],
                more={
                    "404": errors("There is no such site"),
                    "503": errors("The store cannot be asked now"),
                },
            )
        },
        "/api/drops": {
            "get": _operator(
                "The last events that were dropped, with the rule that hit",
                parameters=[
                    _query("site", "string", "Only of this site."),
                    _query("reason", "string", "Only those dropped for this reason."),
                    _query("limit", "integer", "At most so many."),
                ],
            )
        },
        "/api/live": {
            "get": _operator(
                "Events as they come, as server-sent events",
                "text/event-stream",
                parameters=[
                    _query("kind", "string", "`accepted`, `dropped` or both, with a comma."),
                    _query("site", "string", "Only of this site."),
                    _query("reason", "string", "Only those dropped for this reason."),
                    _query("replay", "integer", "So many of those before, first."),
                ],
                more={"503": errors("Too many follow already", RETRY_AFTER)},
            )
        },
        "/api/event/validate": {
            "post": {
                **_operator(
                    "What would become of an event, step by step; stores nothing",
                    more={
                        "406": errors("The client does not accept JSON"),
                        "413": errors("The body is too long"),
                    },
                ),
                "requestBody": _body(EVENT),
            }
        },
        "/openapi.json": {"get": _operator("This description")},
        "/api/query": {
            "post": {
                **_command(
                    {
                        "200": {
                            "description": "Rows, a JSON object a line",
                            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
                        },
                        "503": errors("The store cannot be asked now"),
                    },
                    "Run a read-only query",
                ),
                "requestBody": _body({"type": "string"}, "text/plain"),
            }
        },
        "/api/imports": {
            "post": {
                **_command(
                    {
                        "200": {
                            "description": "How far it is, a JSON object a line; the last one says "
                            "how it ended. Hanging up cancels the import",
                            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
                        },
                        "501": errors("This process cannot import"),
                    },
                    "Import past events",
                ),
                "requestBody": _body(_IMPORT_REQUEST),
            }
        },
        "/api/imported": {
            "post": {
                **_command(
                    {
                        "200": {
                            "description": "JSON lines: how far it is, and how it ended",
                            "content": {"application/x-ndjson": {"schema": {"type": "object"}}},
                        },
                    },
                    "Import Plausible's export",
                ),
                "requestBody": _body(_EXPORT_REQUEST),
            }
        },
    }


_PLAUSIBLE_HEALTH: Final = {
    "summary": "Health in the form of Plausible's own routes",
    "responses": {
        "200": {
            "description": "All is well; `sessions` may be `waiting`",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        "500": {
            "description": "Something is not",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
    },
}

_EXPORT_REQUEST: Final = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "ZIP file on the server's machine, absolute."},
        "site": {"type": "string"},
        "period": {
            "type": "object",
            "properties": {
                "since": {"type": ["integer", "null"], "description": "Unix seconds."},
                "until": {"type": ["integer", "null"], "description": "Unix seconds."},
            },
        },
        "dry_run": {"type": "boolean", "description": "Store nothing."},
        "force": {"type": "boolean", "description": "Even with many broken lines."},
    },
    "required": ["path", "site"],
}

_IMPORT_REQUEST: Final = {
    "type": "object",
    "properties": {
        "paths": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "description": "Files on the server's machine, absolute, in the order of time.",
        },
        "form": {"type": ["string", "null"], "description": "Their format; null: found out."},
        "selection": {
            "type": "object",
            "properties": {
                "site": {"type": ["string", "null"]},
                "since": {"type": ["integer", "null"], "description": "Unix seconds."},
                "until": {"type": ["integer", "null"], "description": "Unix seconds."},
                "with_not_found": {"type": "boolean"},
            },
            "required": ["site", "since", "until", "with_not_found"],
        },
        "growing": {"type": "boolean", "description": "The last file is still written to."},
        "anew": {"type": "boolean", "description": "Even what was imported before."},
        "dry_run": {"type": "boolean", "description": "Store nothing."},
    },
    "required": ["paths", "form", "selection", "growing", "anew", "dry_run"],
}


def errors(description: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a response with messages by field."""
    response: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Errors"}}},
    }
    return {**response, "headers": headers} if headers else response


def _json(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }


def _body(schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {"required": True, "content": {kind: {"schema": schema}}}


def _query(name: str, kind: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": {"type": kind}}


def _path(name: str, description: str) -> dict[str, Any]:
    return {**_query(name, "string", description), "in": "path", "required": True}


def _status(good: str, bad: str) -> dict[str, Any]:
    return {"summary": good + "?", "responses": {"200": _json(good), "503": _json(bad)}}


def _operator(
    summary: str,
    kind: str = "application/json",
    *,
    parameters: list[dict[str, Any]] | None = None,
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the operation of a route that answers the operator."""
    operation: dict[str, Any] = {
        "summary": summary,
        "security": [{"admin": []}, {"command": []}],
        "responses": {
            "200": {"description": summary, "content": {kind: {"schema": {}}}},
            "401": errors("The admin token is missing or wrong"),
            "403": errors("No admin token is set and the client is not this machine"),
            **(more or {}),
        },
    }
    if parameters:
        operation["parameters"] = parameters
        operation["responses"]["400"] = errors("A parameter is wrong")
    elif "406" in operation["responses"]:
        operation["responses"]["400"] = _json("The body cannot be read, or fields are wrong")
    return operation


def _command(responses: dict[str, Any], summary: str) -> dict[str, Any]:
    """Return the operation of a route that answers this machine's command line only."""
    refused = "The token of this machine's command line is missing or wrong"
    return {
        "summary": summary,
        "security": [{"command": []}],
        "responses": {
            **responses,
            "400": errors("What is asked for cannot be done"),
            "401": errors(f"{refused}, and an admin token is set"),
            "403": errors(f"{refused}, and no admin token is set"),
        },
    }


def _batch_operation() -> dict[str, Any]:
    report = {
        "type": "object",
        "properties": {
            **{status: {"type": "integer"} for status in _RESULTS},
            "results": {
                "type": "array",
                "description": "One for each event, in their order.",
                "items": {
                    "type": "object",
                    "properties": {
                        "status": {"enum": list(_RESULTS)},
                        "reasons": {
                            "type": "object",
                            "description": "Why domains have dropped it.",
                            "additionalProperties": {"type": "string"},
                        },
                        "errors": {"type": "object", "description": "Messages by field."},
                    },
                    "required": ["status"],
                },
            },
        },
        "required": [*_RESULTS, "results"],
    }
    content = {"application/json": {"schema": report}}
    return {
        "summary": "Record many events, each with a verdict of its own",
        "description": "Plain, or coded in gzip or zstd. With a site's `server_key` or the admin "
        "token an event may have a `timestamp`, an `ip` and a `user_agent` of its own.",
        "security": [{}, {"server": []}, {"admin": []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "array", "items": EVENT}},
                "application/x-ndjson": {"schema": {"type": "string"}},
            },
        },
        "responses": {
            "202": {"description": "Some were accepted or dropped", "content": content},
            "400": {
                "description": "All are invalid, or the body cannot be read",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            "406": errors("The client does not accept JSON"),
            "408": errors("The body did not arrive in time"),
            "413": errors("The body, as it came or decompressed, is too long"),
            "415": errors("The coding is neither gzip nor zstd"),
            "429": errors("One address has sent too many requests", RETRY_AFTER),
            "503": errors("Events cannot be taken now", RETRY_AFTER),
        },
    }


def _tracker_operation() -> dict[str, Any]:
    return {
        "summary": "The tracker for web pages",
        "parameters": [
            _path("name", "`pa-ID.js` of a site, or `script.js` with words that add features.")
        ],
        "responses": {
            "200": {"description": "The script", "content": {"text/javascript": {"schema": {}}}},
            "304": {"description": "The client has it"},
            "404": errors("There is no such script"),
        },
    }
