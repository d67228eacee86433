"""Reads the SQL files of Plausible's tables in the version of a month."""

import re
from pathlib import Path

NEWEST = "9999-12"


def statements(path: Path, month: str = NEWEST) -> list[str]:
    """Return the file's statements, without the changes after a month.

    Args:
        path: The file. Lines may end with a comment `since YYYY-MM` or `until YYYY-MM`.
        month: The last month whose changes are included, as YYYY-MM.
    """
    lines = []
    for line in path.read_text().splitlines():
        text, _, since = line.partition(" -- since ")
        text, _, until = text.partition(" -- until ")
        if line.startswith("--") or (since and since > month) or (until and until <= month):
            continue
        lines.append(text)
    # The last line of a list may have been removed.
    text = re.sub(r",\n\)", "\n)", "\n".join(lines) + "\n")
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]
