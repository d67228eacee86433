"""What Sluice uses of its libraries' insides, by name: an upgrade that takes one away fails here.

A class of ours that derives from a library's class uses names of it that no documentation promises:
it overrides methods, calls others, reads attributes. A method that is renamed would leave ours
behind without a word. All of these names stand in `USED`, and nowhere else is a private name of
these libraries used.
"""

import ast
import dis
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

LIBRARIES: Final = frozenset({"asynch", "chdb", "hypercorn", "quart", "quart_trio", "trio"})
PACKAGES: Final = ("actors", "ingest")


class Base(NamedTuple):
    """A library's class that a class of ours derives from.

    Attributes:
        module: Of the library.
        name: The class.
        used: What ours overrides, calls or reads of it; dunder methods are left out.
    """

    module: str
    name: str
    used: frozenset[str]


USED: Final = {
    "actors.stores.native_connection.NativeConnection": Base(
        "asynch.proto.connection",
        "Connection",
        frozenset(
            {
                "connected",
                "disconnect",
                "hosts",
                "ping",
                "process_insert_query",
                "reader",
                "receive_data",
                "receive_hello",
                "receive_packet",
                "receive_sample_block",
                "reset_state",
                "secure_socket",
                "send_block",
                "send_external_tables",
                "send_query",
                "server_info",
                "unexpected_packet_message",
                "writer",
            }
        ),
    ),
    "ingest.http.base_app.BoundedRequest": Base(
        "quart_trio.wrappers.request", "TrioRequest", frozenset({"body_class"})
    ),
    "ingest.http.body_budget.BoundedConnection": Base(
        "quart_trio.asgi", "TrioASGIHTTPConnection", frozenset({"_create_request_from_scope"})
    ),
    "ingest.http.body_budget.CountedBody": Base(
        "quart_trio.wrappers.request",
        "TrioBody",
        frozenset({"_must_raise", "append", "clear", "set_complete"}),
    ),
    "ingest.http.hypercorn.protocol.StrictHTTP": Base(
        "hypercorn.protocol.h11",
        "H11Protocol",
        frozenset(
            {
                "_check_protocol",
                "_create_stream",
                "_send_error_response",
                "config",
                "connection",
                "send",
            }
        ),
    ),
    "ingest.http.hypercorn.connection.HypercornConnection": Base(
        "hypercorn.trio.tcp_server",
        "TCPServer",
        frozenset(
            {
                "_idle_timeout",
                "_initiate_server_close",
                "_read_data",
                "context",
                "idle_task",
                "protocol",
                "protocol_send",
                "send_lock",
                "state",
                "stream",
            }
        ),
    ),
    "ingest.http.hypercorn.listener.BurstListener": Base(
        "trio.abc", "Listener", frozenset({"accept", "aclose"})
    ),
    "ingest.http.import_routes.ImportStream": Base(
        "quart.wrappers.response", "ResponseBody", frozenset()
    ),
    "ingest.http.live.event_stream.EventStream": Base(
        "quart.wrappers.response", "ResponseBody", frozenset()
    ),
}

SET: Final = {
    ("hypercorn.config", "Config"): (
        "accesslog",
        "errorlog",
        "h11_max_incomplete_size",
        "include_server_header",
        "keep_alive_max_requests",
        "keep_alive_timeout",
        "read_timeout",
    ),
    ("quart_trio", "QuartTrio"): ("asgi_http_class", "request_class"),
}
"""What Sluice sets of a library's objects: under another name it would do nothing."""


def class_of(module: str, name: str) -> type:
    found: type = getattr(importlib.import_module(module), name)
    return found


def has(library_class: type, name: str) -> bool:
    """Whether a class has an attribute, or its instances have."""
    if hasattr(library_class, name):
        return True
    members = [member for each in library_class.__mro__ for member in vars(each).values()]
    methods = [member for member in members if inspect.isfunction(member)]
    if not methods:  # compiled, as asynch is where there is a wheel for the machine
        return hasattr(library_class(), name)
    return any(
        instruction.opname == "STORE_ATTR" and instruction.argval == name
        for method in methods
        for instruction in dis.get_instructions(method)
    )


@pytest.mark.parametrize("ours", USED)
def test_the_library_has_each_name(ours: str) -> None:
    base = USED[ours]
    library_class = class_of(base.module, base.name)
    gone = sorted(name for name in base.used if not has(library_class, name))
    assert not gone, f"{base.module}.{base.name} has no {', '.join(gone)} any more; see {ours}"


@pytest.mark.parametrize(("module", "name"), SET)
def test_the_library_has_what_is_set(module: str, name: str) -> None:
    library_class = class_of(module, name)
    assert [each for each in SET[module, name] if not has(library_class, each)] == []


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Our modules that import one of the libraries, by name."""
    root = Path(__file__).parents[1]
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            if any(name.split(".")[0] in LIBRARIES for name in imported(tree)):
                yield ".".join(path.relative_to(root).with_suffix("").parts), tree


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def library_base(cls: type) -> type | None:
    """The class of a library that one of ours derives from."""
    return next((each for each in cls.__mro__ if each.__module__.split(".")[0] in LIBRARIES), None)


def is_own(node: ast.expr) -> bool:
    """Whether an expression is `self`, `cls` or `super()`."""
    if isinstance(node, ast.Call):
        node = node.func
    return isinstance(node, ast.Name) and node.id in ("self", "cls", "super")


def names_in(body: ast.ClassDef) -> set[str]:
    """What a class defines, and what it reads or sets of its instances."""
    names: set[str] = set()
    for node in ast.walk(body):
        if isinstance(node, ast.Attribute) and is_own(node.value):
            names.add(node.attr)
    for statement in body.body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("__")}


def test_the_table_has_all_that_is_used() -> None:
    used: dict[str, Base] = {}
    for module, tree in modules():
        for node in tree.body:
            base = None
            if isinstance(node, ast.ClassDef) and node.bases:
                base = library_base(class_of(module, node.name))
            if base is not None and isinstance(node, ast.ClassDef):
                names = frozenset(name for name in names_in(node) if has(base, name))
                used[f"{module}.{node.name}"] = Base(base.__module__, base.__name__, names)
    assert used == USED


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def defined_in(tree: ast.Module) -> set[str]:
    """Private names that a module makes itself: functions, methods, attributes of instances."""
    made = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            made.add(node.attr)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            made |= {target.id for target in targets if isinstance(target, ast.Name)}
    return made


NAMED_TUPLE = {"_asdict", "_replace"}
"""Public methods of named tuples: the sign in front keeps them apart from fields."""


def test_no_other_private_name_is_used() -> None:
    strange: list[str] = []
    for module, tree in modules():
        strange += [
            f"{module} imports {name}"
            for name in imported(tree)
            if name.split(".")[0] in LIBRARIES and any(map(is_private, name.split(".")))
        ]
        made = defined_in(tree)
        inherited = {
            name
            for ours, base in USED.items()
            if ours.startswith(f"{module}.")
            for name in base.used
        }
        strange += [
            f"{module}:{node.lineno} {ast.unparse(node)}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and is_private(node.attr)
            and node.attr not in NAMED_TUPLE
            and node.attr not in (inherited if is_own(node.value) else set()) | made
        ]
    assert strange == []
