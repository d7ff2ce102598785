"""The policy file on disk: loaded now, reloaded when it changes, never lost."""

from __future__ import annotations

from pathlib import Path

from callgate.errors import PolicyError
from callgate.policy.policy import Policy

type _Stamp = tuple[int, int, int] | None


class PolicyFile:
    """Holds the last good version of a file.

    `current` is replaced as a whole: whoever reads it once judges by one version.
    """

    def __init__(self, path: Path | str) -> None:
        """Load the file; raises PolicyError when it is broken or missing."""
        self.path = Path(path)
        self._seen = self._stamp()
        self.current = Policy.load(self.path)

    def changed(self) -> bool:
        """Tell whether the file differs from what was last loaded or tried: one `stat`."""
        return self._stamp() != self._seen

    def reload(self) -> str | None:
        """Load the file again; a broken or deleted one keeps the policy that stands.

        Returns the faults as text, or None when the new version stands.
        """
        # taken before reading: a write in between is seen as one more change
        self._seen = self._stamp()
        try:
            self.current = Policy.load(self.path)
        except PolicyError as error:
            return f"{error}\nthe policy loaded before stays in force"
        return None

    def _stamp(self) -> _Stamp:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
