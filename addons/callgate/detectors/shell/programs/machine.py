"""The machine: power, services, accounts, firewall, schedules."""

from __future__ import annotations

from collections.abc import Sequence

from callgate.detectors.shell.programs.base import Danger, Rule, has, operands

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


def _iptables(arguments: Sequence[str]) -> Danger | None:
    is_open = any(
        list(arguments[i : i + 3]) == ["-P", chain, "ACCEPT"]
        for i in range(len(arguments))
        for chain in ("INPUT", "FORWARD")
    )
    if is_open:
        return Danger("FLUSH_FIREWALL", "lets everything through the firewall", 0.7)
    return _firewall(arguments)


def _network(arguments: Sequence[str]) -> Danger | None:
    words = operands(arguments)
    if "flush" in words[:2] or (words[-1:] == ["down"] and len(words) > 1):
        return Danger("STOP_SERVICE", "cuts the machine off the network", 0.8)
    return None


def _kills(arguments: Sequence[str]) -> Danger | None:
    is_hard = bool({"-9", "-KILL", "-SIGKILL", "-s9"} & set(arguments))
    is_root = any(word in ("-u", "-U") for word in arguments) and "root" in arguments
    if is_hard or is_root:
        return Danger("KILL_PROCESS", "ends processes by name, at once", 0.6)
    return None


def _journal(arguments: Sequence[str]) -> Danger | None:
    if any(word.startswith("--vacuum") for word in arguments):
        return Danger("ERASE_TRACES", "deletes logs", 0.7)
    return None


def _kernel(arguments: Sequence[str]) -> Danger | None:
    if has(arguments, "hV", "--help", "--version") or not arguments:
        return None
    return Danger("CHANGE_KERNEL", "changes what the kernel runs", 0.7)


def _modprobe(arguments: Sequence[str]) -> Danger | None:
    return _kernel(arguments) if has(arguments, "r", "--remove") else None


def _sysctl(arguments: Sequence[str]) -> Danger | None:
    if any(word.startswith(("kernel.panic", "kernel.sysrq", "vm.drop")) for word in arguments):
        return Danger("CHANGE_KERNEL", "changes how the kernel fails", 0.7)
    return None


def _protection(*off: str) -> Rule:
    """Rule for tools that guard the machine: words that turn them off."""
    wanted = frozenset(off)

    def judge(arguments: Sequence[str]) -> Danger | None:
        is_off = wanted & {word.lower() for word in arguments}
        return Danger("DISABLE_PROTECTION", "turns protection off") if is_off else None

    return judge


def _kill(arguments: Sequence[str]) -> Danger | None:
    if "-1" in arguments[-1:] and len(arguments) > 1:
        return Danger("KILL_ALL", "ends every process")
    return None


def _history(arguments: Sequence[str]) -> Danger | None:
    return (
        Danger("ERASE_TRACES", "erases the shell's history", 0.8) if has(arguments, "c") else None
    )


RULES: dict[str, Rule] = {
    "crontab": _crontab,
    "halt": _power,
    "history": _history,
    "init": _init,
    "auditctl": _protection("-d", "-e0"),
    "csrutil": _protection("disable"),
    "ifconfig": _network,
    "insmod": _kernel,
    "ip": _network,
    "ip6tables": _iptables,
    "iptables": _iptables,
    "journalctl": _journal,
    "kexec": _kernel,
    "kill": _kill,
    "killall": _kills,
    "modprobe": _modprobe,
    "nft": _firewall,
    "nvram": _protection("-c", "-d"),
    "pkill": _kills,
    "poweroff": _power,
    "reboot": _power,
    "service": _service,
    "rmmod": _kernel,
    "setenforce": _protection("0", "permissive"),
    "shutdown": _power,
    "spctl": _protection("--master-disable", "--global-disable"),
    "sysctl": _sysctl,
    "systemctl": _service,
    "telinit": _init,
    "ufw": _firewall,
}
