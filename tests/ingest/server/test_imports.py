from pathlib import Path

from ingest.server.imports import open_import_desk
from ingest.server.state_files import StateFiles
from ingest.settings import Settings
from tests.actors.pipeline.running_pipeline import Pipeline, running


async def test_the_collector_keeps_it_running(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path)
    desk = open_import_desk(Settings(), StateFiles(tmp_path), pipeline.collector)
    async with running(pipeline):
        assert desk.name in pipeline.collector.supervisor.watches
    # It ends with the others: a desk that held its channel would keep the writer waiting.
