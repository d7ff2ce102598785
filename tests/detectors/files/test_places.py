from __future__ import annotations

import pytest

from callgate.detectors.files.places import KNOWN, place_of


def kind(path: str) -> str:
    place = place_of(path)
    return place.kind if place else ""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/shadow", "ACCOUNT_FILE"),
        ("/etc/passwd-", "ACCOUNT_FILE"),
        ("/etc/sudoers.d/x", "ACCOUNT_FILE"),
        ("/windows/system32/config/sam", "ACCOUNT_FILE"),
        ("hklm/sam", "ACCOUNT_FILE"),
        ("/proc/1/environ", "PROCESS_MEMORY"),
        ("/home/u/.ssh/authorized_keys", "LOGIN_FILE"),
        (".bash_history", "HISTORY_FILE"),
        ("/users/x/consolehost_history.txt", "HISTORY_FILE"),
        ("id_ed25519", "PRIVATE_KEY"),
        ("server.key", "PRIVATE_KEY"),
        ("/home/u/.ssh", "CREDENTIAL_FILE"),
        ("/home/u/.ssh/", "CREDENTIAL_FILE"),
        (".aws/credentials", "CREDENTIAL_FILE"),
        ("/run/secrets/db", "CREDENTIAL_FILE"),
        (".env.production", "CREDENTIAL_FILE"),
        ("wp-config.php", "CREDENTIAL_FILE"),
        ("/etc/cron.d/x", "STARTUP_FILE"),
        ("hkcu/software/microsoft/windows/currentversion/run", "STARTUP_FILE"),
        (".zshrc", "STARTUP_FILE"),
        ("/var/run/docker.sock", "CONTROL_SOCKET"),
        ("/windows/win.ini", "SYSTEM_FILE"),
        ("/etc/nginx/nginx.conf", "SERVER_FILE"),
        ("/proc/kallsyms", "SYSTEM_FILE"),
        ("/usr/bin/ls", "SYSTEM_FILE"),
        ("/root/.x", "SYSTEM_FILE"),
        ("src/main.py", ""),
        ("/etc/hosts", ""),
        (".env.example", ""),
        ("id_rsa.pub", ""),
        ("ca.pem", ""),
        ("/proc/cpuinfo", ""),
        ("", ""),
    ],
)
def test_path_leads_to_its_kind_of_place(path: str, expected: str) -> None:
    assert kind(path) == expected


def test_every_known_path_is_a_place() -> None:
    assert [known for known in KNOWN if not place_of("/".join(known))] == []


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("/.e*", "CREDENTIAL_FILE"),
        ("/etc/sh?dow", "ACCOUNT_FILE"),
        ("/e*/pass*", "ACCOUNT_FILE"),
        ("/etc/shado[w]", "ACCOUNT_FILE"),
        ("/???/shadow", "ACCOUNT_FILE"),
        ("/home/u/.ss?/id_*", "PRIVATE_KEY"),
        ("*_ed25519", "PRIVATE_KEY"),
        ("?env", ""),
        ("*", ""),
        ("*.json", ""),
        ("/x/.*", ""),
        ("src/*/passwd", ""),
        ("a" * 65 + "*", ""),
    ],
)
def test_glob_counts_as_what_it_stands_for(glob: str, expected: str) -> None:
    assert kind(glob) == expected


def test_reading_and_writing_differ() -> None:
    env, profile = place_of(".env"), place_of(".bashrc")
    assert env
    assert profile
    assert env.read > 0.5 > env.write
    assert profile.write > 0.5 > profile.read
