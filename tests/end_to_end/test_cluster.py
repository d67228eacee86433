"""A cluster under what happens to it: members end, Kafka is away, midnight, mistakes."""

import itertools
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.cluster.brokers import Brokers
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.cluster import PARTITIONS, Cluster, Member
from tests.end_to_end.moved_clock import move_clock
from tests.end_to_end.sluice import SITES, Sluice
from tests.waiting import WAIT_SECONDS, wait_until

VISITORS = 10
SHARED_LIMIT = """
[[site]]
id = 50
domain = "many.example"
rate_limit = { events = 20, seconds = 1000000000 }
"""

Make = Callable[..., Cluster]


@pytest.fixture
def make(brokers: Brokers, clickhouse: ClickHouseServer, tmp_path: Path) -> Iterator[Make]:
    """Returns another cluster, not yet started, with a database of its own."""
    made: list[Cluster] = []
    name = tmp_path.name.replace("-", "_")[-60:]

    def build(**options: Any) -> Cluster:
        made.append(Cluster(tmp_path, clickhouse.url(name), brokers, f"{name}.", **options))
        return made[-1]

    yield build
    for cluster in made:
        cluster.__exit__()


def view(server: Sluice, path: str, number: int, visitor: int = 0) -> None:
    """Send the pageview of a visitor, whom no other path has."""
    network = crc32(path.encode())
    sent = server.send(
        url=f"https://example.com/{path}/{number}",
        headers={
            "x-forwarded-for": f"2001:db9:{network >> 16:x}:{network & 0xFFFF:x}::{visitor:x}"
        },
    )
    assert (sent.status_code, sent.headers.get("x-plausible-dropped")) == (202, None), sent.text


def visits(server: Sluice, path: str) -> list[dict[str, Any]]:
    """The stored visits of a path: `v` rows that count, `p` pageviews, `u` visitors' ids."""
    return server.query(
        "SELECT sum(sign) AS v, sum(sign * pageviews) AS p, uniqExact(user_id) AS u "
        "FROM sessions_v2 WHERE session_id IN "
        f"(SELECT session_id FROM events_v2 WHERE pathname LIKE '/{path}/%') "
        "GROUP BY session_id ORDER BY p"
    )


def assert_stored(server: Sluice, path: str, pageviews: list[int]) -> None:
    """Wait until the visits have these numbers of pageviews, and each page is stored once."""
    wait_until(
        lambda: [visit["p"] for visit in visits(server, path)] == pageviews,
        lambda: f"{visits(server, path)}\n{server.log_text()[-3000:]}",
    )
    assert {visit["v"] for visit in visits(server, path)} == {1}
    pages = server.events(f"pathname LIKE '/{path}/%'", sum(pageviews))
    assert sorted(row["pathname"] for row in pages) == sorted(
        f"/{path}/{number}" for number in range(sum(pageviews))
    )


def test_one_visitor_at_both_fronts_makes_one_visit(cluster: Cluster) -> None:
    for number in range(20):
        view(cluster, "one", number)
    assert_stored(cluster, "one", [20])
    assert visits(cluster, "one") == [{"v": 1, "p": 20, "u": 1}]
    assert len({row["user_id"] for row in cluster.events("pathname LIKE '/one/%'", 20)}) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_another_worker_goes_on(cluster: Cluster, number: signal.Signals) -> None:
    path = number.name
    for page in range(4 * VISITORS):
        if page == 2 * VISITORS:
            assert cluster.workers[0].stop(number) == (-number if number == signal.SIGKILL else 0)
        view(cluster, path, page, page % VISITORS)
    try:
        assert_stored(cluster, path, [4] * VISITORS)
    finally:
        cluster.workers[0].start()
        cluster.wait_whole()
    for page in range(4 * VISITORS, 5 * VISITORS):
        view(cluster, path, page, page % VISITORS)
    assert_stored(cluster, path, [5] * VISITORS)


