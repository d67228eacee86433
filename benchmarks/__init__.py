"""Measurements that anyone can repeat; each prints ratios within one run."""
