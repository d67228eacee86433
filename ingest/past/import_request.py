"""The request for an import."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Self

import msgspec

from ingest.past.formats import Format


@dataclass(frozen=True, slots=True)
class ImportSelection:
    """The events of a file to import, and how to read them. Part of an import's identity.

    Attributes:
        site: Domain of the site of all lines; None if each line names its site.
        since: Start time in Unix seconds, inclusive; None for the beginning.
        until: End time in Unix seconds, exclusive; None for the end.
        with_not_found: Whether to import requests with status 404 as events named `404`.
        pattern: Pattern of the lines, for the format `pattern`.
        names: The log's names of fields, `path=uri,status=response`; empty for the usual names.
    """

    site: str | None = None
    since: int | None = None
    until: int | None = None
    with_not_found: bool = False
    pattern: str | None = None
    names: str = ""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """A request for an import.

    Attributes:
        paths: Absolute paths of the files, in order of time.
        form: Format of the files; None to detect it.
        selection: The events to import.
        growing: Whether the last file is still written to, so that the next run continues its
            sessions.
        anew: Whether to import a file again that was imported before.
        dry_run: Whether to only count, and store nothing.
        force: Whether to import a file even if more than a tenth of its lines are broken.
    """

    paths: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    form: Format | None = None
    selection: ImportSelection = ImportSelection()
    growing: bool = False
    anew: bool = False
    dry_run: bool = False
    force: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the object as JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Parse the data of `to_json`.

        Raises:
            ValueError: The data is invalid.
        """
        return msgspec.convert(document, cls)
