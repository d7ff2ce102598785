"""What is loaded once stays: the garbage collector need not look at it again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def settled() -> Iterator[None]:
    """Take what is made inside for permanent; nothing of it is ever collected.

    For imports: hundreds of thousands of objects, which a full collection would walk through
    while every connection waits. See `gc.freeze`.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
