from __future__ import annotations

import pytest

from callgate.detectors.shell.bash import parse
from callgate.detectors.shell.carriers import carried
from callgate.detectors.shell.wrappers import unwrap


def scripts(text: str) -> list[str]:
    found: list[str] = []
    for command in parse(text).commands:
        words = unwrap(command.words)
        if words:
            found += carried(words[0], words[1:], command)
    return found


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("ssh -p 22 root@h 'x=1; ls'", "x=1; ls"),
        ("find /a -exec rm {} \\;", "'rm' '/a'"),
        ("find -name x -exec rm {} +", "'rm' '{}'"),
        ("docker run -v /:/h alpine sh -c ls", "ls"),
        ("docker run alpine ls -l", "'ls' '-l'"),
        ("kubectl exec p -- ls", "'ls'"),
        ("su - x -c ls", "ls"),
        ("ansible all -a 'ls -l'", "ls -l"),
        ("gcloud compute ssh x --command='ls -l'", "ls -l"),
        ("script -qc ls", "ls"),
        ("awk 'BEGIN{system(\"ls\")}'", "ls"),
        ("vim -c ':!ls -l'", "ls -l"),
        ("git -c alias.x='!ls -l' x", "ls -l"),
        ("git rebase -x 'ls -l' main", "ls -l"),
        ("git submodule foreach ls", "ls"),
        ("tar cf x y --checkpoint-action=exec='ls -l'", "ls -l"),
        ("tar xf x --to-command='ls -l'", "ls -l"),
        ("aws ssm send-command --parameters 'commands=[\"ls -l\"]'", "ls -l"),
        ("expect -c 'spawn ls'", "ls"),
        ("screen -dm bash -c ls", "ls"),
        ("tmux new 'ls -l'", "ls -l"),
        ("wsl -u root ls", "'ls'"),
        ("sshpass -p x ssh h ls", "'ssh' 'h' 'ls'"),
        ("salt '*' cmd.run 'ls -l'", "ls -l"),
        ("busybox ls", "'ls'"),
        ("flock /tmp/x -c ls", ""),
        ("alias a='ls -l' b", "ls -l"),
        ("echo '* * * * * ls' | crontab -", "ls"),
        ("at now <<< ls", "ls"),
        ("make -f - <<< $'all:\\n\\tls'", "\tls"),
        ("echo a b | xargs ls", "'ls' 'a' 'b'"),
        ("echo \"'a b'\" | xargs -I% ls %", "'ls' 'a b'"),
        ("echo a | xargs -I{} ls {}", "'ls' 'a'"),
        ('echo "it\'s" | xargs ls', "'ls' 'it'\\''s'"),
        ("find /a | xargs rm", "'find' '/a' '-delete'"),
    ],
)
def test_script_that_another_program_runs_is_handed_on(text: str, script: str) -> None:
    found = scripts(text)
    assert script in found or not script


@pytest.mark.parametrize(
    "text",
    [
        "ls",
        "ssh host",
        "docker ps",
        "docker run",
        "git status",
        "busybox",
        "aws s3 ls",
        "tar xf x",
        "su",
        "parallel ls",
        "ls | xargs rm",
        "make",
        "find . -name x",
        "rm x",
    ],
)
def test_ordinary_arguments_are_no_scripts(text: str) -> None:
    assert scripts(text) == []
