"""The system's store of trusted roots: what `callgate ca trust` puts there and takes out again."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from callgate.errors import SettingsError

_SECONDS = 120


@dataclass(frozen=True, slots=True)
class SystemStore:
    """A folder that the system reads roots from, and what makes it do so."""

    folder: Path
    refresh: Sequence[str]

    @property
    def is_here(self) -> bool:
        """Whether this system has such a store."""
        return self.folder.is_dir() and shutil.which(self.refresh[0]) is not None

    def trust(self, certificates: Sequence[bytes]) -> list[Path]:
        """Put PEM certificates in, in place of those that were put in before.

        Returns the files; raises SettingsError when the store can not be written.
        """
        wanted = {self._file(pem): pem for pem in certificates}
        try:
            for path in set(self.present()) - set(wanted):
                path.unlink()
            for path, pem in wanted.items():
                path.write_bytes(pem)
                path.chmod(0o644)
        except OSError as error:
            raise SettingsError(f"can not write {self.folder}: {error}") from error
        self._refresh()
        return list(wanted)

    def forget(self) -> list[Path]:
        """Take out whatever `trust` put in; returns the files, raises SettingsError likewise."""
        paths = self.present()
        try:
            for path in paths:
                path.unlink()
        except OSError as error:
            raise SettingsError(f"can not write {self.folder}: {error}") from error
        self._refresh()
        return paths

    def present(self) -> list[Path]:
        """The files that `trust` put in."""
        return sorted(self.folder.glob("callgate-*.crt"))

    def commands(self, certificate: Path, *, undo: bool = False) -> list[str]:
        """What a person would type to do the same."""
        target = self.folder / "callgate-ca.crt"
        copy = ["cp", str(certificate), str(target)]
        first = ["rm", "-f", str(self.folder) + "/callgate-*.crt"] if undo else copy
        line = " ".join(first) if undo else shlex.join(first)
        return [f"sudo {line}", f"sudo {shlex.join(self.refresh)}"]

    def _file(self, pem: bytes) -> Path:
        return self.folder / f"callgate-{hashlib.sha256(pem).hexdigest()[:12]}.crt"

    def _refresh(self) -> None:
        try:
            done = subprocess.run(
                self.refresh, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SettingsError(f"{self.refresh[0]}: {error}") from error
        if done.returncode:
            raise SettingsError(f"{self.refresh[0]} failed: {done.stderr.strip()[-500:]}")


DEBIAN = SystemStore(
    Path("/usr/local/share/ca-certificates"), ("update-ca-certificates", "--fresh")
)
RED_HAT = SystemStore(Path("/etc/pki/ca-trust/source/anchors"), ("update-ca-trust", "extract"))


def mac_commands(certificate: Path, *, undo: bool = False) -> list[str]:
    """macOS asks a person for the password: nothing is done for them."""
    keychain = "/Library/Keychains/System.keychain"
    if undo:
        return [f"sudo security remove-trusted-cert -d {shlex.quote(str(certificate))}"]
    options = f"-d -r trustRoot -p ssl -k {keychain}"
    return [f"sudo security add-trusted-cert {options} {shlex.quote(str(certificate))}"]
