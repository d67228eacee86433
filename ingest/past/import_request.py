"""What an operator wants imported."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ingest.past.formats import Format


@dataclass(frozen=True, slots=True)
class ImportSelection:
    """Which events of a file are wanted, and how they are read; makes two imports the same.

    Attributes:
        site: Domain of the site that all lines are of; None: lines say so themselves.
        since: Unix seconds of the first moment that is wanted; None for the beginning.
        until: Unix seconds of the first moment that is not wanted any more; None for the end.
        with_not_found: Whether a page that was not found is an event, `404`.
        pattern: Of the lines, for the format that has one.
        names: Which names the log has for fields, `path=uri,status=response`; empty for the usual.
    """

    site: str | None = None
    since: int | None = None
    until: int | None = None
    with_not_found: bool = False
    pattern: str | None = None
    names: str = ""


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
        force: Whether to import a file of which more than a tenth is broken.
    """

    paths: tuple[str, ...]
    form: Format | None = None
    selection: ImportSelection = ImportSelection()
    growing: bool = False
    anew: bool = False
    dry_run: bool = False
    force: bool = False

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
                "force": bool(force),
            }:
                return cls(
                    tuple(map(str, paths)),
                    None if form is None else Format(form),
                    selection_from_json(selection),
                    growing=growing,
                    anew=anew,
                    dry_run=dry_run,
                    force=force,
                )
        raise ValueError("not a request for an import")


def selection_from_json(document: Mapping[str, Any]) -> ImportSelection:
    """Read a selection's plain data; what is older has neither a pattern nor names.

    Raises:
        ValueError: It is something else.
    """
    match {"pattern": None, "names": "", **document}:
        case {
            "site": None | str() as site,
            "since": None | int() as since,
            "until": None | int() as until,
            "with_not_found": bool(with_not_found),
            "pattern": None | str() as pattern,
            "names": str(names),
        }:
            return ImportSelection(site, since, until, with_not_found, pattern, names)
    raise ValueError("not a selection of events")
