"""`python -m tests.end_to_end.quick_beats`: `sluice` with beats every half second."""

from ingest.rows import servers


def quicken() -> None:
    """Shorten all intervals; call it before the modules that use them are imported."""
    servers.BEAT_SECONDS = 0.5
    servers.OVERLAP_SECONDS = 2
    servers.SILENT_SECONDS = 10


if __name__ == "__main__":
    quicken()
    from ingest.cli import main

    main()
