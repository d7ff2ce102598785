from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519

from callgate.audit.keys import Keys, read_public
from callgate.chain import key_name
from callgate.errors import SettingsError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_first_key_is_made_and_private(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "home" / "keys")

    assert mode(tmp_path / "home" / "keys") == 0o700
    assert {mode(path) for path in (tmp_path / "home" / "keys").iterdir()} == {0o600}
    assert keys.public_file.read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----")
    assert key_name(read_public(keys.public_file)) == keys.current.name


def test_key_and_home_stay_the_same(tmp_path: Path) -> None:
    first, second = Keys(tmp_path), Keys(tmp_path)

    assert (second.current.name, second.home) == (first.current.name, first.home)


def test_opened_files_are_made_private_again(tmp_path: Path) -> None:
    Keys(tmp_path)
    (file,) = tmp_path.glob("audit-*.key")
    file.chmod(0o644)
    tmp_path.chmod(0o755)

    Keys(tmp_path)

    assert (mode(file), mode(tmp_path)) == (0o600, 0o700)


def test_of_processes_that_start_at_once_one_makes_the_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: Keys(tmp_path / "keys"), range(8)))

    assert len({keys.current.name for keys in found}) == 1
    assert len({keys.home for keys in found}) == 1
    assert len(list((tmp_path / "keys").glob("audit-*.key"))) == 1


def test_new_key_is_found_by_others_and_used_when_named(tmp_path: Path) -> None:
    mine, other = Keys(tmp_path), Keys(tmp_path)
    new = mine.make()

    assert other.named(new.name) == new or other.named(new.name) is not None
    assert Keys(tmp_path).current.name == mine.current.name != new.name
    other.use(new.name)
    assert Keys(tmp_path).current.name == other.current.name == new.name
    other.use(new.name)
    other.use("unknown")
    assert other.current.name == new.name
    assert other.named("unknown") is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("audit.pub", b"text"),
        ("audit-1.key", b"text"),
        ("instance", b"a/b"),
        ("audit.pub", "stranger"),
        ("audit.pub", "x25519"),
        ("audit-1.key", "x25519"),
    ],
)
def test_unusable_files_are_an_error(tmp_path: Path, name: str, content: bytes | str) -> None:
    Keys(tmp_path)
    if content == "stranger":
        content = Keys(tmp_path / "other").public_file.read_bytes()
    elif content == "x25519":
        content = _x25519(is_public=name.endswith("pub"))
    assert isinstance(content, bytes)
    (tmp_path / name).write_bytes(content)

    # the files are looked at where a key is not known yet
    with pytest.raises(SettingsError, match=r"keys: can not use"):
        Keys(tmp_path).named("another")


def _x25519(*, is_public: bool) -> bytes:
    key = x25519.X25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    if is_public:
        return key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    plain = serialization.NoEncryption()
    return key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)


def test_folder_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match=r"keys: can not use"):
        Keys(tmp_path / "file" / "keys")


def test_key_of_a_process_that_was_second_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Keys(tmp_path)
    is_there = Path.exists
    # as it looked before the other process had written its key
    monkeypatch.setattr(Path, "exists", lambda path: path.name != "audit.pub" and is_there(path))

    second = Keys(tmp_path)

    assert second.current.name == first.current.name
    assert len(list(tmp_path.glob("audit-*.key"))) == 1


def test_key_that_is_taken_away_meanwhile_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(tmp_path)
    gone = tmp_path / "audit-gone.key"
    listed = [*tmp_path.glob("audit-*.key"), gone]
    monkeypatch.setattr(Path, "glob", lambda path, pattern: iter(listed))

    again = Keys(tmp_path)

    assert again.current.name == keys.current.name
    assert again.named("unknown") is None
    assert keys.head_file == tmp_path / "audit.head"


def test_public_key_that_the_library_does_not_know_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(tmp_path)

    def unsupported(*_: object) -> None:
        raise UnsupportedAlgorithm("curve")

    monkeypatch.setattr(serialization, "load_pem_public_key", unsupported)

    with pytest.raises(ValueError, match="holds no ed25519 key in PEM"):
        read_public(keys.public_file)


def test_file_that_is_no_key_is_named(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    (private,) = tmp_path.glob("audit-*.key")
    private.write_text("x")

    with pytest.raises(SettingsError, match=rf"{private.name} holds no ed25519 key in PEM$"):
        Keys(tmp_path)
    keys.public_file.write_text("x")
    with pytest.raises(ValueError, match=r"audit\.pub holds no ed25519 key in PEM$"):
        read_public(keys.public_file)
