"""Keys of the gateway's clients."""

from __future__ import annotations

import base64
import hmac
import logging
from pathlib import Path

import pytest

from callgate.errors import SettingsError
from callgate.gateway.keys import KeyFile, Keys, load, make

ONE, TWO = "iv_live_" + "1" * 24, "iv_live_" + "2" * 24


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_key_tells_whose_it_is_and_wrong_ones_nothing() -> None:
    keys = Keys([("shop", ONE), ("", TWO)])
    assert keys.owner(ONE) == "shop"
    assert str(keys.owner(TWO)).startswith("key:")
    assert TWO not in str(keys.owner(TWO))
    for wrong in ("", "shop", ONE[:-1], ONE + "x", ONE.upper(), "\udcff", "schlüssel"):
        assert keys.owner(wrong) is None


def test_signature_tells_whose_key_made_it() -> None:
    keys = Keys([("shop", ONE), ("bank", TWO)])
    good = base64.b64encode(hmac.digest(TWO.encode(), b"body", "sha256")).decode()
    assert keys.signer(b"body", good) == "bank"
    assert keys.signer(b"body ", good) is None
    assert keys.signer(b"body", "") is None
    assert keys.signer(b"body", "\udcff") is None


def test_file_names_clients_and_may_hold_two_keys_of_one(tmp_path: Path) -> None:
    path = written(tmp_path, f"# clients\n\nshop {ONE}\n  shop\t{TWO}  \n")
    keys = load(path)
    assert (keys.owner(ONE), keys.owner(TWO)) == ("shop", "shop")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no key in it"),
        ("# nothing\n", "no key in it"),
        ("shop short\n", "keys:1: shorter than 20"),
        (f"a b {ONE}\n", "keys:1: expected `NAME KEY`"),
        (f"sh/op {ONE}\n", "keys:1: expected `NAME KEY`"),
        (f"a {ONE}\n\nb {ONE}\n", "keys:3: the same key as on line 1"),
    ],
)
def test_wrong_line_is_named_and_no_key_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, text))
    assert said in str(caught.value)
    assert ONE not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SettingsError, match="chmod 600"):
        load(written(tmp_path, ONE, mode))


def test_missing_and_unreadable_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can not be read"):
        load(tmp_path / "none")
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="can not be read"):
        load(path)


def test_made_key_is_good_private_and_made_once(tmp_path: Path) -> None:
    path = tmp_path / "home" / "gateway-keys"
    key = make(path)
    assert load(path).owner(key) == "default"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingsError, match="can not be written"):
        make(path)
    assert load(path).owner(key) == "default"


def test_keys_are_read_again_and_broken_ones_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = KeyFile(written(tmp_path, ONE))
    written(tmp_path, TWO)
    file.reload()
    assert (file.current.owner(ONE), bool(file.current.owner(TWO))) == (None, True)

    written(tmp_path, "short")
    with caplog.at_level(logging.ERROR):
        file.reload()
    assert file.current.owner(TWO)
    assert "the keys in force stay" in caplog.text
