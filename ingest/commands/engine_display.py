"""The status of a cluster as lines for a terminal."""

from collections.abc import Iterator

from ingest.check.report import Level, Paint
from ingest.commands.output import printable, table
from ingest.engine.cluster import SILENT_SECONDS
from ingest.engine.cluster_status import ClusterStatus


def status_lines(status: ClusterStatus, paint: Paint) -> Iterator[str]:
    """The members, the partitions, the sums, and what an operator should know."""
    record = status.cluster.record
    if record is not None:
        yield (
            f"cluster {record.cluster_id}: {record.partitions} partitions, visits end after "
            f"{record.session_seconds / 60:g} minutes"
        )
    yield ""
    yield from table(
        ("role", "host", "member", "version", "events/s", "last seen", "trouble"),
        [
            (
                beat.role,
                beat.host,
                beat.member[:6],
                beat.version,
                f"{beat.events_per_second:,.1f}",
                f"{_duration(max(status.now - member.appended_at, 0.0))} ago",
                beat.trouble,
            )
            for member in status.members
            for beat in [member.heartbeat]
        ],
    )
    if not status.members:
        yield f"no member has been seen for {_duration(SILENT_SECONDS)}"
    yield ""
    yield from table(
        ("partition", "owner", "committed", "end", "lag", "oldest", "retention used"),
        [
            (
                str(each.partition),
                each.owner or "-",
                "-" if each.committed is None else f"{each.committed:,}",
                f"{each.end:,}",
                f"{each.lag:,}",
                _age(status.age(each)),
                _share(status.used(status.age(each))),
            )
            for each in status.partitions
        ],
    )
    yield ""
    yield (
        f"messages not stored: {status.lag:,}; age of the oldest: {_age(status.oldest_seconds)}; "
        f"retention used: {_share(status.used(status.oldest_seconds))}"
    )
    for finding in status.findings():
        level = Level.PROBLEM if finding.severe else Level.WARNING
        yield f"{paint(level, f'{level:<7}')}  {printable(finding.text)}"
        if finding.advice:
            yield f"         → {finding.advice}"


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else _duration(seconds)


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
