from __future__ import annotations

import pytest

from callgate.detectors.shell.programs.base import Danger
from callgate.detectors.shell.programs.powershell import danger_of


def judge(line: str) -> Danger | None:
    program, *arguments = line.split()
    return danger_of(program, arguments)


HARM = r"""
RECURSIVE_DELETE        Remove-Item -Rec C:\x
RECURSIVE_DELETE        ri C:\x -fo
DELETE_SYSTEM_FILE      Remove-Item C:\*
FORMAT_DISK             Clear-Disk -Number 0
FORMAT_DISK             Format-Volume -DriveLetter D
SHUTDOWN                Stop-Computer
DELETE_USER             Remove-ADUser x
SERVICE_DELETE          Remove-AzResourceGroup x
ERASE_TRACES            Clear-EventLog System
OVERWRITE_FILE          Clear-Content C:\*
DISABLE_PROTECTION      Set-MpPreference -DisableRealtimeMonitoring $true
DISABLE_PROTECTION      Add-MpPreference -ExclusionPath C:\
DISABLE_PROTECTION      Set-ExecutionPolicy Bypass
FLUSH_FIREWALL          Set-NetFirewallProfile -Enabled False
STOP_SERVICE            Stop-Service x -Force
STOP_SERVICE            Set-Service x -StartupType Disabled
KILL_PROCESS            Stop-Process -Name x -Force
"""

QUIET = r"""
Remove-Item x.txt
Remove-Item -Recurse C:\x -WhatIf
Remove-Item x -Recurse:$false
Remove-Variable x
Clear-Host
Clear-Content x.txt
Get-ChildItem -Recurse
Set-MpPreference -ScanScheduleDay 1
Set-ExecutionPolicy RemoteSigned
Set-NetFirewallProfile -Enabled True
Stop-Service x
Stop-Process -Id 1
Invoke-Sqlcmd -Query
notepad
"""


@pytest.mark.parametrize("line", HARM.strip().splitlines())
def test_harm_by_cmdlets_is_found(line: str) -> None:
    kind, words = line.split(maxsplit=1)
    danger = judge(words)
    assert danger is not None
    assert danger.kind == kind


@pytest.mark.parametrize("line", QUIET.strip().splitlines())
def test_everyday_work_is_not_found(line: str) -> None:
    assert judge(line) is None


def test_statement_for_a_database_is_judged() -> None:
    danger = danger_of("Invoke-Sqlcmd", ["-Query", "DROP TABLE users"])
    assert danger is not None
    assert danger.kind == "DROP_TABLE"
    assert danger_of("Invoke-Sqlcmd", ["-Query", "SELECT 1 FROM users"]) is None
