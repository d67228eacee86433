"""Real proxies in front of a server, with the documented configurations."""

import os
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Self

import pytest

from tests.documentation import CADDYFILE, PROXY, blocks
from tests.end_to_end.clickhouse_server import free_port
from tests.waiting import wait_until

_NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    {}
}}
"""


class Proxy:
    """nginx or Caddy on a free port of loopback, in a separate directory.

    `caddy-tls` is Caddy with the configuration of `compose.yaml`, and a certificate of its own.

    `appends` is nginx that appends to the received `X-Forwarded-For` instead of replacing it, like
    a proxy behind another proxy. `cloudflare` is nginx that trusts `CF-Connecting-IP`. `server` is
    an nginx server block other than the documented one.
    """

    def __init__(
        self,
        kind: str,
        directory: Path,
        upstream: int,
        *,
        appends: bool = False,
        cloudflare: str = "",
        server: str | None = None,
    ) -> None:
        name = kind.partition("-")[0]
        program = shutil.which(name)
        if program is None:
            pytest.skip(f"{name} is not installed (apt-get install {name})")
        self.tls = kind.endswith("-tls")
        self.directory = directory
        self.port = free_port()
        self.log = directory / "log"
        directory.mkdir()
        if kind == "nginx":
            (text,) = blocks(PROXY, "nginx") if server is None else [server]
            text = text.replace("listen 80;", f"listen 127.0.0.1:{self.port};")
            if appends:
                text = text.replace("$remote_addr", "$proxy_add_x_forwarded_for")
            if cloudflare:
                text = text.replace("# set_real_ip_from 173.245.48.0/20;", "# set_real_ip_from")
                text = text.replace(
                    "# real_ip_header", f"set_real_ip_from {cloudflare};\n real_ip_header"
                )
            text = _NGINX.format(text)
            self.command = [program, "-p", str(directory), "-c", "conf", "-e", "stderr"]
        else:
            options = ["admin off", "default_bind 127.0.0.1"]
            if kind == "caddy":
                (text,) = blocks(PROXY, "caddyfile")
                text = text.replace("stats.example.com", f"http://127.0.0.1:{self.port}")
                options += ["auto_https off"]
            else:
                text = CADDYFILE.read_text().replace("sluice:8000", "127.0.0.1:8000")
                options += [f"http_port {free_port()}", f"https_port {self.port}"]
                options += ["skip_install_trust"]
            text = "{\n\t" + "\n\t".join(options) + "\n}\n" + text
            config = str(directory / "conf")
            self.command = [program, "run", "--config", config, "--adapter", "caddyfile"]
        assert "127.0.0.1:8000" in text
        (directory / "conf").write_text(text.replace("127.0.0.1:8000", f"127.0.0.1:{upstream}"))

    def __enter__(self) -> Self:
        home = {"HOME": str(self.directory), "XDG_DATA_HOME": str(self.directory)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.directory, stderr=log, env={**os.environ, **home}
            )
        wait_until(self._listens, self._explain)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)

    def _listens(self) -> bool:
        assert self.process.poll() is None, self._explain()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
            return not self.tls or self._has_certificate(probe)

    def _has_certificate(self, probe: socket.socket) -> bool:
        """Whether Caddy has made its certificate, which it does after it has begun to listen."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            context.wrap_socket(probe, server_hostname="localhost").close()
        except OSError:
            return False
        return True

    def _explain(self) -> str:
        return self.log.read_text(errors="replace")
