"""What data is worth: files, programs and variables, by what their names say."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from callgate.detectors.pattern import pattern


class Worth(IntEnum):
    """What is known of data that goes somewhere, the least worth hiding first."""

    NONE = 0
    TEXT = 1
    """Written out in the call."""
    FILE = 2
    """Some file, or a program's output."""
    PACKED = 3
    """Encoded on its way, as needed to slip through."""
    PERSONAL = 4
    """Data on people or customers, a database's content."""
    SECRET = 5
    """Credentials, keys, or what the system keeps to itself."""


_SECRET = pattern(
    r"(?i)"
    r"^(?:file://)?/(?:etc|proc|sys|root|boot|usr|var/(?:log|lib|backups?|spool|mail|run/secrets)"
    r"|run/secrets)/|^/dev/(?:mem|kmem|sd[a-z]|nvme)"
    r"|(?:^|[/\\])\.(?:ssh|aws|kube|gnupg|azure|docker|password-store|mozilla|thunderbird|config"
    r"[/\\](?:gcloud|gh|rclone|google-chrome|chromium|op|doctl))(?:[/\\]|$)"
    r"|(?:^|[/\\])\.(?:netrc|npmrc|pypirc|pgpass|my\.cnf|git-credentials|htpasswd|vault-token"
    r"|dockercfg|s3cfg|boto|\w*history|env(?:\.\w+)?|envrc)$"
    r"|(?:^|[/\\])(?:id_(?:rsa|dsa|ecdsa|ed25519)|shadow|passwd|sudoers|krb5\.keytab|credentials"
    r"|secrets?|passwords?|tokens?|wallet|service[-_]account\w*|kubeconfig|authorized_keys"
    r"|terraform\.tfstate|cookies|login data|key[34]\.db|logins|ntds|sam|wp-config|master\.key"
    r"|application_default_credentials)"
    r"(?:\.(?:json|ya?ml|txt|csv|ini|toml|dat|dit|env|xml|php|db|sqlite|key|backup))?$"
    r"|\.(?:pem|key|p12|pfx|kdbx?|jks|keystore|ovpn|ppk|keytab|tfstate|pcap)$"
)
_PUBLIC = pattern(
    r"(?i)\.pub$|(?:^|[/\\])known_hosts$|\.env\.(?:example|sample|template)$"
    r"|^/usr/(?:local/)?(?:share/(?:nginx|html|doc|man|dict)|src|bin)/|^/usr/src/app"
    r"|^/var/lib/jenkins/workspace/|^/var/log/nginx/access\.log$"
)
_PERSONAL = pattern(
    r"(?i)(?:^|[/\\_.\-])(?:customers?|clients?|patients?|employees?|users?|members?|payrolls?"
    r"|salar(?:y|ies)|contacts?|accounts?|invoices?|transactions?|medical|records?|ssns?|pii"
    r"|cards?|people|persons?|leads|subscribers?|students?|hr|orders|emails?)"
    r"(?:[_.\-][\w.\-]*)?\.(?:csv|xlsx?|json|sql|db|sqlite3?|parquet|tsv|txt|pdf|docx?|zip"
    r"|t?gz|bak|pst|mbox)$"
    r"|(?:dump|backup|database|prod\w*|db)[\w.\-]*\.(?:sql|dump|db|sqlite3?|bak)(?:\.\w+)?$"
    r"|\.(?:dump|sqlite3?|mdb|bak|pst|mbox|rdb)(?:\.gz)?$"
)
_SECRET_VARIABLE = pattern(
    r"\$\{?\w*(?:SECRET|PASSW|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIAL)\w*"
)

_SECRET_PROGRAMS = frozenset(
    str.split("env printenv history security secret-tool pass gpg ssh-add keyctl lsass mimikatz")
)
_SECRET_WORDS = frozenset(("secret", "secrets", "secretsmanager"))
"""What `kubectl get`, `vault`, `aws`, `gcloud` call what they guard."""

_PERSONAL_PROGRAMS = frozenset(
    str.split("mysqldump pg_dump pg_dumpall mongodump sqlite3 redis-cli mysql psql")
)
_PACKERS = frozenset(
    str.split("base64 base32 basenc xxd od hexdump uuencode openssl gpg age zip 7z uuencode")
)
_READERS = frozenset(
    str.split(
        "cat head tail less more strings tac nl grep egrep rg awk sed cut find ls tar gzip bzip2 "
        "xz zstd cpio dd id whoami ps netstat ss ifconfig ip last w who lsof dmesg "
        "systeminfo ipconfig tasklist getent arp route crontab journalctl docker kubectl git "
        "xclip pbpaste screencapture scrot import arecord type Get-Content"
    )
)


def worth_of_path(path: str) -> Worth:
    """Tell what a file is worth by its name and place."""
    name = path.strip("'\" ")
    if not name or _PUBLIC.search(name):
        return Worth.FILE
    if _SECRET.search(name):
        return Worth.SECRET
    return Worth.PERSONAL if _PERSONAL.search(name) else Worth.FILE


def worth_of_words(words: Iterable[str]) -> Worth:
    """Tell what commands that are known by their words put out together."""
    worth = Worth.NONE
    for word in words:
        if len(word) > 500:
            continue
        program = word.rsplit("/", 1)[-1]
        is_secret = program in _SECRET_PROGRAMS or word in _SECRET_WORDS
        if is_secret or _SECRET_VARIABLE.search(word):
            return Worth.SECRET
        if program in _PERSONAL_PROGRAMS:
            worth = max(worth, Worth.PERSONAL)
        elif program in _PACKERS:
            worth = max(worth, Worth.PACKED)
        elif program in _READERS:
            worth = max(worth, Worth.FILE)
        else:
            worth = max(worth, worth_of_mention(word))
    return worth


def worth_of_mention(word: str) -> Worth:
    """Tell what a word is worth that may be a path; NONE unless it clearly names such a file."""
    is_path = word[:1] != "-" and ("/" in word or "." in word or word.startswith("id_"))
    if not is_path or "://" in word or len(word) > 500:
        return Worth.NONE
    worth = worth_of_path(word)
    return worth if worth > Worth.FILE else Worth.NONE
