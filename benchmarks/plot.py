"""Draws `docs/throughput.png` from the last run of `benchmarks.throughput`."""

import json

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from benchmarks.servers import ROOT


def main() -> None:
    """Draw bars of requests per second, on a logarithmic axis."""
    document = json.loads((ROOT / "benchmarks" / "results" / "throughput.json").read_text())
    lines = document["lines"][::-1]
    figure, axes = pyplot.subplots(figsize=(9, 4.2))
    rates = [line["full"]["rate"] for line in lines]
    colours = ["#2a78b5" if line["half"] else "#b8bec4" for line in lines]
    bars = axes.barh([line["name"] for line in lines], rates, color=colours)
    axes.bar_label(bars, labels=[f"{rate:,.0f}" for rate in rates], padding=3, fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(right=max(rates) * 2.5)
    axes.set_xlabel("requests per second on one core (logarithmic); grey: empty endpoints")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(ROOT / "docs" / "throughput.png", dpi=110)


if __name__ == "__main__":
    main()
