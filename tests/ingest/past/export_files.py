"""An export of Plausible's.

The CSV files in `plausible_export` were made by hand, with the columns of Plausible's tables of
imported sums (spec/schema.md §6), in the style in which ClickHouse writes CSV.
"""

import zipfile
from pathlib import Path

FILES = {
    path.name: path.read_bytes()
    for path in sorted((Path(__file__).parent / "plausible_export").iterdir())
}
SPAN = "20250101_20250103"
VISITORS = f"imported_visitors_{SPAN}.csv"
ROWS = sum(content.count(b"\n") - 1 for content in FILES.values())


def pack(path: Path, files: dict[str, bytes] = FILES, folder: str = "") -> str:
    """Write a ZIP file, and return its path."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
    return str(path)
