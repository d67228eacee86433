"""Opens the log of a front: the outbox that keeps events until Kafka has them."""

import contextlib
from collections.abc import Iterator

import structlog

from actors.clock.wall_clock import Clock
from actors.files.atomic import write_state
from actors.log.checkpoint_file import CheckpointFile
from actors.log.file_log import FileLog
from actors.log.old_journal import OldJournal
from ingest.engine.cluster_record import ClusterRecord, decode_cluster_record, encode_cluster_record
from ingest.records.run import UnknownRecordError
from ingest.server.durability import DurabilityError
from ingest.server.state_files import StateFiles
from ingest.settings import Settings

log = structlog.get_logger()


@contextlib.contextmanager
def open_outbox(
    settings: Settings, files: StateFiles, clock: Clock, record: ClusterRecord
) -> Iterator[FileLog]:
    """Open the outbox, and close it at the end.

    Args:
        settings: The front's settings.
        files: The state directory.
        clock: The pipeline's clock.
        record: The cluster that its events go to.

    Raises:
        DurabilityError: The directory has events that belong elsewhere, or cannot be used.
        OSError: A file cannot be used.
    """
    try:
        outbox = _open(settings, files, clock, record)
    except UnknownRecordError as error:
        raise DurabilityError(f"the journal in {files.journal} cannot be used: {error}") from None
    with contextlib.closing(outbox):
        if outbox.backlog:
            log.info("the outbox has events to be forwarded", events=outbox.backlog)
        yield outbox


def remembered_cluster(files: StateFiles) -> ClusterRecord | None:
    """The cluster that a front's directory belongs to; None if it is no front's.

    Raises:
        DurabilityError: The file is damaged.
        OSError: It cannot be read.
    """
    try:
        return decode_cluster_record(files.cluster.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DurabilityError(f"{files.cluster} cannot be used: {error}") from None


def _open(settings: Settings, files: StateFiles, clock: Clock, record: ClusterRecord) -> FileLog:
    journal = OldJournal.open(files.journal)
    if journal is not None:
        journal.close()
        raise DurabilityError(
            f"{files.journal} has events in the form of an earlier version; run `sluice serve` "
            "until they are stored, and stop it"
        )
    before = remembered_cluster(files)
    outbox = FileLog.open(
        files.journal,
        description=record.description,
        limit_bytes=settings.journal_megabytes * 1_000_000,
        fsync=settings.journal_fsync,
        log_time=clock.seconds(),
    )
    try:
        if outbox.backlog and before is None:
            raise DurabilityError(
                f"{files.journal} has {outbox.backlog} events of a single process that are not "
                "stored; run `sluice serve` until they are, and stop it"
            )
        if outbox.backlog and before is not None and before.cluster_id != record.cluster_id:
            raise DurabilityError(
                f"{files.journal} has {outbox.backlog} events for cluster {before.cluster_id}, and "
                f"this is cluster {record.cluster_id}; forward them there first"
            )
        if before != record:
            write_state(files.cluster, encode_cluster_record(record), durable=True)
        # It is of a fold that ends here: a later single process must not go on from it.
        CheckpointFile(files.checkpoint).forget()
    except BaseException:
        outbox.close()
        raise
    return outbox
