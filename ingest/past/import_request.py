"""The request for an import."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ingest.past.formats import Format


@dataclass(frozen=True, slots=True)
class ImportSelection:
    """Which events of a file to import, and how to read them; part of an import's identity.

    Attributes:
        site: Domain of the site of all lines; None if each line names its site.
        since: Unix seconds, inclusive; None for the beginning.
        until: Unix seconds, exclusive; None for the end.
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
    """A request for an import.

    Attributes:
        paths: Files, in the order of time; absolute.
        form: Their format; None to detect it.
        selection: Which events are wanted.
        growing: Whether the last file still grows, so that the next run continues its sessions.
        anew: Whether to import a file again that was imported before.
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
