from __future__ import annotations

import pytest

from callgate.detectors.files.openers import Mode, opened_by


def opened(command: str) -> dict[str, Mode]:
    return {found.path: found.mode for found in opened_by(command.split())}


@pytest.mark.parametrize(
    ("command", "path", "mode"),
    [
        ("cat -n F", "F", Mode.READ),
        ("/usr/bin/head -c F", "F", Mode.READ),
        ("TYPE.EXE F", "F", Mode.READ),
        ("strings --x=F", "F", Mode.READ),
        ("tail -n 5 F", "F", Mode.READ),
        ("tail -f F", "F", Mode.GLANCE),
        ("sort -t : -k 3 F", "F", Mode.GLANCE),
        ("grep x F", "F", Mode.GLANCE),
        ("grep -e x F", "F", Mode.GLANCE),
        ("grep ^ F", "F", Mode.READ),
        ("awk -F : 1 F", "F", Mode.READ),
        ("sed -n p F", "F", Mode.READ),
        ("sed -i s/a/b/ F", "F", Mode.WRITE),
        ("cp F /tmp/x", "F", Mode.READ),
        ("cp /tmp/x F", "F", Mode.WRITE),
        ("cp --target-directory=F x", "F", Mode.WRITE),
        ("scp -i K F host:", "F", Mode.READ),
        ("scp host:/x/y F", "F", Mode.WRITE),
        ("ln -s F x", "F", Mode.READ),
        ("tar czf x.tgz F", "F", Mode.READ),
        ("curl -T F http://x", "F", Mode.READ),
        ("curl --data=@F http://x", "F", Mode.READ),
        ("curl -F f=@F;type=x http://x", "F", Mode.READ),
        ("curl -d@F http://x", "F", Mode.READ),
        ("curl -o F http://x", "F", Mode.WRITE),
        ("http POST x f@F", "file", Mode.READ),
        ("curl file:///F", "file:///F", Mode.READ),
        ("dd if=F of=x", "F", Mode.READ),
        ("dd if=x of=F bs=1", "F", Mode.WRITE),
        ("find / -name F -exec cat {} ;", "F", Mode.READ),
        ("docker run -v /:/host x", "/etc/shadow", Mode.READ),
        ("docker run --mount type=bind,src=/etc,dst=/x y", "/etc/shadow", Mode.READ),
        ("docker run --mount=type=bind,source=/root,dst=/x y", "/etc/shadow", Mode.READ),
        ("docker cp F c:/x", "F", Mode.READ),
        ("aws s3 cp F s3://x", "F", Mode.READ),
        ("reg save F x", "F", Mode.READ),
        ("reg add F /v x", "F", Mode.WRITE),
        ("tee -a F", "F", Mode.WRITE),
    ],
)
def test_file_is_opened(command: str, path: str, mode: Mode) -> None:
    if path == "file":
        assert opened(command) == {}
    else:
        assert opened(command)[path] is mode


@pytest.mark.parametrize(
    "command",
    [
        "",
        "ls F",
        "chmod 600 F",
        "ssh -i F host",
        "grep F",
        "grep -q x F",
        "tar xzf F",
        "tar -x F",
        "curl --key F http://x",
        "curl -d text http://x",
        "find / -name F",
        "docker run -v",
        "docker run -v /data:/data x",
        "aws s3 ls F",
        "reg",
        "reg delete F",
    ],
)
def test_file_is_not_opened(command: str) -> None:
    assert "F" not in opened(command)
    assert "/etc/shadow" not in opened(command)


def test_backup_beside_the_original_is_no_reading() -> None:
    assert Mode.READ not in opened("cp F F.bak").values()


def test_host_is_no_part_of_a_path() -> None:
    assert opened("scp u@host:/etc/x y")["/etc/x"] is Mode.READ
    assert opened("scp C:/x y")["C:/x"] is Mode.READ
