"""Empty endpoints in common servers, to measure the cost of HTTP alone.

`python -m benchmarks.floors NAME PORT` serves one of them until it is stopped.
"""

import sys
from collections.abc import Callable
from typing import Any


async def empty(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that reads the body and answers."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


def hypercorn_raw(port: int) -> None:
    """Serve raw ASGI with unmodified hypercorn on trio."""
    _hypercorn(empty, port)


def hypercorn_quart(port: int) -> None:
    """Serve an empty Quart-Trio endpoint with unmodified hypercorn on trio."""
    from quart import request
    from quart_trio import QuartTrio

    app = QuartTrio("floor")

    @app.post("/api/event")
    async def event() -> tuple[str, int]:
        await request.get_data()
        return "ok", 202

    _hypercorn(app, port)


def _hypercorn(app: Any, port: int) -> None:
    import trio
    from hypercorn.config import Config
    from hypercorn.trio import serve

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.accesslog = None
    trio.run(serve, app, config)


def uvicorn_httptools(port: int) -> None:
    """Serve raw ASGI with uvicorn and httptools."""
    import uvicorn

    uvicorn.run(
        empty, host="127.0.0.1", port=port, http="httptools", lifespan="off", access_log=False
    )


FLOORS: dict[str, Callable[[int], None]] = {
    "hypercorn_raw": hypercorn_raw,
    "hypercorn_quart": hypercorn_quart,
    "uvicorn_httptools": uvicorn_httptools,
}

if __name__ == "__main__":
    FLOORS[sys.argv[1]](int(sys.argv[2]))
