"""The machine: power, services, accounts, firewall, schedules."""

from __future__ import annotations

from collections.abc import Sequence

from callgate.detectors.programs.base import Danger, Rule, always, has, operands

_SERVICES = frozenset(
    str.split(
        "sshd ssh docker containerd kubelet nginx haproxy traefik apache2 httpd postgresql mysql "
        "mysqld mariadb redis mongod firewalld ufw auditd rsyslog networkmanager"
    )
)


def _power(arguments: Sequence[str]) -> Danger | None:
    if has(arguments, "c", "--help", "--show"):
        return None
    return Danger("SHUTDOWN", "stops or restarts the machine", 0.8)


def _init(arguments: Sequence[str]) -> Danger | None:
    return _power(()) if arguments[:1] in (["0"], ["6"]) else None


def _service(arguments: Sequence[str]) -> Danger | None:
    words = set(operands(arguments))
    if words & {"poweroff", "reboot", "halt", "kexec", "emergency", "rescue"}:
        return _power(())
    if words & {"stop", "disable", "mask"} and words & _SERVICES:
        return Danger("STOP_SERVICE", "stops a service that others rely on", 0.7)
    return None


def _crontab(arguments: Sequence[str]) -> Danger | None:
    return Danger("DELETE_SCHEDULE", "deletes all scheduled jobs") if has(arguments, "r") else None


def _firewall(arguments: Sequence[str]) -> Danger | None:
    if has(arguments, "FX", "--flush") or "flush" in arguments or "reset" in arguments:
        return Danger("FLUSH_FIREWALL", "drops all rules of the firewall")
    return (
        Danger("FLUSH_FIREWALL", "turns the firewall off", 0.8) if "disable" in arguments else None
    )


def _kill(arguments: Sequence[str]) -> Danger | None:
    if "-1" in arguments[-1:] and len(arguments) > 1:
        return Danger("KILL_ALL", "ends every process")
    return None


def _history(arguments: Sequence[str]) -> Danger | None:
    return (
        Danger("ERASE_TRACES", "erases the shell's history", 0.8) if has(arguments, "c") else None
    )


_ACCOUNT = always("DELETE_USER", "deletes an account or a group")

RULES: dict[str, Rule] = {
    "crontab": _crontab,
    "deluser": _ACCOUNT,
    "groupdel": _ACCOUNT,
    "halt": _power,
    "history": _history,
    "init": _init,
    "ip6tables": _firewall,
    "iptables": _firewall,
    "kill": _kill,
    "nft": _firewall,
    "poweroff": _power,
    "reboot": _power,
    "service": _service,
    "shutdown": _power,
    "systemctl": _service,
    "telinit": _init,
    "ufw": _firewall,
    "userdel": _ACCOUNT,
}
