"""Passwords on command lines and in calls of client libraries."""

from __future__ import annotations

from callgate.detectors.secrets.tokens.base import Token
from callgate.detectors.secrets.tokens.checks import is_mixed, is_telling

TOKENS: tuple[Token, ...] = (
    Token(
        "BASIC_AUTH",
        "curl, wget, HTTPie",
        "curl|http",
        r"\b(?:curl|https?)\b[^\n|;]{0,400}?\s(?:-u|--user|--proxy-user|-U|-a|--auth)[ =]{0,3}"
        r"[\"']?[^\s:\"'$<{\[]{0,60}:[\"']?([^\s\"'$<{\[][^\s\"'<]{2,100})",
        "https://curl.se/docs/manpage.html#-u",
        0.8,
    ),
    Token(
        "BASIC_AUTH",
        "curl with a key for a user",
        "curl",
        r"\bcurl\b[^\n|;]{0,400}?\s(?:-u|--user)[ =]{0,3}[\"']?([^\s:\"'$<{\[]{10,200}):[\"'\s]",
        "https://curl.se/docs/manpage.html#-u",
        0.8,
        entropy=3,
        check=is_mixed,
    ),
    Token(
        "PASSWORD",
        "wget",
        "--http-password|--ftp-password|--proxy-password|--password=",
        r"--(?:http-|ftp-|proxy-)?password[= ][\"']?([^\s\"'$<{%-][^\s\"'<]{3,100})",
        "https://www.gnu.org/software/wget/manual/wget.html",
        0.7,
    ),
    Token(
        "PASSWORD",
        "PsExec",
        "psexec",
        r"(?i)\bpsexec(?:64)?(?:\.exe)?\b[^\n]{0,200}?\s[/-]p\s{1,3}[\"']?([^\s\"'$%<{][^\s\"'<]{"
        r"3,100})",
        "https://learn.microsoft.com/en-us/sysinternals/downloads/psexec",
        0.8,
    ),
    Token(
        "PASSWORD",
        "PowerShell",
        "-pass|-secret|-apikey|-token",
        r"(?i)\s-(?:pass(?:word|wd|phrase)?|adminpassword|apikey|secret|token)\s{1,3}[\"']?([^"
        r"\s\"'$%<{(@-][^\s\"'<]{4,100})",
        "https://developer.broadcom.com/powercli",
        0.7,
        check=is_telling,
    ),
    Token(
        "PASSWORD",
        "PowerShell",
        "convertto-securestring",
        r"(?i)\bconvertto-securestring\s{1,3}(?:-string\s{1,3})?[\"']([^\"'$\n]{4,100})[\"'][^\n]"
        r"{0,60}-asplain",
        "https://learn.microsoft.com/en-us/powershell/module/microsoft.powershell.security/convertto-securestring",
        0.9,
    ),
    Token(
        "PASSWORD",
        "Windows net use",
        "net",
        r"(?i)\bnet\s{1,3}(?:use|user)\s[^\n]{0,120}?(?:\\\\\S{1,100}\s{1,3}([^\s/\"'*$%<{]{4,6"
        r"0})\s{1,3}/user:|/user:\S{1,60}\s{1,3}([^\s/\"'*$%<{]{4,60}))",
        "https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/net-use",
        0.75,
    ),
    Token(
        "PASSWORD",
        "MySQL client",
        "mysql",
        r"\b(?:mysql|mysqldump|mysqladmin|mariadb)\b[^\n|;]{0,200}?\s-p[\"']?([^\s\"'$<{-][^\s\"'"
        r"<]{4,100})",
        "https://dev.mysql.com/doc/refman/8.4/en/command-line-options.html",
        0.7,
        check=is_telling,
    ),
    Token(
        "PASSWORD",
        "sshpass",
        "sshpass",
        r"\bsshpass\s{1,3}-p\s{0,3}[\"']?([^\s\"'$<{][^\s\"'<]{3,100})",
        "https://linux.die.net/man/1/sshpass",
        0.8,
    ),
    Token(
        "PASSWORD",
        "docker login",
        "login",
        r"\b(?:docker|podman|helm|oras|buildah|nerdctl|oc|az|argocd)\s[^\n|;]{0,60}?\blogin\b["
        r"^\n|;]{0,200}?\s(?:-p|--password)[ =][\"']?([^\s\"'$<{-][^\s\"'<]{4,100})",
        "https://docs.docker.com/reference/cli/docker/login/",
        0.7,
        check=is_telling,
    ),
    Token(
        "PASSWORD",
        "redis-cli",
        "redis-cli",
        r"\bredis-cli\b[^\n|;]{0,200}?\s(?:-a|--pass)\s{1,3}[\"']?([^\s\"'$<{-][^\s\"'<]{4,100})",
        "https://redis.io/docs/latest/develop/tools/cli/",
        0.7,
        check=is_telling,
    ),
    Token(
        "PASSWORD",
        "PGPASSWORD, MYSQL_PWD",
        "pgpassword=|mysql_pwd=|sshpass=|redisccli_auth=|restic_password=",
        r"\b(?:PGPASSWORD|MYSQL_PWD|SSHPASS|REDISCLI_AUTH|RESTIC_PASSWORD)=[\"']?([^\s\"'$<{][^"
        r"\s\"'<;]{2,100})",
        "https://www.postgresql.org/docs/current/libpq-envars.html",
        0.8,
    ),
    Token(
        "PASSWORD",
        ".NET NetworkCredential, DirectoryEntry",
        "networkcredential|directoryentry|usernamepasswordcredential|passwordauthentication",
        r"(?i)\b(?:networkcredential|usernamepasswordcredentials?|passwordauthentication)\s?\("
        r"\s{0,20}[\"'][^\"'\n]{1,100}[\"'],\s{0,20}[\"']([^\"'\n]{3,100})[\"']",
        "https://learn.microsoft.com/en-us/dotnet/api/system.net.networkcredential",
        0.8,
    ),
    Token(
        "PASSWORD",
        ".NET NetworkCredential, DirectoryEntry",
        "directoryentry",
        r"(?i)\bdirectoryentry\s?\(\s{0,20}[\"'][^\"'\n]{1,200}[\"'],\s{0,20}[\"'][^\"'\n]{1,100}[\""
        r"'],\s{0,20}[\"']([^\"'\n]{3,100})[\"']",
        "https://learn.microsoft.com/en-us/dotnet/api/system.directoryservices.directoryentry",
        0.8,
    ),
    Token(
        "PASSWORD",
        "SMTP, IMAP and FTP logins in code",
        "login|connect",
        r"\.(?:login|Login|Authenticate|authenticate|basic_auth|auth)\(\s{0,8}(?:user\w{0,5}\s"
        r"?=\s?)?[\"'][^\"'\n]{1,100}[\"'],\s{0,8}(?:passw\w{0,5}\s?=\s?)?[\"']([^\"'\n${}]{4,100})"
        r"[\"']",
        "https://docs.python.org/3/library/smtplib.html",
        0.75,
    ),
    Token(
        "PASSWORD",
        "HTTP authentication of Python requests",
        "auth",
        r"\bauth\s?=\s?(?:HTTP\w{5,10}Auth)?\(\s{0,4}[\"'][^\"'\n]{1,100}[\"'],\s{0,4}[\"']([^\"'\n"
        r"${}]{3,100})[\"']",
        "https://requests.readthedocs.io/en/latest/user/authentication/",
        0.75,
    ),
    Token(
        "PASSWORD",
        "SQL",
        "identified|password",
        r"(?i)\b(?:identified\s{1,3}(?:with\s\S{1,60}\s)?by|with\s{1,3}(?:encrypted\s{1,3})?pa"
        r"ssword|encrypted\s{1,3}password)\s{1,3}(?:password\s)?[\"']([^\"'\n${}<>]{4,100})[\"']",
        "https://www.postgresql.org/docs/current/sql-createrole.html",
        0.7,
    ),
)
