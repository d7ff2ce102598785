"""Where an argument stands: what a field or a tool name tells about the string in it.

The same words are a command in `run_shell(command=…)`, and talk in `send_message(text=…)`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from callgate.detectors.base import Text

COMMAND_FIELDS = frozenset(
    str.split(
        "command commands cmd cmds cmdline commandline command_line script bash shell code sh "
        "argv exec powershell"
    )
)
PROSE_FIELDS = frozenset(
    str.split(
        "text message messages body description content contents title subject summary note "
        "notes comment comments reason prompt question answer reply caption topic "
        "instructions details bio explanation feedback review keyword keywords path file "
        "filename file_path url cwd workdir"
    )
)
WRITTEN_FIELDS = frozenset(
    str.split(
        "text message messages content contents description note notes comment comments reply "
        "answer details file_text file_content new_str new_string"
    )
)
"""What is written down for others to read; a request's `body` goes to who asked for it."""
_SQL_FIELDS = frozenset(str.split("sql query queries statement statements stmt sql_query"))
_COMMAND_TOOLS = frozenset(
    str.split(
        "shell bash sh zsh exec execute run terminal command cmd commands powershell console "
        "subprocess ssh"
    )
)
_SQL_TOOLS = frozenset(
    str.split("sql query database db postgres postgresql mysql sqlite bigquery snowflake redshift")
)
_SEARCH_TOOLS = frozenset(str.split("search find lookup web google bing browse mail emails"))
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@lru_cache(maxsize=4096)
def words(name: str) -> frozenset[str]:
    """Split `runShellCommand`, `run_shell-command` into lower-case words."""
    return frozenset(word.lower() for word in _WORD.findall(name[:200]))


def holds_command(text: Text) -> bool:
    """Tell whether the string is likely handed to a shell."""
    if text.field in COMMAND_FIELDS:
        return True
    tool = words(text.tool)
    return (
        bool(tool & _COMMAND_TOOLS)
        and not tool & _SQL_TOOLS
        and text.field not in PROSE_FIELDS
        and text.field not in _SQL_FIELDS
    )


def holds_sql(text: Text) -> bool:
    """Tell whether the string is likely handed to a database."""
    tool = words(text.tool)
    if text.field in _SQL_FIELDS:
        return "sql" in text.field or not tool & _SEARCH_TOOLS
    return bool(tool & _SQL_TOOLS) and text.field not in PROSE_FIELDS


def holds_prose(text: Text) -> bool:
    """Tell whether the string is likely written for people, or is a name or an address."""
    return text.field in PROSE_FIELDS
