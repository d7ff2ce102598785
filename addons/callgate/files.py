"""Files of the home folder: private, and written whole or not at all."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path


def write_private(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file with mode 0600, whole or not at all; `replace=False` keeps one that is there.

    Raises OSError when it can not be written.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        if replace:
            draft.replace(path)
        else:
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
