"""`/openapi.json` against the routes that there are."""

import re
from collections.abc import Iterator
from pathlib import Path

from trio.testing import MockClock

from actors.imports.importer import Importer
from ingest.http.export_routes import add_export_routes
from ingest.http.import_routes import add_import_routes
from ingest.http.openapi.event_schema import openapi_document
from ingest.http.operator import Operator
from tests.actors.imports.running_imports import ImportEnvironment
from tests.ingest.http.application import COMMAND_TOKEN, Application

LEFT_OUT = {("GET", "/page/{name}"), ("GET", "/favicon.ico")}
"""Files of the live page, which no program has a use for."""

METHODS = {"get", "post", "put", "patch", "delete"}


def registered(application: Application) -> set[tuple[str, str]]:
    return {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in application.app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }


def described() -> Iterator[tuple[str, str]]:
    for path, item in openapi_document("1.2.3")["paths"].items():
        yield from ((method.upper(), path) for method in METHODS & item.keys())


async def test_every_route_is_described_or_left_out(
    autojump_clock: MockClock, application: Application, tmp_path: Path
) -> None:
    importer = Importer(ImportEnvironment(tmp_path).context(application.pipeline))
    operator = Operator(None, COMMAND_TOKEN)
    add_import_routes(application.app, importer, operator)
    add_export_routes(application.app, application.pipeline.collector.reference, None, operator)
    found = registered(application)
    assert ("POST", "/api/imports") in found
    assert found == {*described(), *LEFT_OUT}
    assert LEFT_OUT.isdisjoint(described())


def test_names_in_paths_and_schemes_are_known() -> None:
    document = openapi_document("1.2.3")
    schemes = document["components"]["securitySchemes"]
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            operation = item[method]
            parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
            named = {one["name"] for one in parameters if one["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
            assert operation["summary"]
            assert operation["responses"]
            for requirement in operation.get("security", []):
                assert requirement.keys() <= schemes.keys()
