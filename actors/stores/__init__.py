"""The stores: chDB in this process, or a ClickHouse server."""
