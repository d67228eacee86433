"""States of imports for tests."""

from pathlib import Path
from typing import Any

from ingest.past.formats import Format
from ingest.past.import_counts import ImportCounts
from ingest.past.import_request import ImportSelection
from ingest.past.import_state import HEAD_BYTES, ImportState, fresh_digest
from ingest.sessions.salts import Salt
from tests.examples import NOON

SALT = Salt(bytes(16), NOON)

RECORDED = Path(__file__).parent / "recorded" / "import_version_1"
"""The state of an import as the program wrote it when visits were lines with names."""


def a_state(content: bytes = b"", **changes: Any) -> ImportState:
    """An import that has read this content."""
    digest, head = fresh_digest(), fresh_digest()
    digest.update(content)
    head.update(content[:HEAD_BYTES])
    fields: dict[str, Any] = {
        "id": "0123456789ab",
        "form": Format.ACCESS_LOG,
        "selection": ImportSelection("example.com"),
        "position": len(content),
        "digest": digest.hexdigest(),
        "head": head.hexdigest(),
        "counts": ImportCounts(
            lines=3,
            accepted=1,
            broken={"not like it": 1},
            dropped={"bot": 1},
            examples={"not like it": 2},
        ),
        "events": 7,
        "batch_first": 5,
        "salt": SALT,
        "done": False,
        "updated_at": NOON,
        "seconds": 1.5,
    }
    return ImportState(**(fields | changes))
