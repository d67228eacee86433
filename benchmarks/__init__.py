"""Repeatable benchmarks. Each prints ratios within one run."""
