"""The style sheet's colours, computed as WCAG 2.2 has it: 4.5 for text, 3 for what is drawn."""

from __future__ import annotations

import re

import pytest

from callgate.console.rendering import FOLDER

PAIR = re.compile(r"--([\w-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\);")
CSS = (FOLDER / "static" / "style.css").read_text()
PALETTE = {name: colours for name, *colours in PAIR.findall(CSS)}

GROUNDS = ("paper", "panel", "sunk")
TEXT = [
    *((ink, ground) for ink in ("ink", "muted", "accent") for ground in GROUNDS),
    *((word, ground) for word in ("allowed", "asked", "denied") for ground in GROUNDS),
    *((word, f"{word}-tint") for word in ("allowed", "redacted", "asked", "denied")),
    *(("ink", f"{word}-tint") for word in ("allowed", "redacted", "asked", "denied")),
    ("on-accent", "accent"),
]
DRAWN = [
    *((f"{word}-fill", "panel") for word in ("allowed", "redacted", "asked", "denied")),
    *(("edge", ground) for ground in GROUNDS),
]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("colour", "ground", "least"), [(*p, 4.5) for p in TEXT] + [(*p, 3.0) for p in DRAWN]
)
def test_contrast_is_enough(theme: int, colour: str, ground: str, least: float) -> None:
    assert contrast(PALETTE[colour][theme], PALETTE[ground][theme]) >= least


def test_colours_stand_nowhere_but_in_the_palette() -> None:
    rest = PAIR.sub("", CSS)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?!\s*\{)", rest)
    assert set(re.findall(r"var\(--([\w-]+)", rest)) <= {*PALETTE, "mono", "round", "series"}
