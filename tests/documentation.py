"""The code in the documentation, for the tests that try it."""

import re
from pathlib import Path

OPERATING = Path(__file__).parents[1] / "docs" / "operating.md"
CLUSTER = OPERATING.with_name("cluster.md")
TRACKERS = OPERATING.with_name("trackers.md")
PLAUSIBLE = OPERATING.with_name("plausible.md")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    """The code blocks of a language, in their order."""
    return [code for found, code in _BLOCK.findall(path.read_text()) if found == language]
