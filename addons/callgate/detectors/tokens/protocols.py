"""Credentials of open protocols and file formats."""

from __future__ import annotations

from callgate.detectors.tokens.base import Token

_JWT_PART = r"[A-Za-z0-9_-]{8,}"
_URL_USER = r"[^\s:/@\"'<>]"

TOKENS: tuple[Token, ...] = (
    Token(
        "AGE_KEY",
        "age",
        "age-secret-key",
        r"\bAGE-SECRET-KEY-1[0-9A-Z]{50,60}\b",
        "https://age-encryption.org/v1",
    ),
    Token(
        "PRIVATE_KEY",
        "PEM (RFC 7468), OpenSSH, PGP",
        "-----begin",
        r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:\s*[A-Za-z-]{1,30}: [^\n]{1,100}\n)*[A-Za-z0-9+/=\s\\]*"
        r"(?:-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----)?",
        "https://www.rfc-editor.org/rfc/rfc7468",
        1.0,
    ),
    Token(
        "JWT",
        "JSON Web Token",
        "eyj",
        r"\beyJ" + _JWT_PART + r"\.(?:eyJ|ewo)" + _JWT_PART + r"(?:\.[A-Za-z0-9_-]*)?",
        "https://www.rfc-editor.org/rfc/rfc7519",
        0.9,
    ),
    Token(
        "CONNECTION_STRING",
        "URL with password (RFC 3986)",
        r"://[^\s/]*@",
        r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,30}://" + _URL_USER + r"{0,100}:"
        r"(?P<value>[^\s/@\"'<>${}\[\]*]{3,200})@[\w.\[-]",
        "https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1",
        0.9,
    ),
    Token(
        "CONNECTION_STRING",
        "ADO.NET, ODBC",
        "pwd|password",
        r"(?i)(?:server|data source|driver|host|initial catalog|uid|user id"
        r"|database)\s?=[^;\n]{1,200};"
        r"[^\n]{0,300}?\b(?:password|pwd)\s?=\s?(?P<value>[^;\s\"'<>${}\[]{4,100})",
        "https://learn.microsoft.com/en-us/dotnet/framework/data/adonet/connection-string-syntax",
        0.85,
    ),
    Token(
        "BASIC_AUTH",
        "HTTP Basic (RFC 7617)",
        "basic",
        r"(?i)\bauthorization[\"']?\s?[:=]\s?[\"']?basic\s(?P<value>[A-Za-z0-9+/]{8,}={0,2})",
        "https://www.rfc-editor.org/rfc/rfc7617",
        0.85,
    ),
    Token(
        "BEARER_TOKEN",
        "OAuth 2.0 bearer (RFC 6750)",
        "bearer",
        r"(?i)\b(?:authorization[\"']?\s?[:=]\s?[\"']?)?bearer:?\s(?P<value>[A-Za-z0-9._~+/-]{16,}={0,2})",
        "https://www.rfc-editor.org/rfc/rfc6750",
        0.85,
        3.0,
    ),
    Token(
        "BASIC_AUTH",
        "curl -u",
        r"curl.*\s-(?:u|-user|-proxy-user)",
        r"\bcurl\b[^\n|;]{0,300}?\s(?:-u|--user|--proxy-user|-U)[ =]?[\"']?[^\s:\"'$<{]{0,60}:"
        r"(?P<value>[^\s\"'$<{\[]{3,100})",
        "https://curl.se/docs/manpage.html#-u",
        0.8,
    ),
    Token(
        "PASSWORD_HASH",
        "crypt(5), Kerberos",
        r"\$\w+\$",
        r"\$(?:2[abxy]\$\d\d\$[./A-Za-z0-9]{53}|[156y]\$[^\s$:]{1,40}\$[./A-Za-z0-9$]{20,}"
        r"|argon2(?:i|d|id)\$v=\d+\$[^\s]{20,}|krb5(?:asrep|tgs|pa)\$[^\s]{32,})",
        "crypt(5); RFC 9106",
        0.7,
    ),
    Token(
        "PASSWORD",
        "netrc(5)",
        "machine",
        r"\bmachine\s+\S{1,200}\s+login\s+\S{1,200}\s+password\s+(?P<value>\S{4,200})",
        "netrc(5)",
        0.9,
    ),
)
