"""States of imports for tests."""

from pathlib import Path
from typing import Any

from ingest.fold.import_sessions import ImportFigures
from ingest.past.formats import Format
from ingest.past.import_counts import ImportCounts
from ingest.past.import_request import ImportSelection
from ingest.past.import_state import ImportState, ReadContent
from ingest.sessions.salts import Salt
from tests.examples import NOON

SALT = Salt(bytes(16), NOON)

RECORDED = Path(__file__).parent / "recorded"
"""States of imports as the program wrote them in version 1: `import_version_1`, and some more for
the log of `benchmarks.access_logs` with 1,500 lines."""


def a_state(content: bytes = b"", **changes: Any) -> ImportState:
    """An import that has read this content."""
    read = ReadContent()
    read.add(content)
    fields: dict[str, Any] = {
        "id": "0123456789ab",
        "form": Format.ACCESS_LOG,
        "selection": ImportSelection("example.com"),
        "appended": len(content),
        "position": len(content),
        "digest": read.digest,
        "head": read.head,
        "counts": ImportCounts(
            lines=3,
            accepted=1,
            broken={"not like it": 1},
            dropped={"bot": 1},
            examples={"not like it": 2},
        ),
        "figures": ImportFigures(1, 2),
        "seen": ImportFigures(3, 4),
        "salt": SALT,
        "done": False,
        "updated_at": NOON,
        "seconds": 1.5,
    }
    return ImportState(**(fields | changes))
