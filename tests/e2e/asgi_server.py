"""Serves somebody else's ASGI app on a free port of loopback: `MODULE:NAME [--factory]`.

Run as a program in an environment that has uvicorn and the app; prints the port, alone: what the
app itself prints goes to standard error.
"""

import os
import socket
import sys

import uvicorn


class Announcing(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            with os.fdopen(ANNOUNCEMENTS, "w") as announcements:
                announcements.write(f"{port}\n")


if __name__ == "__main__":
    ANNOUNCEMENTS = os.dup(1)
    os.dup2(2, 1)
    config = uvicorn.Config(
        sys.argv[1],
        factory="--factory" in sys.argv,
        host="127.0.0.1",
        port=0,
        log_config=None,
        lifespan="on",
    )
    Announcing(config).run()
