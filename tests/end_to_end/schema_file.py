"""Reads the SQL files of Plausible's tables, as of some month."""

import re
from pathlib import Path

NEWEST = "9999-12"


def statements(path: Path, month: str = NEWEST) -> list[str]:
    """The file's statements, without what came after a month.

    Args:
        path: The file. Lines may end in a comment `since YYYY-MM` or `until YYYY-MM`.
        month: The last one whose changes are there, as YYYY-MM.
    """
    lines = []
    for line in path.read_text().splitlines():
        text, _, since = line.partition(" -- since ")
        text, _, until = text.partition(" -- until ")
        if line.startswith("--") or (since and since > month) or (until and until <= month):
            continue
        lines.append(text)
    # The line that was last in a list may be gone.
    text = re.sub(r",\n\)", "\n)", "\n".join(lines) + "\n")
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]
