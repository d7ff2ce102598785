"""A worker process: `python -m callgate.workers FD`, FD being one end of a socket pair."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

from callgate.settling import settled

with settled():
    from callgate.workers.worker import work

if __name__ == "__main__":
    # Ctrl-C reaches the whole foreground: the parent passes it on once all can finish their flows
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(asyncio.run(work(socket.socket(fileno=int(sys.argv[1])))))
