"""The measured servers, each a process."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
START_SECONDS: Final = 60.0
SITES: Final = 50
"""Number of sites for which `traffic.lua` sends events."""

NGINX: Final = """
worker_processes 1;
pid {directory}/pid;
error_log {directory}/error.log;
daemon off;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {directory};
    proxy_temp_path {directory};
    fastcgi_temp_path {directory};
    uwsgi_temp_path {directory};
    scgi_temp_path {directory};
    server {{ listen 127.0.0.1:{port}; location / {{ return 202 "ok"; }} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        port: The port on which it listens.
        pid: The id of its process, or of its only worker.
    """

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return the CPU time of all threads so far."""
        return cpu_seconds(self.pid)

    def thread_seconds(self) -> dict[str, float]:
        """Return the CPU time of the threads so far, by their names."""
        seconds: dict[str, float] = {}
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            name = (thread / "comm").read_text().strip()
            seconds[name] = seconds.get(name, 0.0) + _cpu_seconds(thread / "stat")
        return seconds

    def memory(self) -> dict[str, float]:
        """Return the current (`VmRSS`) and the maximum memory (`VmHWM`) in megabytes."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        pairs = (line.partition(":") for line in lines)
        return {
            name: int(value.split()[0]) / 1024
            for name, _, value in pairs
            if name.startswith("Vm")
            if name in ("VmRSS", "VmHWM")
        }

    def metrics(self) -> dict[str, float]:
        """Return Sluice's metrics, by name and labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def ready(self) -> dict[str, Any]:
        """Return the parts of the readiness report, whether or not Sluice is ready."""
        try:
            answer = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready")
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return dict(json.load(answer))

    def accepted(self) -> float:
        """Return the number of accepted events so far."""
        figures = self.metrics().items()
        return sum(
            value for name, value in figures if name.startswith("sluice_events_accepted_total")
        )


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a process so far."""
    return _cpu_seconds(Path(f"/proc/{pid}/stat"))


def _cpu_seconds(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write_sites(path: Path, sites: int = SITES) -> None:
    """Write a sites file with the sites of the traffic."""
    path.write_text(
        "".join(
            f'[[site]]\nid = {number + 1}\ndomain = "site{number}.example"\n'
            for number in range(sites)
        )
    )


@contextmanager
def sluice(
    directory: Path, core: int | None, role: str = "all", **environment: str
) -> Iterator[Server]:
    """Run the real server with a new state directory, on one core or on all."""
    directory.mkdir(parents=True)
    write_sites(directory / "sites.toml", int(environment.pop("sites", SITES)))
    settings = {
        "PORT": str(free_port()),
        "HOST": "127.0.0.1",
        "SLUICE_SITES": str(directory / "sites.toml"),
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    command = [sys.executable, "-m", "ingest", "serve", "--role", role]
    with _process(command, directory, core, settings) as process:
        yield Server(int(settings["PORT"]), process.pid)


@contextmanager
def floor(name: str, directory: Path, core: int) -> Iterator[Server]:
    """Run an empty endpoint of `benchmarks.floors`, or nginx."""
    directory.mkdir(parents=True)
    port = free_port()
    if name == "nginx":
        config = directory / "nginx.conf"
        config.write_text(NGINX.format(directory=directory, port=port))
        command = [shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(config)]
    else:
        command = [sys.executable, "-m", "benchmarks.floors", name, str(port)]
    with _process(
        command, directory, core, {"PORT": str(port), "PYTHONPATH": str(ROOT)}
    ) as process:
        yield Server(port, _worker(process.pid) if name == "nginx" else process.pid)


@contextmanager
def _process(
    command: Sequence[str], directory: Path, core: int | None, settings: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    log = directory / "log"
    environment = {key: value for key, value in os.environ.items() if "SLUICE" not in key}
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            command if core is None else ["taskset", "-c", str(core), *command],
            cwd=directory,
            env={**environment, **settings},
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(int(settings["PORT"])):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/health")
    try:
        urllib.request.urlopen(request, timeout=1)  # noqa: S310
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _worker(master: int) -> int:
    """Return the process id of nginx's only worker."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return int(children[0])


def free_port() -> int:
    """Return an unused port of the loopback interface."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
