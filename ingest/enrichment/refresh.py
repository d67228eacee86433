"""Rebuilds the shipped tables from the published lists: `python -m ingest.enrichment.refresh DIR`.

`data/README.md` has the origin of the lists.
"""

import argparse
import csv
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

DATA: Final = Path(__file__).parent / "data"
CATEGORIES: Final = "ga4_source_categories.csv"
SPAMMERS: Final = "referrer_spammers.txt"


def source_categories(published: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return sources and categories, sorted by source.

    Args:
        published: Pairs of a source and `SOURCE_CATEGORY_…`.
    """
    return sorted(
        (source, category.removeprefix("SOURCE_CATEGORY_")) for source, category in published
    )


def table(heading: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    """Return the text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows(rows)
    return text.getvalue()


def refresh(lists: Path, data: Path = DATA) -> None:
    """Rebuild the tables.

    Args:
        lists: The directory of the published lists.
        data: The directory of the tables.

    Raises:
        OSError: A list is missing.
    """
    with (lists / CATEGORIES).open(newline="", encoding="utf-8") as file:
        published = [(row[0], row[1]) for row in csv.reader(file)][1:]
    spammers = sorted(set((lists / SPAMMERS).read_text("utf-8").split()))
    tables = {
        "source_categories.csv": table(("source", "category"), source_categories(published)),
        "referrer_spammers.txt": "\n".join(spammers) + "\n",
    }
    for name, text in tables.items():
        (data / name).write_text(text, "utf-8")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="holds the published lists")
    try:
        refresh(parser.parse_args().directory)
    except OSError as error:
        print(f"refresh: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
