"""The policy file on disk: loaded now, reloaded when it changes, never lost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from callgate.errors import PolicyError
from callgate.policy.meanings import Stamp, stamp
from callgate.policy.policy import Policy


class PolicyFile:
    """Holds the last good version of a file, and of the file of rules that it names.

    `current` is replaced as a whole: whoever reads it once judges by one version.
    """

    def __init__(self, path: Path | str) -> None:
        """Load the file; raises PolicyError when it or its rules are broken or missing."""
        self.path = Path(path)
        self._seen = self._stamps([self.path])
        self.current = Policy.load(self.path)
        self.fault: str | None = None
        """What is wrong with the files as they are now; None where they are in force."""
        self._see_rules()

    def changed(self) -> bool:
        """Tell whether a file differs from what was last loaded or tried: a `stat` each."""
        return self._stamps(self._seen) != self._seen

    def reload(self) -> str | None:
        """Load the files again; broken or deleted ones keep the policy that stands.

        Returns the faults as text, or None when the new version stands.
        """
        # taken before reading: a write in between is seen as one more change
        self._seen = self._stamps(self._seen)
        try:
            self.current = Policy.load(self.path)
        except PolicyError as error:
            # the fault may be in a file that only the new version names
            self._seen = self._stamps(Path(fault.file) for fault in error.faults) | self._seen
            self.fault = str(error)
            return f"{error}\nthe policy loaded before stays in force"
        self.fault = None
        self._seen = {self.path: self._seen[self.path]}
        self._see_rules()
        return None

    def _see_rules(self) -> None:
        if rules := self.current.content.rule_file:
            self._seen[rules.path] = rules.stamp

    @staticmethod
    def _stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
        return {path: stamp(path) for path in paths}
