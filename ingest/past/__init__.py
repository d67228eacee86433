"""Events of the past: what logs and exports of other collectors say, and how far they are read."""
