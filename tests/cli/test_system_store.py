"""The system's store of roots, and `callgate ca trust` in a system of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from callgate.cli.system_store import DEBIAN, RED_HAT, SystemStore, mac_commands
from callgate.errors import SettingsError

ONE, TWO = b"certificate one\n", b"certificate two\n"


def store(folder: Path, command: str = "touch refreshed") -> SystemStore:
    (folder / "roots").mkdir(exist_ok=True)
    return SystemStore(folder / "roots", ("sh", "-c", f"cd {folder} && {command}"))


def test_trust_replaces_what_was_there_and_forget_leaves_others_alone(tmp_path: Path) -> None:
    system = store(tmp_path)
    (tmp_path / "roots" / "company.crt").write_bytes(b"company")
    (first,) = system.trust([ONE])
    assert first.read_bytes() == ONE
    assert first.stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "refreshed").exists()

    system.trust([TWO])
    assert [path.read_bytes() for path in system.present()] == [TWO]

    system.forget()
    assert [path.name for path in (tmp_path / "roots").iterdir()] == ["company.crt"]


@pytest.mark.parametrize("command", ["echo broken >&2; false", "no-such-command-here"])
def test_refresh_that_fails_is_said(tmp_path: Path, command: str) -> None:
    with pytest.raises(SettingsError, match=r"sh failed: .*(broken|not found)"):
        store(tmp_path, command).trust([ONE])


def test_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    system = store(tmp_path)
    (tmp_path / "roots").rmdir()
    (tmp_path / "roots").touch()

    with pytest.raises(SettingsError, match="can not write"):
        system.trust([ONE])


def test_commands_for_a_person(tmp_path: Path) -> None:
    certificate = tmp_path / "with space" / "ca.pem"

    assert DEBIAN.commands(certificate) == [
        f"sudo cp '{certificate}' /usr/local/share/ca-certificates/callgate-ca.crt",
        "sudo update-ca-certificates --fresh",
    ]
    assert DEBIAN.commands(certificate, undo=True)[0] == (
        "sudo rm -f /usr/local/share/ca-certificates/callgate-*.crt"
    )
    assert RED_HAT.commands(certificate)[1] == "sudo update-ca-trust extract"
    assert "add-trusted-cert" in mac_commands(certificate)[0]
    assert "remove-trusted-cert" in mac_commands(certificate, undo=True)[0]


IN_A_SYSTEM_OF_ITS_OWN = """
set -e
mkdir "$1/certs"
: >"$1/none"
mount --bind "$1/certs" /etc/ssl/certs
mount --bind "$1/none" /etc/ca-certificates.conf  # a hundred others would only take time
mount -t tmpfs none /usr/local/share/ca-certificates
cp "$3" /usr/local/share/ca-certificates/company.crt
"$2" -m callgate ca trust >"$1/trusted"
cp /etc/ssl/certs/ca-certificates.crt "$1/with"
"$2" -m callgate ca trust --undo >"$1/removed"
cp /etc/ssl/certs/ca-certificates.crt "$1/without"
"""


@pytest.mark.e2e
@pytest.mark.skipif(os.geteuid() != 0, reason="mount namespaces need root")
@pytest.mark.skipif(not DEBIAN.is_here, reason="the system is not Debian")
def test_debian_trusts_the_ca_and_forgets_it_again(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine forbids mount namespaces")
    command = ["unshare", "-m", "sh", "-c", IN_A_SYSTEM_OF_ITS_OWN, "sh"]
    company = tmp_path / "company.pem"
    trustme.CA().cert_pem.write_to_path(str(company))
    done = subprocess.run(
        [*command, str(tmp_path), sys.executable, str(company)],
        env={**os.environ, "CALLGATE_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=220,
    )

    assert done.returncode == 0, done.stderr
    certificate = (tmp_path / "home" / "ca" / "callgate-ca.pem").read_text()
    assert certificate in (tmp_path / "with").read_text()
    assert certificate not in (tmp_path / "without").read_text()
    assert company.read_text().strip() in (tmp_path / "without").read_text()
    assert (tmp_path / "trusted").read_text().startswith("trusted /usr/local/share/")
    assert (tmp_path / "removed").read_text().startswith("removed /usr/local/share/")
    assert shutil.which("update-ca-certificates")
