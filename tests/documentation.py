"""The code in the documentation, for the tests that try it."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
CLICKHOUSE = DOCS / "clickhouse.md"
CLUSTER = DOCS / "cluster.md"
CONTAINERS = DOCS / "containers.md"
MONITORING = DOCS / "monitoring.md"
PLAUSIBLE = DOCS / "plausible.md"
PROXY = DOCS / "proxy.md"
QUERIES = DOCS / "queries.md"
TRACKERS = DOCS / "trackers.md"
CADDYFILE = DOCS.parent / "config" / "Caddyfile"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    """The code blocks of a language, in their order."""
    return [code for found, code in _BLOCK.findall(path.read_text()) if found == language]
