"""`python -m tests.end_to_end.few_files`: `sluice` that may have few open files."""

import resource

FILES = 128

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    from ingest.cli import main

    main()
