"""One request of one client that knows nothing of Callgate: `reach.py CLIENT`.

Asks `$OPENAI_BASE_URL/models` and prints the client's version and the gate's header, if any.
"""

import asyncio
import json
import os
import platform
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any
from urllib.request import urlopen

URL = os.environ.get("OPENAI_BASE_URL", "") + "/models"


def openai() -> Any:
    sdk = import_module("openai")
    return sdk.OpenAI(max_retries=0).models.with_raw_response.list().headers


def openai_async() -> Any:
    async def ask() -> Any:
        client = import_module("openai").AsyncOpenAI(max_retries=0)
        return (await client.models.with_raw_response.list()).headers

    return asyncio.run(ask())


def httpx() -> Any:
    return import_module("httpx").get(URL, timeout=60).headers


def httpx2() -> Any:
    return import_module("httpx2").get(URL, timeout=60).headers


def requests() -> Any:
    return import_module("requests").get(URL, timeout=60).headers


def urllib() -> Any:
    with urlopen(URL, timeout=60) as answer:
        return answer.headers


def urllib3() -> Any:
    return import_module("urllib3").request("GET", URL, retries=False, timeout=60).headers


def aiohttp(*, trust_env: bool = False) -> Any:
    async def ask() -> Any:
        http = import_module("aiohttp")
        async with http.ClientSession(trust_env=trust_env) as session, session.get(URL) as answer:
            return answer.headers

    return asyncio.run(ask())


def aiohttp_trust_env() -> Any:
    return aiohttp(trust_env=True)


def main(name: str) -> None:
    headers = globals()[name]()
    package = name.split("_")[0]
    known = platform.python_version() if package == "urllib" else version(package)
    sys.stdout.write(json.dumps({"version": known, "mode": headers.get("callgate-mode")}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
