"""The request for an import of Plausible's export, and its progress."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ingest.past.import_counts import LineCounts
from ingest.past.import_progress import OVER, Phase
from ingest.past.plausible_export import ExportPeriod

LEFT_OUT: Final = 20
"""Maximum number of names of what is left out; the file can have any number."""

NAME_LENGTH: Final = 100
"""Maximum length of such a name, in characters."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to import.

    Attributes:
        path: Absolute path of the ZIP file.
        site: Domain of the site.
        period: The days to import.
        dry_run: Whether to only count, and store nothing.
        force: Whether to import a file even if more than a tenth of its lines are broken.
    """

    path: str
    site: str
    period: ExportPeriod = field(default_factory=ExportPeriod)
    dry_run: bool = False
    force: bool = False


@dataclass(slots=True)
class ExportCounts(LineCounts):
    """Counts of an export's lines, without those that name columns.

    Attributes:
        rows: Rows to store, by table.
        left_out: Files that are not of an export, and columns that the tables do not have, with
            their files; the first `LEFT_OUT` of them.
        left_out_more: How many more there are.
        days: The first and the last day of the rows, in days since 1970, by table.
    """

    rows: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    left_out_more: int = 0
    days: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, table: str, day: int) -> None:
        """Count a row."""
        self.rows[table] = self.rows.get(table, 0) + 1
        first, last = self.days.get(table, (day, day))
        self.days[table] = (min(first, day), max(last, day))

    def leave_out(self, names: Iterable[str]) -> None:
        """Name files or columns that are left out; bytes of no text become question marks."""
        for name in names:
            if len(self.left_out) < LEFT_OUT:
                self.left_out.append(name[:NAME_LENGTH].encode(errors="replace").decode())
            else:
                self.left_out_more += 1


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """The state of an import at one moment.

    Attributes:
        phase: The current phase; never `WAITING` or `STOPPED`.
        import_id: Id of the import; 0 while unknown, and for a dry run.
        counts: Counts of all lines.
        stored: Rows that this run has stored.
        seconds: Seconds since this run began.
    """

    phase: Phase
    import_id: int
    counts: ExportCounts
    stored: int
    seconds: float

    @property
    def over(self) -> bool:
        """Whether the import has ended."""
        return self.phase in OVER


@dataclass(frozen=True, slots=True)
class ExportStep:
    """A line of the server's answer. One of the fields is set.

    Attributes:
        progress: How far the import is, or how it ended.
        mistake: Why it cannot be done.
        failure: What has failed for now; the same request goes on.
    """

    progress: ExportProgress | None = None
    mistake: str = ""
    failure: str = ""
