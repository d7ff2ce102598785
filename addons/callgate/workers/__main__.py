"""A worker process: `python -m callgate.workers FD`, FD being one end of a socket pair."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

from callgate.settling import settled
from callgate.tasks import leave

with settled():
    from callgate.workers.worker import work

if __name__ == "__main__":
    # Ctrl-C reaches the whole foreground: a worker that does not serve yet leaves it to its parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = asyncio.run(work(socket.socket(fileno=int(sys.argv[1]))))
    leave(code)
    sys.exit(code)
