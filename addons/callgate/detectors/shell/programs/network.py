"""Programs that carry a shell over the network."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.detectors.shell.programs.base import Danger, Rule, has

_SHELL = re.compile(r"(?i)(?:^|/|\b)(?:(?:ba|z|da|k|a)?sh|cmd(?:\.exe)?|powershell(?:\.exe)?)\b")
_REVERSE = Danger("REVERSE_SHELL", "connects a shell to another host", 0.95)


def _netcat(arguments: Sequence[str]) -> Danger | None:
    is_running = has(arguments, "ec", "--exec", "--sh-exec", "--lua-exec")
    return _REVERSE if is_running and any(map(_SHELL.search, arguments)) else None


def _socat(arguments: Sequence[str]) -> Danger | None:
    is_running = any(re.match(r"(?i)(?:exec|system|shell):", word) for word in arguments)
    return _REVERSE if is_running and len(arguments) > 1 else None


RULES: dict[str, Rule] = {
    "nc": _netcat,
    "nc.openbsd": _netcat,
    "nc.traditional": _netcat,
    "ncat": _netcat,
    "netcat": _netcat,
    "socat": _socat,
}
