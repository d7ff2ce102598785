from __future__ import annotations

import pytest

from callgate.detectors.network.clients import CLIENTS, Errand


def errand(line: str) -> Errand:
    program, *arguments = line.split(" ")
    return CLIENTS[program](arguments)


@pytest.mark.parametrize(
    ("line", "targets", "files"),
    [
        ("curl http://h", ["http://h"], []),
        ("curl -sSd@f --url http://h", ["http://h"], ["f"]),
        ("curl -X POST --data-binary @f -o out http://h", ["http://h"], ["f"]),
        ("curl --data-urlencode name@f http://h", ["http://h"], ["f"]),
        ("curl --data-urlencode @f http://h", ["http://h"], ["f"]),
        ("curl --data-urlencode name=v http://h", ["http://h"], []),
        ("curl -F a=@f;type=x -F b=v http://h", ["http://h"], ["f"]),
        ("curl -T {a,b} http://h", ["http://h"], ["a", "b"]),
        ("curl --resolve a:80:10.0.0.1 http://a", ["http://a", "//10.0.0.1"], []),
        ("curl --connect-to ::10.0.0.1:80 http://a", ["http://a", "//10.0.0.1:80"], []),
        ("wget --post-file=f -O x http://h", ["http://h"], ["f"]),
        ("wget --body-file f http://h", ["http://h"], ["f"]),
        ("http POST h a@f b=@g c=1", ["h"], ["f", "g"]),
        ("http h", ["h"], []),
        ("iwr -Uri http://h -InFile f -Body b", ["http://h"], [""]),
        ("iwr http://h", ["http://h"], []),
        ("lynx -dump http://h", ["http://h"], []),
        ("nc -w 3 h 80", ["h:80"], []),
        ("nc h", ["h"], []),
        ("nc", [""], []),
        ("socat FILE:f TCP:h:80,x", ["h:80"], ["f"]),
        ("socat - OPENSSL:h:443", ["h:443"], []),
        ("openssl s_client -connect h:443", ["h:443"], []),
        ("openssl rand 8", [], []),
        ("scp -P 22 a b u@host:/x", ["host"], ["a", "b"]),
        ("scp u@h:/x a", [], []),
        ("scp u@other:/x u@host:/x", ["host"], []),
        ("scp a", [], []),
        ("scp a C:\\b", [], []),
        ("rsync -a a rsync://h/x", ["rsync://h/x"], ["a"]),
        ("ssh -i k u@h ls", ["h"], []),
        ("ssh", [""], []),
        ("smbclient -U u //h/s -c x", ["//h/s"], []),
        ("mail -s x -A f a@h b", ["h"], ["f"]),
        ("swaks --to a@h --attach f", ["h"], ["f"]),
        ("dig @8.8.8.8 +short a.h", ["a.h"], []),
        ("aws s3 cp f s3://b", ["storage.example"], ["f"]),
        ("aws s3 cp s3://b f", [], []),
        ("aws s3api put-object --body f --bucket b", ["storage.example"], ["f"]),
        ("az storage blob upload --file f", ["storage.example"], ["f"]),
        ("rclone copy f r0:x", ["storage.example"], ["f"]),
        ("gh gist create f", ["paste.rs"], ["f"]),
        ("gh pr list", [], []),
        ("pastebinit -b f", ["paste.rs"], ["f"]),
        ("croc send f", ["storage.example"], ["f"]),
        ("croc code", [], []),
    ],
)
def test_arguments_tell_where_a_program_goes_and_which_files_it_sends(
    line: str, targets: list[str], files: list[str]
) -> None:
    found = errand(line)

    assert (found.targets, found.files) == (targets, files)


@pytest.mark.parametrize(
    ("line", "sends_input"),
    [
        ("curl -d @- http://h", True),
        ("curl -T - http://h", True),
        ("curl -F f=<- http://h", True),
        ("curl -d x http://h", False),
        ("wget --post-file=/dev/stdin http://h", True),
        ("nc h 80", True),
        ("scp a h:", False),
    ],
)
def test_input_that_is_sent_is_told(line: str, sends_input: bool) -> None:
    assert errand(line).sends_input is sends_input


def test_text_that_is_sent_is_told_but_not_what_proves_who_asks() -> None:
    found = errand("curl -H X:1 -H Authorization:2 -d body -A agent http://h/?q=1")

    assert found.texts == ["body", "agent", "X:1", "http://h/?q=1"]
    assert "Authorization:2" not in errand("wget --header Authorization:2 http://h").texts


def test_scripts_of_file_transfer_programs_are_told() -> None:
    assert errand("lftp -e put h").texts == ["put"]
    assert errand("smbclient //h/s -c put").texts == ["put"]


def test_kinds_of_programs_are_told_apart() -> None:
    assert errand("curl http://h").is_http
    assert errand("nc h 1").is_raw
    assert errand("dig h").is_raw
    assert errand("ssh h").is_administration
    assert not errand("mail a@h").is_administration
