"""What an operator wants imported."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ingest.past.formats import Format


@dataclass(frozen=True, slots=True)
class ImportSelection:
    """Which events of a file are wanted; part of what makes two imports the same.

    Attributes:
        site: Domain of the site that all lines are of; None: lines say so themselves.
        since: Unix seconds of the first moment that is wanted; None for the beginning.
        until: Unix seconds of the first moment that is not wanted any more; None for the end.
        with_not_found: Whether a page that was not found is an event, `404`.
    """

    site: str | None = None
    since: int | None = None
    until: int | None = None
    with_not_found: bool = False


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """An import as it is asked for.

    Attributes:
        paths: Files, in the order of time; absolute.
        form: Their format; None: to be found out.
        selection: Which events are wanted.
        growing: Whether the last file is still written to, so that another run is to go on with the
            visits.
        anew: Whether to import what was imported before as if it had not been.
        dry_run: Whether to store nothing.
    """

    paths: tuple[str, ...]
    form: Format | None = None
    selection: ImportSelection = ImportSelection()
    growing: bool = False
    anew: bool = False
    dry_run: bool = False

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: object) -> "ImportRequest":
        """Read what `to_json` made.

        Raises:
            ValueError: It is something else.
        """
        match document:
            case {
                "paths": [str(), *_] as paths,
                "form": None | str() as form,
                "selection": dict() as selection,
                "growing": bool(growing),
                "anew": bool(anew),
                "dry_run": bool(dry_run),
            }:
                return cls(
                    tuple(map(str, paths)),
                    None if form is None else Format(form),
                    selection_from_json(selection),
                    growing=growing,
                    anew=anew,
                    dry_run=dry_run,
                )
        raise ValueError("not a request for an import")


def selection_from_json(document: Mapping[str, Any]) -> ImportSelection:
    """Read a selection's plain data.

    Raises:
        ValueError: It is something else.
    """
    match document:
        case {
            "site": None | str() as site,
            "since": None | int() as since,
            "until": None | int() as until,
            "with_not_found": bool(with_not_found),
        }:
            return ImportSelection(site, since, until, with_not_found)
    raise ValueError("not a selection of events")
