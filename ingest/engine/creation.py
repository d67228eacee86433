"""What `sluice engine create` must do, and why it must not."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from ingest.engine.cluster_record import KEY, ClusterRecord, decode_cluster_record
from ingest.engine.finding import Finding, problem, warning
from ingest.engine.salt_agreement import DailySalt, SaltAgreement
from ingest.engine.topics import TopicNames, WantedTopic

REMEDY: Final = "stop all members, correct it with `sluice engine create`, and start them again"


class FoundRecord(NamedTuple):
    """The cluster record as a control topic has it.

    Attributes:
        record: The first one, which counts; None if there is none.
        current: Whether it is also the last one, which remains when the topic is compacted.
    """

    record: ClusterRecord | None = None
    current: bool = True


def find_record(messages: Iterable[tuple[bytes | None, bytes | None]]) -> FoundRecord:
    """Find the cluster record among the keys and values of a control topic.

    Raises:
        ValueError: A later version of the program wrote it, or it is none.
    """
    values = [value for key, value in messages if key == KEY]
    records = [None if value is None else decode_cluster_record(value) for value in values]
    first = next((record for record in records if record is not None), None)
    return FoundRecord(first, not records or records[-1] == first)


def examine_record(
    names: TopicNames, found: FoundRecord, session_minutes: int
) -> Iterator[Finding]:
    """Say what is wrong with a cluster record.

    Args:
        names: Of the topics.
        found: The record.
        session_minutes: `SLUICE_SESSION_MINUTES`.
    """
    if found.record is None:
        yield problem(
            f"{names.control} has no cluster record", "write it with `sluice engine create`"
        )
        return
    if not found.current:
        yield problem(f"{names.control}: the cluster record was replaced or deleted", REMEDY)
    seconds = found.record.session_seconds
    if seconds != session_minutes * 60:
        yield warning(
            f"SLUICE_SESSION_MINUTES is {session_minutes}, but the cluster was made with "
            f"{seconds / 60:g}, which counts",
            f"set SLUICE_SESSION_MINUTES={seconds / 60:g}; another one needs another KAFKA_PREFIX",
        )


def refusal(
    record: ClusterRecord | None,
    partitions: int | None,
    session_minutes: int,
    wanted: Iterable[WantedTopic],
    existing: Mapping[str, int],
) -> str | None:
    """Why a cluster cannot be made as it was asked for; None if it can.

    Args:
        record: That of a cluster that exists; None if there is none.
        partitions: How many were asked for; None for those of the record.
        session_minutes: `SLUICE_SESSION_MINUTES`.
        wanted: The topics to be made.
        existing: The numbers of partitions of topics that exist, by name.
    """
    if record is not None and partitions not in (None, record.partitions):
        return (
            f"the cluster {record.cluster_id} exists with {record.partitions} partitions, not "
            f"{partitions}: leave --partitions out, or make another cluster with a new KAFKA_PREFIX"
        )
    if record is not None and record.session_seconds != session_minutes * 60:
        minutes = record.session_seconds / 60
        return (
            f"the cluster {record.cluster_id} exists with SLUICE_SESSION_MINUTES={minutes:g}, not "
            f"{session_minutes}: set it so, or make another cluster with a new KAFKA_PREFIX"
        )
    for topic in wanted:
        found = existing.get(topic.name, topic.partitions)
        if found != topic.partitions:
            same = f"give --partitions {found}, " if partitions is None and not record else ""
            return (
                f"the topic {topic.name} exists with {found} partitions instead of "
                f"{topic.partitions}: {same if topic.partitions > 1 else ''}"
                "delete it if it is empty, or use a new KAFKA_PREFIX"
            )
    return None


def manual_commands(topics: Iterable[WantedTopic]) -> Iterator[str]:
    """The commands with which an operator makes topics, for whoever is not allowed to."""
    for topic in topics:
        settings = "".join(f" --config {name}={value}" for name, value in topic.settings.items())
        yield (
            f"kafka-topics.sh --create --topic {topic.name} --partitions {topic.partitions} "
            f"--replication-factor {topic.replication}{settings}"
        )


class SaltChoice(NamedTuple):
    """What becomes of a single process's salts.

    Attributes:
        taken: Those to be proposed to the cluster.
        present: Days that have a salt already.
        outlived: Days whose salts are of no use any more.
    """

    taken: list[DailySalt]
    present: list[int]
    outlived: list[int]


def choose_salts(salts: Iterable[DailySalt], agreed: Iterable[DailySalt], now: float) -> SaltChoice:
    """Choose the salts that a cluster takes from a single process.

    Args:
        salts: The process's.
        agreed: Those that the cluster has.
        now: Unix seconds.
    """
    choice = SaltChoice([], [], [])
    days = {salt.day for salt in agreed}
    for salt in salts:
        if salt.day in days:
            choice.present.append(salt.day)
        elif now < salt.deleted_at and SaltAgreement().apply(salt, now):
            choice.taken.append(salt)
        else:
            choice.outlived.append(salt.day)
    return choice
