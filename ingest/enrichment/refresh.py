"""Rebuilds the shipped tables from the published lists: `python -m ingest.enrichment.refresh DIR`.

`data/README.md` has the origin of the lists. Requires PyYAML, a development dependency.
"""

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

DATA: Final = Path(__file__).parent / "data"
SOURCE_LISTS: Final = (
    "matomo_SearchEngines.yml",
    "matomo_Socials.yml",
    "matomo_AIAssistants.yml",
)
CATEGORIES: Final = "ga4_source_categories.csv"
SPAMMERS: Final = "referrer_spammers.txt"


def source_hosts(
    lists: Iterable[Mapping[str, Any]], renames: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Return the hosts and names of Matomo's lists, sorted by host.

    Args:
        lists: The lists in order of precedence, for hosts that are in several.
        renames: Sluice's names, by Matomo's, where they differ.
    """
    names: dict[str, str] = {}
    for sources in lists:
        for name, entries in sources.items():
            for host in _hosts(entries):
                names.setdefault(host, renames.get(name, name))
    return sorted(names.items())


def _hosts(entries: Iterable[Any]) -> Iterator[str]:
    """Yield the hosts of a source, which has them in groups with other keys, or in a plain list."""
    for entry in entries:
        for host in entry["urls"] if isinstance(entry, dict) else [entry]:
            # A country at the beginning or in the middle needs no pattern, because the domain after
            # it is looked up, too.
            host = host.lower().removeprefix("www.")
            host = host.partition("{}.")[2] or host
            # An app's address in a special notation (`android-app//…`) is not a host.
            if "." in host.partition("/")[0]:
                yield host


def source_categories(
    published: Iterable[tuple[str, str]], ours: Mapping[str, Iterable[str]]
) -> list[tuple[str, str]]:
    """Return sources and categories, sorted by source. Published categories take precedence.

    Args:
        published: Pairs of a source and `SOURCE_CATEGORY_…`.
        ours: Sluice's additional sources, by category.
    """
    categories = {source: category for category, sources in ours.items() for source in sources}
    for source, category in published:
        categories[source] = category.removeprefix("SOURCE_CATEGORY_")
    return sorted(categories.items())


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
        data: The directory of the tables and of the lists that are edited by hand.

    Raises:
        OSError: A list is missing.
    """
    import yaml

    kept = json.loads((data / "source_aliases.json").read_text("utf-8"))
    sources = [yaml.safe_load((lists / name).read_text("utf-8")) for name in SOURCE_LISTS]
    with (lists / CATEGORIES).open(newline="", encoding="utf-8") as file:
        published = [(row[0], row[1]) for row in csv.reader(file)][1:]
    spammers = sorted(set((lists / SPAMMERS).read_text("utf-8").split()))
    tables = {
        "source_hosts.csv": table(("host", "name"), source_hosts(sources, kept["renames"])),
        "source_categories.csv": table(
            ("source", "category"), source_categories(published, kept["categories"])
        ),
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
