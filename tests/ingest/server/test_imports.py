from pathlib import Path

from ingest.server.imports import open_import_service
from ingest.server.state_files import StateFiles
from ingest.settings import Settings
from tests.actors.pipeline.running_pipeline import Pipeline, running


async def test_the_collector_keeps_it_running(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path)
    service = open_import_service(
        Settings(), StateFiles(tmp_path), pipeline.collector, pipeline.store
    )
    async with running(pipeline):
        assert service.name in pipeline.collector.supervisor.watches
    # It ends with the others: a service that held its channel would keep the writer waiting.
