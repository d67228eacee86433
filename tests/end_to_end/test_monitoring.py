"""The Grafana dashboard and the documented alerts only use existing metrics."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingest.engine.cluster_figures import show_cluster
from ingest.telemetry.metrics import Metrics
from tests.documentation import CLUSTER, MONITORING, blocks
from tests.end_to_end.sluice import Sluice
from tests.ingest.engine.test_cluster import a_cluster, a_front, a_worker

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "config" / "grafana-dashboard.json").read_text()
)
PANELS: list[dict[str, Any]] = [p for p in DASHBOARD["panels"] if p["type"] != "row"]
VARIABLES: list[dict[str, Any]] = DASHBOARD["templating"]["list"]
ALERTS = [
    line
    for document in (MONITORING, CLUSTER)
    for block in blocks(document, "promql")
    for line in block.splitlines()
    if line
]

ONE_STORE = pytest.mark.parametrize("store", ["chdb"], indirect=True)

_NAME = re.compile(r"\bsluice_[a-z_]+\b")
_SELECTOR = re.compile(r"(sluice_[a-z_]+)\{([^}]*)\}")
_GROUPED = re.compile(r"by \(([^)]*)\)")


def expressions() -> Iterator[tuple[str, str]]:
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in VARIABLES:
        if variable["type"] == "query":
            yield variable["name"], variable["definition"]
    for alert in ALERTS:
        yield "alert", alert


def cluster_metrics() -> str:
    """What a member of a cluster shows besides."""
    cluster, metrics = a_cluster(a_front(), a_worker()), Metrics(lambda domain: False)
    show_cluster(metrics, lambda: cluster)
    lines = metrics.exposition().decode().splitlines(keepends=True)
    return "".join(line for line in lines if "sluice_cluster_" in line)


@pytest.fixture(scope="module")
def shown(sluice: Sluice) -> dict[str, set[str]]:
    """Return the labels of each metric, from a server that has counted one of everything."""
    sluice.send()
    sluice.send(domain="nowhere.example")
    sluice.send(domain=None)
    sluice.events("pathname = '/'")
    found: dict[str, set[str]] = {}
    text = sluice.client.get("/metrics").text + cluster_metrics()
    for family in text_string_to_metric_families(text):
        if family.type == "counter":
            found.setdefault(f"{family.name}_total", set())
        elif family.type == "histogram":
            for suffix in ("bucket", "sum", "count"):
                found.setdefault(f"{family.name}_{suffix}", set())
        else:
            found.setdefault(family.name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@ONE_STORE
@pytest.mark.parametrize(("title", "expression"), list(expressions()))
def test_every_figure_exists(shown: dict[str, set[str]], title: str, expression: str) -> None:
    names = set(_NAME.findall(expression))
    assert names or expression.startswith("up{")
    assert names <= shown.keys()
    # Metrics without a count show no labels.
    known = [labels for name in names if (labels := shown[name])]
    if known:
        used = {
            label.partition("=")[0].strip(" !~")
            for _, selector in _SELECTOR.findall(expression)
            for label in selector.split(",")
        }
        used |= {
            label.strip() for group in _GROUPED.findall(expression) for label in group.split(",")
        }
        assert used - {"", "instance", "job"} <= set().union(*known)


def test_it_can_be_imported() -> None:
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= DASHBOARD.keys()
    assert "id" not in DASHBOARD
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert [v["name"] for v in VARIABLES if v["type"] == "datasource"] == ["datasource"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel(panel: dict[str, Any]) -> None:
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["targets"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"
        assert target["expr"].count("(") == target["expr"].count(")")
    place = panel["gridPos"]
    assert 0 <= place["x"] < place["x"] + place["w"] <= 24


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
