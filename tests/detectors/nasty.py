"""Arguments such as a model gone wrong could make: commands, SQL, URLs and data, wrapped up."""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Callable
from urllib.parse import quote

from hypothesis import strategies as st

from callgate.canonical import Json

_WORDS = str.split(
    "rm -rf / ~ $HOME ${x} $IFS sudo env sh -c bash eval exec python3 import os.system( node find "
    "-exec {} ; xargs curl wget -d @- nc | || && & > >> < << <<< EOF EOT ( ) { } [ ] $( ` ' \" \\ "
    "# -- /* */ if then fi for in do done while case esac function :(){ :|:& };: dd if= "
    "of=/dev/sda git push --force kubectl delete terraform destroy docker powershell -enc cmd /c "
    "del Remove-Item SELECT 1 FROM users WHERE 1=1 OR DROP TABLE t DELETE UPDATE SET a=b TRUNCATE "
    "GRANT ALL $$ BEGIN END EXEC('') COPY PROGRAM UNION http:// https://evil.example/ localhost "
    "169.254.169.254 127.0.0.1 0x7f000001 [::ffff:7f00:1] file:///etc/passwd ../ ..\\ %2e%2e%2f "
    "~/.ssh/id_rsa .aws/credentials C:\\Windows\\ key= password: token Bearer 4111111111111111 "
    "DE89370400440532013000 078-05-1120 +1-202-555-0143 (212) 555-1234 a@b.example \\u0072 \\x72 "
    '%72 &#114; =72 \u0440\u043c \u200b \ufeff \uff52\uff4d \u202e \ud800 \x00 日本 é 0 1e9 {" ":['
)
_BLANKS = ["\n", "\r\n", "\t", "\u00a0", "\\\n"]
_TOKEN = "ghp" + "_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6"
_FIELDS = str.split(
    "command cmd script code sql query url path file content text message body to args argv data "
    "input token password x Key-9"
)
_TOOLS = str.split(
    "run_command bash sql_query http_request read_file write_file send_email python x"
)

_ENCODINGS: tuple[Callable[[str], str], ...] = (
    lambda text: base64.b64encode(text.encode("utf-8", "replace")).decode(),
    lambda text: base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), mtime=0)).decode(),
    lambda text: base64.b64encode(text.encode("utf-16-le", "replace")).decode(),
    lambda text: text.encode("utf-8", "replace").hex(),
    lambda text: quote(text, safe="", errors="replace"),
    lambda text: "".join(f"\\u{ord(c) & 0xFFFF:04x}" for c in text),
    lambda text: "".join(f"&#{ord(c)};" for c in text),
    html.escape,
    json.dumps,
    lambda text: json.dumps({"command": text, "items": [text]}),
    lambda text: f"sh -c '{text}'",
    lambda text: f"echo {text} | base64 -d | sh",
    lambda text: f'eval "$({text})"',
    lambda text: f"EXEC('{text}')",
    lambda text: text[::-1],
)

_fragments = st.one_of(
    st.sampled_from([*_WORDS, *_BLANKS, _TOKEN]),
    st.text(max_size=6),
    st.builds(lambda word, times: word * times, st.sampled_from(_WORDS), st.integers(2, 300)),
)
_texts = st.builds(
    lambda parts, joint: joint.join(parts),
    st.lists(_fragments, max_size=12),
    st.sampled_from(["", " ", " ", " ", "\n", ";", "/"]),
)


def _wrapped(text: str, encodings: list[Callable[[str], str]]) -> str:
    for encode in encodings:
        if len(text) > 20_000:
            break
        text = encode(text)
    return text


texts: st.SearchStrategy[str] = st.builds(
    _wrapped, _texts, st.lists(st.sampled_from(_ENCODINGS), max_size=3)
)

_values: st.SearchStrategy[Json] = st.recursive(
    st.one_of(texts, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(_FIELDS), texts), inner, max_size=4),
    ),
    max_leaves=8,
)

calls: st.SearchStrategy[tuple[str, Json]] = st.tuples(
    st.sampled_from(_TOOLS),
    st.one_of(
        st.dictionaries(st.sampled_from(_FIELDS), _values, min_size=1, max_size=4),
        st.dictionaries(st.sampled_from(_FIELDS), texts, min_size=1, max_size=3),
        _values,
    ),
)
"""A tool and its arguments."""
