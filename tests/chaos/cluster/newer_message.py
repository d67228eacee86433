"""A message of a later version: its partition waits for an upgrade, and all others go on."""

import time
from typing import Final

from confluent_kafka import Producer

from ingest.engine.message import VERSION
from tests.chaos.client import Crowd, Load
from tests.chaos.cluster.cluster import NAMES, Cluster
from tests.chaos.cluster.lag import LagWatch
from tests.chaos.server import ServerError
from tests.waiting import WAIT_SECONDS

PARTITION: Final = 0
FIRST_VISITOR: Final = 700_000
EVENTS: Final = 300


def check_newer_message(cluster: Cluster, watch: LagWatch, seed: int) -> None:
    """Send such a message and further events, and see what is stored.

    Raises:
        ServerError: The partition went on or the worker does not say why it does not, or others do
            not go on.
    """
    before = watch.true_ends()
    producer = Producer({**cluster.brokers.options(), "log_level": 0})
    producer.produce(NAMES.events, bytes((VERSION + 1,)) + b"later", partition=PARTITION)
    if producer.flush(WAIT_SECONDS):
        raise ServerError("the message of a later version was not sent")
    load = Load(cluster.ports, seed, Crowd(first=FIRST_VISITOR))
    marks = load.marks()
    load.start()
    deadline = time.monotonic() + WAIT_SECONDS
    while sum(load.count_since(marks, port) for port in cluster.ports) < EVENTS:
        if time.monotonic() > deadline:
            raise ServerError("no events are acknowledged beside a message of a later version")
        time.sleep(0.1)
    load.stop()
    while True:
        behind = watch.lag(watch.true_ends())
        said = any(f"version {VERSION + 1}" in worker.log_text() for worker in cluster.workers)
        if behind.keys() == {PARTITION} and said:
            break
        if time.monotonic() > deadline:
            raise ServerError(
                f"a message of a later version in partition {PARTITION}: behind are {behind}, "
                f"{'' if said else 'not '}named in a worker's log"
            )
        time.sleep(0.1)
    if watch.committed(PARTITION) != before[PARTITION]:
        raise ServerError("the partition with a message of a later version went on")
