"""Plays a worker: `python -m standin FD`, with nothing but the standard library.

`STANDIN` says what it does: `serve` until it is told to end, `fault`, or `crash` at its start.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys


def send(end: socket.socket, message: dict[str, object]) -> None:
    body = json.dumps(message).encode()
    end.sendall(len(body).to_bytes(4) + body)


def receive(end: socket.socket) -> dict[str, object]:
    stream = end.makefile("rb")
    length = int.from_bytes(stream.read(4))
    message: dict[str, object] = json.loads(stream.read(length))
    return message


def main() -> None:
    end = socket.socket(fileno=int(sys.argv[1]))
    order = receive(end)
    what = os.environ["STANDIN"]
    if what == "crash":
        sys.exit(3)
    if what == "fault":
        send(end, {"fault": "listen: no such port"})
        sys.exit(2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    number = int(str(order["number"]))
    record = {"kind": "call", "surface": "chat", "decision": "DENY", "reasons": [], "trace": "t"}
    send(end, {"states": {"interven": "ok" if number == 1 else "rate limited"}})
    send(end, {"record": record})
    send(end, {"proxy": f"http://127.0.0.1:{number}", "reverse": ["http://127.0.0.1:9"]})
    end.recv(1)


if __name__ == "__main__":
    main()
