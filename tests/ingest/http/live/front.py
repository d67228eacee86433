"""A front over a pipeline: its collector has no store, and its back half sends to Kafka."""

from pathlib import Path
from typing import Any

from actors.pipeline.back_half import BackHalf
from actors.pipeline.front_half import FrontHalf
from actors.pipeline.topology import Collector
from ingest.engine.cluster import Cluster
from ingest.http.health import Health
from ingest.http.live.status import LiveStatus
from tests.actors.pipeline.running_pipeline import Pipeline
from tests.ingest.engine.test_cluster import a_cluster, a_front, a_worker
from tests.ingest.http.application import SETTINGS, a_reload


class Forwarding(BackHalf):
    """Forwards nothing; reports what a test wants."""

    stages = ()
    keepers = ()

    def __init__(self, pipeline: Pipeline) -> None:
        self.journal: dict[str, Any] = pipeline.log.status()
        self.cluster: dict[str, Any] = {"status": "ok", "forwards": True}

    @property
    def backlog(self) -> int:
        return 0

    async def leave_rest(self) -> None:
        """There is no rest."""

    def status(self) -> dict[str, dict[str, object]]:
        return {"journal": self.journal, "cluster": self.cluster}

    def figures(self) -> dict[str, float]:
        return {}


class Front:
    """A front with its reports."""

    def __init__(self, directory: Path, cluster: Cluster | None = None) -> None:
        pipeline = Pipeline(directory, on_disk=True)
        self.forwarding = Forwarding(pipeline)
        front = FrontHalf(pipeline.reference, pipeline.clock, pipeline.log, directory / "outbox")
        collector = Collector(front, self.forwarding)
        self.health = Health(collector, a_reload("sites_file"), None, None)
        self.cluster = a_cluster(a_front(), a_worker()) if cluster is None else cluster
        self.live = LiveStatus(
            collector, self.health, SETTINGS, "1.2.3", lambda: self.cluster, member="f1"
        )
