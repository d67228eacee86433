"""Sluice: the event, from a tracker's request to ClickHouse rows.

The packages below are named after what they know: `request` (the wire), `sites` (who may send
what), `enrichment` (device, place, source, channel), `sessions` (visitors and visits), `rows`
(tables and their columns), `pipeline` (the order of the steps), `http` (the web front). All but
`http` and the command line are pure and synchronous.
"""

__version__ = "0.1.0"
