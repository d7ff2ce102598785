"""Other tools' opinions of texts, JSON lines in and out; runs in `.venvs/detection`.

detect-secrets with every plug-in that it has by default. Presidio with all that it has for
English without a language model, from a score of 0.4 on, which is what it gives a telephone
number without context.
"""

from __future__ import annotations

import json
import pathlib
import sys
import tempfile
from collections.abc import Sequence

import tldextract

tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())  # its own list: no network

from detect_secrets.core.scan import scan_file  # noqa: E402  (suffix list first)
from detect_secrets.settings import default_settings  # noqa: E402
from presidio_analyzer import RecognizerRegistry  # noqa: E402
from presidio_analyzer.predefined_recognizers import SpacyRecognizer  # noqa: E402

LEAST_SCORE = 0.4
NOT_PERSONAL = frozenset(("URL", "DATE_TIME", "IP_ADDRESS", "UUID", "MAC_ADDRESS", "CRYPTO"))
"""What Callgate does not act on either."""


def main() -> None:
    lines = list(sys.stdin)
    secrets = lines_with_secrets(lines)
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    recognizers = [r for r in registry.recognizers if not isinstance(r, SpacyRecognizer)]
    for number, line in enumerate(lines, 1):
        secret = ["secret"] if number in secrets else []
        said = personal(recognizers, json.loads(line))
        print(json.dumps({"detect-secrets": secret, "presidio": said}))


def lines_with_secrets(lines: Sequence[str]) -> set[int]:
    """One text a line: what looks at single lines only takes every quoted word for a secret."""
    with tempfile.TemporaryDirectory() as folder, default_settings():
        path = pathlib.Path(folder) / "texts.txt"
        path.write_text("".join(json.loads(line).replace("\n", " ") + "\n" for line in lines))
        return {found.line_number for found in scan_file(str(path))}


def personal(recognizers: Sequence[object], text: str) -> list[str]:
    entities = {
        found.entity_type
        for recognizer in recognizers
        for found in recognizer.analyze(text, recognizer.supported_entities, None) or ()
        if found.score >= LEAST_SCORE
    } - NOT_PERSONAL
    said = ["pii, e-mail only"] if "EMAIL_ADDRESS" in entities else []
    return [*said, "pii"] if entities - {"EMAIL_ADDRESS"} else said


if __name__ == "__main__":
    main()
