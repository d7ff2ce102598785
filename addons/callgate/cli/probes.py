"""Clients of this machine, each of which hands in a denied result and says what it was told.

A probe is a program of the client's own, run with the variables of `callgate run`: it sends
`BODY` to `URL` (its arguments) and prints the answer's body, of an error as well.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PYTHON = """\
import importlib.util, json, sys
name, url, body = sys.argv[1:]
if importlib.util.find_spec(name) is None:
    sys.exit(77)
package = __import__(name)
key = "sk-" + "probe"
head = {"Content-Type": "application/json", "Authorization": "Bearer " + key}
data = body.encode()
if name == "urllib":
    import urllib.error, urllib.request
    asked = urllib.request.Request(url, data, head)
    try:
        print(urllib.request.urlopen(asked, timeout=20).read().decode())
    except urllib.error.HTTPError as error:
        print(error.read().decode())
elif name == "openai":
    base, path = url.split("/threads")
    sdk = package.OpenAI(api_key=key, base_url=base, max_retries=0)
    try:
        print(sdk.post("/threads" + path, body=json.loads(body), cast_to=object))
    except package.APIStatusError as error:
        print(error.response.text)
elif name == "aiohttp":
    import asyncio
    async def ask():
        async with package.ClientSession(trust_env=True) as session:
            async with session.post(url, data=data, headers=head) as answer:
                print(await answer.text())
    asyncio.run(ask())
else:
    print(package.request("POST", url, data=data, headers=head, timeout=20).text)
"""
_SCRIPT = """\
const [url, body] = ARGUMENTS;
const headers = {"content-type": "application/json", authorization: "Bearer sk-" + "probe"};
const answer = await fetch(url, {method: "POST", headers, body});
console.log(await answer.text());
"""
_MISSING = 77
_SECONDS = 60
_BASE_URL = (
    "give it a base URL instead: callgate run --reverse 127.0.0.1:0=https://api.openai.com; "
    "or see docs/clients.md"
)


@dataclass(frozen=True, slots=True)
class Probe:
    """A client, and how it is made to ask."""

    client: str
    program: str
    arguments: Sequence[str]
    """Before URL and body."""
    fix: str = _BASE_URL

    def command(self, url: str, body: str) -> list[str] | None:
        """The command line; None where this machine has no such program."""
        path = shutil.which(self.program)
        return [path, *self.arguments, url, body] if path else None


def _script(arguments: str) -> str:
    return _SCRIPT.replace("ARGUMENTS", arguments)


PROBES = (
    *(
        Probe(f"python3 {name}", "python3", ("-c", _PYTHON, name))
        for name in ("urllib", "openai", "httpx", "requests", "aiohttp")
    ),
    Probe(
        "curl",
        "sh",
        (
            "-c",
            'command -v curl >/dev/null || exit 77; curl -sS -H "content-type: application/json"'
            ' -H "authorization: Bearer sk-probe" --data-binary "$1" "$0"',
        ),
    ),
    Probe(
        "node",
        "node",
        ("--input-type=module", "-e", _script("process.argv.slice(1)")),
        f"Node 20 reads no proxy variable: use Node 22 or newer, or {_BASE_URL}",
    ),
    Probe("bun", "bun", ("-e", _script("process.argv.slice(1)"))),
    Probe("deno", "deno", ("eval", _script("Deno.args"))),
)


async def told(probe: Probe, url: str, body: str, environ: Mapping[str, str]) -> str | None:
    """What a client was told, or what it said instead; None where this machine lacks it."""
    command = probe.command(url, body)
    if command is None:
        return None
    process = await asyncio.create_subprocess_exec(
        *command,
        env=dict(environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"no answer in {_SECONDS} s"
    if process.returncode == _MISSING:
        return None
    return out.decode(errors="replace").strip() or _last_line(err.decode(errors="replace"))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"
