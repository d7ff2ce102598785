from __future__ import annotations

import shlex

import pytest

from callgate.detectors.programs import danger_of


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("shutdown -h now", "SHUTDOWN"),
        ("reboot", "SHUTDOWN"),
        ("init 0", "SHUTDOWN"),
        ("systemctl poweroff", "SHUTDOWN"),
        ("systemctl stop nginx", "STOP_SERVICE"),
        ("crontab -r", "DELETE_SCHEDULE"),
        ("iptables -F", "FLUSH_FIREWALL"),
        ("ufw disable", "FLUSH_FIREWALL"),
        ("kill -9 -1", "KILL_ALL"),
        ("userdel -r admin", "DELETE_USER"),
        ("history -c", "ERASE_TRACES"),
    ],
)
def test_harm_to_the_machine_is_found(line: str, kind: str) -> None:
    program, *arguments = shlex.split(line)
    danger = danger_of(program, arguments)
    assert danger is not None
    assert danger.kind == kind


@pytest.mark.parametrize(
    "line",
    [
        "shutdown -c",
        "init 3",
        "systemctl status nginx",
        "systemctl stop myapp",
        "crontab -l",
        "iptables -L",
        "ufw status",
        "kill 123",
        "userdel",
        "history",
    ],
)
def test_everyday_work_is_not_found(line: str) -> None:
    program, *arguments = shlex.split(line)
    assert danger_of(program, arguments) is None
