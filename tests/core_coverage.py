"""Checks that the pure core is covered: `python -m tests.core_coverage REPORT`."""

import json
import sys
from pathlib import Path

CORE = (
    "request",
    "sites",
    "enrichment",
    "sessions",
    "rows",
    "records",
    "fold",
    "engine",
    "pipeline",
    "observation",
    "past",
    "stats",
)
FLOOR = 95.0
"""Per cent of lines and branches."""


def core_coverage(report: dict[str, dict[str, dict[str, dict[str, int]]]]) -> float:
    """Per cent of the core's lines and branches that the tests reached."""
    covered = total = 0
    for path, file in report["files"].items():
        parts = Path(path).parts
        if len(parts) > 2 and parts[0] == "ingest" and parts[1] in CORE:
            summary = file["summary"]
            covered += summary["covered_lines"] + summary["covered_branches"]
            total += summary["num_statements"] + summary["num_branches"]
    return 100 * covered / total if total else 0.0


def main() -> int:
    per_cent = core_coverage(json.loads(Path(sys.argv[1]).read_text()))
    print(f"coverage of the pure core: {per_cent:.1f} % (at least {FLOOR:g} % wanted)")
    return 0 if per_cent >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
