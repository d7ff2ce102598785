"""Connections of processes, from what Linux tells."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest

from callgate.cli import sockets

pytestmark = pytest.mark.skipif(not sockets.can_be_seen(), reason="no /proc/net/tcp here")

CONNECT = (
    "import socket, sys, time; s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
)
WAIT = "print(1, flush=True); sys.stdin.read()"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connection_of_a_grandchild_is_seen_with_its_remote_address(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"no {host} here")
    with server:
        port = server.getsockname()[1]
        program = [sys.executable, "-c", CONNECT + WAIT, host, str(port)]
        shell = subprocess.Popen(
            ["sh", "-c", '"$@"; true', "sh", *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with shell:
            assert shell.stdout
            assert shell.stdin
            shell.stdout.readline()
            assert sockets.remotes(shell.pid) == {(host, port)}
            shell.stdin.close()


def test_listening_and_closed_sockets_do_not_count() -> None:
    program = [sys.executable, "-c", "import sys;" + WAIT]
    with socket.create_server(("127.0.0.1", 0)):
        process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with process:
            assert process.stdout
            assert process.stdin
            process.stdout.readline()
            assert sockets.remotes(process.pid) == set()
            process.stdin.close()


def test_process_that_is_gone_has_none() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    time.sleep(0)
    assert sockets.remotes(process.pid) == set()
    assert process.pid != os.getpid()
