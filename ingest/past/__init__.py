"""Past events: readers of logs and exports of other collectors, and the state of imports."""
