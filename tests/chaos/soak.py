"""`python -m tests.chaos.soak`: moderate mixed load for long, without faults.

It compares what the server takes of the machine at the start and at the end, then audits the rows.
"""

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final

from tests.chaos.audit import Findings
from tests.chaos.client import Crowd, Load
from tests.chaos.mixed_load import MixedLoad
from tests.chaos.report import figures, row, verdicts
from tests.chaos.rude import RudeClients
from tests.chaos.run import audit_server
from tests.chaos.server import SluiceProcess
from tests.chaos.usage import Usage, usage_of, usage_table
from tests.end_to_end.clickhouse_server import ClickHouseServer, free_port

SAMPLE_SECONDS: Final = 5.0
WARM_UP_SECONDS: Final = 30.0
"""Until the first sample: modules load, and the store opens its files."""

EVENTS_PER_SECOND: Final = 60.0
SETTINGS: Final = {
    "SLUICE_FLUSH_SECONDS": "2",
    "SLUICE_FLUSH_ROWS": "10000",
    "SLUICE_JOURNAL_MEGABYTES": "1024",
    "SLUICE_SHUTDOWN_SECONDS": "25",
}


def main() -> int:
    """Run, and print the results.

    Returns:
        0 if each accepted event was stored once, all visits are right, and no error was logged.
    """
    options = _options()
    signal.signal(signal.SIGTERM, _interrupt)
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    directory = Path(tempfile.mkdtemp(prefix="sluice-soak-"))
    print(f"seed {seed}, {options.minutes:g} minutes, {options.store}", flush=True)
    try:
        with ExitStack() as stack:
            samples, findings, mixed, log = _run(options, seed, directory, stack)
    except KeyboardInterrupt:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    failures = [f"in the log: {line}" for line in log if "Traceback" in line or "error  " in line]
    print("\n".join(usage_table(samples)))
    print("clients")
    for what, times in sorted(mixed.done.items()):
        print(row(f"  {what}", times))
    print("\n".join((*figures(findings), *verdicts(findings, failures))))
    if failures or not findings.passed:
        print(f"everything is kept in {directory}")
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


def _run(
    options: argparse.Namespace, seed: int, directory: Path, stack: ExitStack
) -> tuple[list[Usage], Findings, MixedLoad, list[str]]:
    url = "chdb://chdb"
    if options.store == "clickhouse":
        url = stack.enter_context(ClickHouseServer(directory / "clickhouse")).url("soak")
    server = SluiceProcess(
        directory, directory / "state", free_port(), {**SETTINGS, "CLICKHOUSE_URL": url}
    )
    stack.callback(server.close)
    server.start()
    load = Load((server.port,), seed, Crowd(events_per_second=EVENTS_PER_SECOND))
    rude, mixed = RudeClients((server.port,), seed), MixedLoad(server, seed)
    for clients in (load, rude, mixed):
        clients.start()
    end = time.monotonic() + options.minutes * 60
    time.sleep(min(WARM_UP_SECONDS, options.minutes * 60 / 10))
    samples: list[Usage] = []
    while time.monotonic() < end or not samples:
        server.check_alive()
        samples.append(usage_of(server.pid, server.log, mixed.times()))
        time.sleep(SAMPLE_SECONDS)
    sent = [*load.stop(), *rude.stop(), *mixed.stop()]
    log = server.log_text().splitlines()
    findings, _ = audit_server(server, sent)
    return samples, findings, mixed, log


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Exit like Ctrl-C does, so that all started processes are stopped."""
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--store", choices=("chdb", "clickhouse"), default="chdb")
    parser.add_argument("--seed", type=int, help="repeat the traffic of a run; random by default")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; nothing is kept")
