"""Makes a cluster: its topics, its record, and the salts that it takes over."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

import trio

from actors.cluster.admin import Admin
from actors.cluster.failure import KafkaFailure
from actors.cluster.producer_thread import Message, ProducerThread
from actors.cluster.topic_reading import read_to_end
from ingest.engine.cluster import import_key
from ingest.engine.cluster_record import (
    KEY,
    ClusterRecord,
    encode_cluster_record,
    new_cluster_record,
)
from ingest.engine.connection import admin_options, consumer_options, producer_options
from ingest.engine.creation import (
    FoundRecord,
    choose_salts,
    find_record,
    manual_commands,
    refusal,
)
from ingest.engine.examination import DescribedTopic
from ingest.engine.salt_agreement import DailySalt, SaltAgreement, decode_salt, encode_salt
from ingest.engine.topics import PARTITIONS, TopicNames, WantedTopic, topic_names, wanted_topics
from ingest.past.import_record import encode_import
from ingest.past.import_state import ImportState
from ingest.server.cluster_survey import describe_topics, read_control
from ingest.server.drained_state import DrainedState
from ingest.settings import Settings

VISIBLE_SECONDS: Final = 30.0
"""Limit until all brokers know of new topics."""

WRITE_MILLISECONDS: Final = 30_000
"""Limit of writing a record."""

_DAY: Final = 86_400

_FORBIDDEN: Final = frozenset(
    {"TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED", "POLICY_VIOLATION"}
)
"""Errors of brokers that let nobody, or not this user, make topics."""

Say = Callable[[str], object]
"""Tells the operator what was done, in a line."""


class CreationError(Exception):
    """The cluster cannot be made; the message is for the operator, in one line or a few."""


class WantedCluster(NamedTuple):
    """What was asked for.

    Attributes:
        partitions: Of the topic of events; None for those of the cluster that exists, or the usual
            ones.
        replication: How many brokers have each record.
        replaced: Of the single process, or of the cluster, that this one replaces.
    """

    partitions: int | None
    replication: int
    replaced: DrainedState = DrainedState()


async def create_cluster(settings: Settings, asked: WantedCluster, say: Say) -> None:
    """Make what is missing of a cluster.

    Args:
        settings: Say where, and how long visits may pause.
        asked: What is to be made.
        say: Told of everything that was made or found.

    Raises:
        CreationError: Something that exists contradicts it, or it is not allowed.
        SettingsError: The settings cannot be used for a connection.
        KafkaFailure: The brokers cannot be asked.
    """
    names = topic_names(settings.kafka_prefix)
    with closing(Admin(admin_options(settings))) as admin:
        topics = await describe_topics(admin, names)
        found = await _found_record(settings, topics)
        partitions = asked.partitions or (found.record.partitions if found.record else PARTITIONS)
        wanted = wanted_topics(settings.kafka_prefix, partitions, asked.replication)
        _refuse(settings, asked, found, wanted, topics)
        await _make_topics(admin, wanted, topics, say)
        topics = await _visible_topics(admin, names)
        # Somebody else may have made some of them meanwhile.
        _refuse(settings, asked, found, wanted, topics)
    options = {**producer_options(settings), "message.timeout.ms": WRITE_MILLISECONDS}
    writer = ProducerThread(options)
    writer.start()
    try:
        await _write_record(settings, writer, partitions, topics, say)
        if asked.replaced.salts:
            await _write_salts(settings, writer, asked.replaced.salts, say)
        if asked.replaced.imports:
            await _write_imports(settings, writer, asked.replaced.imports, topics, say)
    finally:
        writer.close()


async def _found_record(settings: Settings, topics: Mapping[str, DescribedTopic]) -> FoundRecord:
    messages = await read_control(settings, topics)
    try:
        return find_record((message.key, message.value) for message in messages)
    except ValueError as error:
        raise CreationError(f"{topic_names(settings.kafka_prefix).control}: {error}") from None


def _refuse(
    settings: Settings,
    asked: WantedCluster,
    found: FoundRecord,
    wanted: Sequence[WantedTopic],
    topics: Mapping[str, DescribedTopic],
) -> None:
    existing = {name: topic.partitions for name, topic in topics.items()}
    reason = refusal(found.record, asked.partitions, settings.session_minutes, wanted, existing)
    if reason is not None:
        raise CreationError(reason)


async def _make_topics(
    admin: Admin, wanted: Sequence[WantedTopic], existing: Mapping[str, DescribedTopic], say: Say
) -> None:
    forbidden = []
    for topic in wanted:
        try:
            made = topic.name not in existing and await admin.create_topic(*topic)
        except KafkaFailure as failure:
            if failure.name not in _FORBIDDEN:
                raise _creation_error(topic, failure) from None
            forbidden.append(topic)
            continue
        shape = f"partitions: {topic.partitions}, replicas: {topic.replication}"
        say(f"{topic.name}: created ({shape})" if made else f"{topic.name}: existed")
    if forbidden:
        commands = "\n".join(manual_commands(forbidden))
        raise CreationError(
            "the brokers do not let this user make topics. Have them made with these settings, "
            f"then repeat the command:\n{commands}"
        )


def _creation_error(topic: WantedTopic, failure: KafkaFailure) -> Exception:
    if failure.name == "INVALID_REPLICATION_FACTOR":
        return CreationError(
            f"there are fewer brokers than the {topic.replication} replicas of each topic: start "
            "more, or give --replication 1 for a trial"
        )
    return failure if failure.passing else CreationError(f"{topic.name}: {failure}")


async def _visible_topics(admin: Admin, names: TopicNames) -> dict[str, DescribedTopic]:
    """The topics, once the brokers know of all, and the leaders of their partitions do, too."""
    with trio.move_on_after(VISIBLE_SECONDS):
        while True:
            topics = await describe_topics(admin, names)
            if len(topics) == len(names.topics) and await _are_led(admin, topics):
                return topics
            await trio.sleep(0.2)
    raise CreationError("the new topics are not there yet: repeat the command later")


async def _are_led(admin: Admin, topics: Mapping[str, DescribedTopic]) -> bool:
    try:
        for name, topic in topics.items():
            await admin.bounds(name, range(topic.partitions))
    except KafkaFailure as failure:
        if failure.passing or failure.name == "UNKNOWN_TOPIC_OR_PART":
            return False
        raise
    return True


async def _write_record(
    settings: Settings,
    writer: ProducerThread,
    partitions: int,
    topics: Mapping[str, DescribedTopic],
    say: Say,
) -> None:
    """Write the record until the first one is also the last one.

    Another command may write at the same time. Members and compaction then agree on one of them.
    """
    control = topic_names(settings.kafka_prefix).control
    written: ClusterRecord | None = None
    while True:
        found = await _found_record(settings, topics)
        if found.record is not None and found.current:
            break
        written = found.record or new_cluster_record(partitions, settings.session_minutes)
        await writer.send(Message(control, 0, encode_cluster_record(written), KEY))
    record = found.record
    verb = "existed" if written is None else "written"
    say(
        f"cluster record: {verb} (id: {record.cluster_id}, partitions: {record.partitions}, "
        f"minutes of a session: {record.session_seconds / 60:g})"
    )


async def _write_salts(
    settings: Settings, writer: ProducerThread, salts: Sequence[DailySalt], say: Say
) -> None:
    topic = topic_names(settings.kafka_prefix).salts
    agreement = await _agreed(settings, topic)
    choice = choose_salts(salts, agreement.agreed, time.time())
    for salt in choice.taken:
        await writer.send(Message(topic, 0, encode_salt(salt)))
    # A front may have been faster: the first record for a date counts.
    agreed = (await _agreed(settings, topic)).agreed if choice.taken else agreement.agreed
    keys = {salt.day: salt.key for salt in agreed}
    for salt in salts:
        date = datetime.fromtimestamp(salt.day * _DAY, UTC).date()
        if salt.day in choice.outlived:
            say(f"salt of {date}: too old to be of use")
        elif keys.get(salt.day) != salt.key:
            say(f"salt of {date}: the cluster has another one; ids of visitors change")
        elif salt.day in choice.present:
            say(f"salt of {date}: existed")
        else:
            say(f"salt of {date}: taken; visitors keep their ids")


async def _write_imports(
    settings: Settings,
    writer: ProducerThread,
    imports: Sequence[ImportState],
    topics: Mapping[str, DescribedTopic],
    say: Say,
) -> None:
    control = topic_names(settings.kafka_prefix).control
    known = {message.key for message in await read_control(settings, topics)}
    for state in imports:
        key = import_key(state.id)
        if key not in known:
            await writer.send(Message(control, 0, encode_import(replace(state, salt=None)), key))
    say(f"finished imports: {len(imports):,} taken; they are not stored again")


async def _agreed(settings: Settings, topic: str) -> SaltAgreement:
    agreement = SaltAgreement()
    for message in await read_to_end(consumer_options(settings), topic):
        try:
            agreement.apply(decode_salt(message.value or b""), message.timestamp)
        except ValueError:
            continue
    return agreement