def test_engagement_without_a_visit_is_dropped_by_a_worker(cluster: Cluster) -> None:
    response = cluster.send("engagement", headers={"x-forwarded-for": "198.51.100.77"}, sd=50)
    assert (response.status_code, response.text) == (202, "ok")
    assert "x-plausible-dropped" not in response.headers
    wait_until(
        lambda: any(
            worker.dropped("example.com", "no_session_for_engagement") for worker in cluster.workers
        ),
    )
    assert (
        cluster.query("SELECT 1 FROM events_v2 WHERE name = 'engagement' AND pathname = '/'") == []
    )


def test_fronts_share_the_limit_of_a_site(cluster: Cluster) -> None:
    cluster.sites.write_text(SITES + SHARED_LIMIT)
    wait_until(
        lambda: all(
            front.readiness()[1]["registry"]["sites"] == SITES.count("[[site]]") + 1
            for front in cluster.fronts
        ),
    )
    for server in cluster.fronts:
        sent = [server.send(domain="many.example") for _ in range(12)]
        assert [response.headers.get("x-plausible-dropped") for response in sent] == [
            *([None] * 10),
            *(["1"] * 2),
        ]


def differs(front: Member) -> bool:
    """Whether a front is ready, and says that the secrets differ."""
    status, report = front.readiness()
    reason = report["cluster"].get("reason", "")
    told = "SLUICE_CLUSTER_SECRET differs" in reason
    return told and (status, report["status"]) == (200, "degraded")


def test_fronts_tell_that_their_secrets_differ(cluster: Cluster) -> None:
    with cluster.member(
        "front", "stranger", SLUICE_CLUSTER_SECRET="another-secret-than-all-other-fronts-have"
    ) as stranger:
        for front in (stranger, *cluster.fronts):
            wait_until(lambda front=front: differs(front), front.log_text)
        assert stranger.stop() == 0
    cluster.wait_whole()


@contextmanager
def away(brokers: Brokers) -> Iterator[None]:
    """Kafka accepts connections and answers nothing."""
    for number in brokers.numbers:
        brokers.pause(number)
    try:
        yield
    finally:
        for number in brokers.numbers:
            brokers.resume(number)


def accepts(front: Member, path: str, number: int) -> bool:
    """Whether a front takes an event that it may refuse."""
    return front.send(url=f"https://example.com/{path}/{number}").status_code == 202


def test_kafka_is_away(cluster: Cluster, brokers: Brokers) -> None:
    keeping = cluster.fronts[0]
    with cluster.member("front", "refusing", SLUICE_ACK_OUTAGE="refuse") as refusing:
        refusing.wait_ready()
        with away(brokers):
            for number in range(20):
                view(keeping, "away", number)
            # This one was sent, and may be stored.
            assert refusing.send(url="https://example.com/refused/0").status_code == 503
            kept = refusing.readiness()[1]["journal"]["backlog_events"]
            for _ in range(20):
                assert refusing.send(url="https://example.com/refused/1").status_code == 503
            status, report = refusing.readiness()
            assert (status, report["journal"]["backlog_events"]) == (503, kept)
            status, report = keeping.readiness()
            assert (status, report["status"]) == (200, "degraded")
            assert "Kafka does not answer" in report["cluster"]["reason"]
        assert_stored(cluster, "away", [20])
        # The first ones may be too early for the brokers, which find their leaders again.
        numbers = itertools.count()
        wait_until(lambda: accepts(refusing, "back", next(numbers)), cluster.log_text)
        (_,) = cluster.events(f"pathname = '/back/{next(numbers) - 1}'")
        assert cluster.query("SELECT 1 FROM events_v2 WHERE pathname = '/refused/1'") == []
        assert refusing.stop() == 0
    cluster.wait_whole()


