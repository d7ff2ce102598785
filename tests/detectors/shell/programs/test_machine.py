from __future__ import annotations

import shlex

import pytest

from callgate.detectors.shell.programs import danger_of


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
        ("auditctl -e0", "DISABLE_PROTECTION"),
        ("setenforce 0", "DISABLE_PROTECTION"),
        ("ip link set eth0 down", "STOP_SERVICE"),
        ("ip route flush table main", "STOP_SERVICE"),
        ("iptables -P INPUT ACCEPT", "FLUSH_FIREWALL"),
        ("journalctl --vacuum-time=1s", "ERASE_TRACES"),
        ("insmod x.ko", "CHANGE_KERNEL"),
        ("modprobe -r ext4", "CHANGE_KERNEL"),
        ("sysctl -w kernel.panic=1", "CHANGE_KERNEL"),
        ("killall -9 nginx", "KILL_PROCESS"),
        ("pkill -u root", "KILL_PROCESS"),
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
        "setenforce 1",
        "ip addr",
        "iptables -P OUTPUT ACCEPT",
        "journalctl -u nginx",
        "rmmod --help",
        "insmod",
        "modprobe ext4",
        "sysctl -a",
        "killall nginx",
    ],
)
def test_everyday_work_is_not_found(line: str) -> None:
    program, *arguments = shlex.split(line)
    assert danger_of(program, arguments) is None
