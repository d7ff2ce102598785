from __future__ import annotations

from callgate.detectors.secrets.tokens.clients import TOKENS
from tests.detectors.secrets.tokens.sound import Sample, faults

SAMPLES: tuple[Sample, ...] = (
    (
        "BASIC_AUTH",
        "curl -u app:<w12> https://api.example.org",
        "curl -u app:$PASSWORD https://api.example.org",
    ),
    (
        "BASIC_AUTH",
        "curl -u <w24>: https://api.example.org",
        "curl -u somebody-else: https://api.example.org",
    ),
    (
        "PASSWORD",
        "wget --user=app --http-password=<w12> https://example.org",
        "wget --user=app --http-password=$PW https://example.org",
    ),
    ("PASSWORD", "psexec \\\\host -u admin -p <w12> cmd", "psexec \\\\host -u admin -p %PW% cmd"),
    (
        "PASSWORD",
        "Connect-VIServer vc -User app -Password <w12>",
        "Connect-VIServer vc -User app -Password $secret",
    ),
    (
        "PASSWORD",
        'ConvertTo-SecureString "<w12>" -AsPlainText -Force',
        "ConvertTo-SecureString $text -AsPlainText -Force",
    ),
    ("PASSWORD", "net use \\\\files\\team <w12> /user:app", "net use \\\\files\\team * /user:app"),
    (
        "PASSWORD",
        "net use x: \\\\files\\team /user:app <w12>",
        "net use x: \\\\files\\team /user:app *",
    ),
    ("PASSWORD", "mysql -u app -p<w12> shop", "mysql -u app -p shop"),
    ("PASSWORD", "sshpass -p <w12> ssh app@example.org", "sshpass -f file ssh app@example.org"),
    (
        "PASSWORD",
        "docker login ghcr.io -u app -p <w12>",
        "docker login ghcr.io -u app --password-stdin",
    ),
    ("PASSWORD", "redis-cli -h cache -a <w12> ping", "redis-cli -h cache -a $REDIS_PASSWORD ping"),
    ("PASSWORD", "PGPASSWORD=<w12> psql -h db", "PGPASSWORD=$PW psql -h db"),
    ("PASSWORD", 'new NetworkCredential("app", "<w12>")', "new NetworkCredential(user, password)"),
    (
        "PASSWORD",
        'new DirectoryEntry("LDAP://dc", "app", "<w12>")',
        'new DirectoryEntry("LDAP://dc")',
    ),
    ("PASSWORD", 'server.login("app", "<w12>")', "server.login(user, password)"),
    ("PASSWORD", 'get(url, auth=("app", "<w12>"))', "get(url, auth=(user, password))"),
    ("PASSWORD", "CREATE USER app IDENTIFIED BY '<w12>'", "CREATE USER app IDENTIFIED BY ?"),
)


def test_every_format_is_documented_and_finds_its_samples_but_not_their_near_misses() -> None:
    assert faults(TOKENS, SAMPLES) == []
