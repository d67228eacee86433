"""Where rows are kept: chDB in this process, or a ClickHouse server."""
