"""Sluice processes events, from a tracker's request to ClickHouse rows.

The main packages are `request` (parsing of requests), `sites` (the site registry and its rules),
`enrichment` (device, place, source, channel), `sessions` (visitors and visits), `rows` (tables and
their columns), `pipeline` (the order of the steps), and `http` (the HTTP server). All but `http`
and the command line are pure and synchronous.
"""

__version__ = "0.2.0"