def test_midnight(make: Make, tmp_path: Path) -> None:
    """Visits go on; the next ones have another id, the same at both fronts."""
    file = tmp_path / "clock"
    move_clock(file, "23:50:00")
    with make(workers=1, module="tests.end_to_end.moved_clock", MOVED_CLOCK=str(file)) as cluster:

        def wait_steps(steps: int) -> None:
            wait_until(
                lambda: all(
                    member.log_text().count("followed a step") == steps
                    for member in cluster.members
                ),
            )

        for number in range(6):
            view(cluster, "night", number)
        move_clock(file, "00:00:30", days=1)
        wait_steps(1)
        for number in range(6, 12):
            view(cluster, "night", number)
        move_clock(file, "00:40:00", days=1)
        wait_steps(2)
        for number in range(12, 18):
            view(cluster, "night", number)
        assert_stored(cluster, "night", [6, 12])
        rows = cluster.events("pathname LIKE '/night/%'", 18)
        ids = {int(row["pathname"].rpartition("/")[2]): row["user_id"] for row in rows}
        first, second = ({ids[number] for number in part} for part in (range(12), range(12, 18)))
        assert (len(first), len(second), len(first | second)) == (1, 1, 2)


def test_from_one_process_to_a_cluster_and_back(make: Make, clickhouse: ClickHouseServer) -> None:
    cluster = make(fronts=1, workers=1)
    single = Sluice(cluster.directory, cluster.environment["CLICKHOUSE_URL"])
    with single:
        for number in range(5):
            view(single, "moved", number)
        assert single.stop() == 0
    cluster.create("--from", str(single.state))
    (worker,) = cluster.workers
    front = cluster.member("front", "front", SLUICE_STATE_DIR=str(single.state))
    front.state = single.state
    with worker, front:
        front.wait_ready()
        for number in range(5, 10):
            view(front, "moved", number)
        assert front.stop() == 0
        # It stores what it has read, and reads on until it is told to stop.
        wait_until(lambda: lag(worker) == 0, worker.log_text)
        assert worker.stop() == 0
    with single:
        for number in range(10, 15):
            view(single, "moved", number)
        # What was open at a change of engines begins anew.
        assert_stored(single, "moved", [5, 5, 5])
        assert len({row["user_id"] for row in single.events("pathname LIKE '/moved/%'", 15)}) == 1
        assert single.stop() == 0


def lag(worker: Member) -> int:
    """Messages that the cluster has not stored, as `sluice engine status` has them."""
    answer = worker.command("engine", "status", "--json")
    assert answer.returncode == 0, answer.stderr
    return int(json.loads(answer.stdout)["lag"])


def refusal(server: Sluice) -> str:
    """The messages of a process that does not start."""
    process = server.launch()
    assert process.wait(WAIT_SECONDS) == 1, server.log_text()
    assert "Traceback" not in server.log_text()
    return server.log_text()


def test_another_session_timeout_is_refused(cluster: Cluster) -> None:
    log = refusal(cluster.member("worker", "impatient", SLUICE_SESSION_MINUTES="10"))
    assert "SLUICE_SESSION_MINUTES: expected 30, as the cluster was made, got 10" in log


@pytest.mark.parametrize("role", ["front", "worker"])
def test_a_role_needs_kafka(tmp_path: Path, clickhouse: ClickHouseServer, role: Any) -> None:
    secret = {"SLUICE_CLUSTER_SECRET": "0123456789abcdef0123456789abcdef"}
    log = refusal(Member(tmp_path, role, clickhouse.url("none"), **secret))
    assert log == "sluice: KAFKA_URL or KAFKA_BROKERS is needed: the brokers of the cluster\n"


def partitions(address: str, topic: str) -> int:
    """How many partitions of a topic a broker knows."""
    with AdminClient({"bootstrap.servers": address}) as client:
        return len(client.list_topics(topic, WAIT_SECONDS).topics[topic].partitions)


def test_topics_with_other_partitions_are_refused(make: Make, brokers: Brokers) -> None:
    cluster = make(fronts=1, workers=1)
    cluster.create()
    topic = f"{cluster.environment['KAFKA_PREFIX']}sluice-events"
    brokers.admin.create_partitions([NewPartitions(topic, PARTITIONS + 1)])[topic].result(60)
    for address in brokers.addresses().split(","):
        wait_until(lambda address=address: partitions(address, topic) == PARTITIONS + 1)
    for member in cluster.members:
        log = refusal(member)
        assert f"{topic} has {PARTITIONS + 1} partitions instead of {PARTITIONS}" in log
