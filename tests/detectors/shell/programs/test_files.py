from __future__ import annotations

import pytest

from callgate.detectors.shell.programs import danger_of


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("rm -r x", "RECURSIVE_DELETE"),
        ("rm *", "DELETE_SYSTEM_FILE"),
        ("rm -f /etc/hosts", "DELETE_SYSTEM_FILE"),
        ("rm -rf /tmp/../etc", "RECURSIVE_DELETE"),
        ("unlink /etc/hosts", "DELETE_SYSTEM_FILE"),
        ("dd if=x of=/dev/sda", "OVERWRITE_DISK"),
        ("dd if=x of=/etc/passwd", "OVERWRITE_SYSTEM_FILE"),
        ("chown -R nobody /", "RECURSIVE_PERMISSIONS"),
        ("chmod 777 /etc", "RECURSIVE_PERMISSIONS"),
        ("find / -delete", "RECURSIVE_DELETE"),
        ("mv /etc /dev/null", "DELETE_SYSTEM_FILE"),
        ("mv /usr /old", "DELETE_SYSTEM_FILE"),
        ("cp image.iso /dev/sdb", "OVERWRITE_DISK"),
        ("cp /dev/null /etc/hosts", "OVERWRITE_SYSTEM_FILE"),
        ("scp x.so host:/lib/", "OVERWRITE_SYSTEM_FILE"),
        ("tee a /dev/sda", "OVERWRITE_DISK"),
        ("truncate -s 0 /var/lib/db", "OVERWRITE_FILE"),
        ("shred -u x", "OVERWRITE_FILE"),
        ("setfacl -R -m u:x:rwx /", "RECURSIVE_PERMISSIONS"),
        ("chmod 777 /etc/shadow", "RECURSIVE_PERMISSIONS"),
        ("chmod u+s /bin/bash", "CHANGE_ACCOUNT"),
        ("ln -sf /dev/null /etc/passwd", "OVERWRITE_SYSTEM_FILE"),
        ("ln -sf /dev/null /home/x/.bash_history", "OVERWRITE_SYSTEM_FILE"),
        ("sed -i d /etc/passwd", "OVERWRITE_SYSTEM_FILE"),
        ("cp x /etc/sudoers.d/x", "OVERWRITE_SYSTEM_FILE"),
        ("cp x.service /etc/systemd/system/", "PERSISTENCE"),
        ("tee -a /home/x/.ssh/authorized_keys", "PERSISTENCE"),
        ("tee /proc/sysrq-trigger", "SHUTDOWN"),
        ("install -m 440 x /etc/sudoers", "OVERWRITE_SYSTEM_FILE"),
        ("rsync -a --delete a/ b/", "RECURSIVE_DELETE"),
        ("wipefs -a /dev/sda", "FORMAT_DISK"),
        ("parted /dev/sda mklabel gpt", "FORMAT_DISK"),
        ("cryptsetup luksFormat /dev/sda", "FORMAT_DISK"),
        ("mkfs.ext4 /dev/sda1", "FORMAT_DISK"),
        ("lvremove -f vg0/data", "DELETE_VOLUME"),
        ("Remove-Item -Recurse C:/x", "RECURSIVE_DELETE"),
        ("rd /s /q x", "RECURSIVE_DELETE"),
        ("/bin/r? -rf x", "RECURSIVE_DELETE"),
    ],
)
def test_loss_of_files_is_found(line: str, kind: str) -> None:
    program, *arguments = line.split()
    danger = danger_of(program.rsplit("/", 1)[-1], arguments)
    assert danger is not None
    assert danger.kind == kind


@pytest.mark.parametrize(
    "line",
    [
        "rm notes.txt",
        "rm -rf /tmp/build /var/tmp/x",
        "rm -rf x --help",
        "dd if=a of=b",
        "dd if=/dev/zero of=/dev/null",
        "chmod +x run.sh",
        "chmod u+s",
        "setfacl -m u:x:r a",
        "ln -s a b",
        "sed -i s/a/b/ notes",
        "sed -n p /etc/passwd",
        "install -m 755 x bin",
        "tee out.txt",
        "chmod -R 755 build",
        "find . -name x",
        "find /tmp/x -delete",
        "mv a b",
        "cp a b",
        "scp a host:b",
        "truncate -s 10M x",
        "truncate -s 0 /tmp/x",
        "shred",
        "rsync -a a b",
        "rsync -an --delete a b",
        "wipefs",
        "parted -l",
        "cryptsetup open x",
        "mkfs.ext4",
        "Remove-Item x",
        "del x",
        "* x",
        "unknown x",
    ],
)
def test_everyday_work_is_not_found(line: str) -> None:
    program, *arguments = line.split()
    assert danger_of(program, arguments) is None
