"""Credentials of open protocols and file formats."""

from __future__ import annotations

from callgate.detectors.secrets.tokens.base import Token
from callgate.detectors.secrets.tokens.checks import (
    is_basic,
    is_bech32,
    is_jose,
    is_literal,
    is_mixed,
)

TOKENS: tuple[Token, ...] = (
    Token(
        "AGE_KEY",
        "age",
        "age-secret-key-",
        r"(?i:\bAGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{50,})",
        "https://age-encryption.org/v1",
        checksum=is_bech32,
    ),
    Token(
        "PRIVATE_KEY",
        "PEM (RFC 7468), OpenSSH, PGP, SSH2",
        "-----begin|---- begin",
        r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:(?:\s|\\[nrt\\]{1,3"
        r"})*[A-Za-z-]{1,30}: [^\n\\]{1,100}(?:\n|\\n))*[A-Za-z0-9+/=\s\\\"',;|>-]*?(?:-----END"
        r" (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----|[^A-Za-z0-9+/=\s\\\"',;|>-]|$)|-"
        r"--- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----[^\x00]*?---- END SSH2 (?:ENCRYPTED )?"
        r"PRIVATE KEY ----",
        "https://www.rfc-editor.org/rfc/rfc7468",
        1.0,
    ),
    Token(
        "PRIVATE_KEY",
        "PuTTY",
        "putty-user-key-file-",
        r"PuTTY-User-Key-File-[123]: [^\x00]*?Private-Lines: \d+\s+([A-Za-z0-9+/=\s]{40,}?)(?:"
        r"Private-MAC|Private-Hash|$)",
        "https://the.earth.li/~sgtatham/putty/0.81/htmldoc/AppendixC.html",
        1.0,
    ),
    Token(
        "PRIVATE_KEY",
        "XML signature, RSA key value",
        "<rsakeyvalue>",
        r"<RSAKeyValue>[^\x00]*?<D>([A-Za-z0-9+/=\s]{40,})</D>",
        "https://www.w3.org/TR/xmldsig-core/#sec-RSAKeyValue",
        1.0,
    ),
    Token(
        "PRIVATE_KEY",
        "JSON Web Key (RFC 7517)",
        "kty",
        r"\"kty\"\s?:\s?\"(?:RSA|EC|OKP)\"[^{}]*?\"d\"\s?:\s?\"([A-Za-z0-9_-]{40,})\"|\"d\"\s?:\s?\"([A-Z"
        r"a-z0-9_-]{40,})\"[^{}]*?\"kty\"",
        "https://www.rfc-editor.org/rfc/rfc7517",
        1.0,
    ),
    Token(
        "PRIVATE_KEY",
        "minisign, signify",
        "minisign|signify|untrusted comment",
        r"untrusted comment: [^\n]{0,80}secret key\s+([A-Za-z0-9+/]{90,}={0,2})",
        "https://jedisct1.github.io/minisign/",
        1.0,
    ),
    Token(
        "PRIVATE_KEY",
        "WireGuard",
        "privatekey|presharedkey",
        r"(?m)^\s{0,8}(?:PrivateKey|PresharedKey)\s?=\s?([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)"
        r"\s*$",
        "https://www.wireguard.com/quickstart/",
        1.0,
        entropy=3,
    ),
    Token(
        "PRIVATE_KEY",
        "Extended private key (BIP 32)",
        "xprv|yprv|zprv|tprv",
        r"\b[xyzt]prv[1-9A-HJ-NP-Za-km-z]{107}\b",
        "https://github.com/bitcoin/bips/blob/master/bip-0032.mediawiki",
        1.0,
    ),
    Token(
        "JWT",
        "JSON Web Token",
        "eyj|ewo",
        r"\b(?:eyJ|ewo)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{0,800}\.[A-Za-z0-9_-]{1,800}\.[A-Za-z0"
        r"-9_-]{8,}\.[A-Za-z0-9_-]{16,}|\b(?:eyJ|ewo)[A-Za-z0-9_-]{8,}\.(?:eyJ|ewo)[A-Za-z0-9_"
        r"-]{6,}(?:\.[A-Za-z0-9_-]*)?",
        "https://www.rfc-editor.org/rfc/rfc7519",
        0.9,
        check=is_jose,
    ),
    Token(
        "CONNECTION_STRING",
        "URL with password (RFC 3986)",
        "://",
        r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,30}://[^\s:/@\"'<>?#]{0,100}:([^\s/@\"'<>${}\[\]*]{3,200})@"
        r"[\w.\[-]",
        "https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1",
        0.9,
    ),
    Token(
        "CONNECTION_STRING",
        "URL with a token for a user",
        "://",
        r"\bhttps?://([A-Za-z0-9_-]{20,200})@[\w.-]",
        "https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1",
        0.8,
        entropy=3.5,
    ),
    Token(
        "CONNECTION_STRING",
        "Database URL with password as parameter",
        "password=",
        r"(?i)\b(?:jdbc:|postgres|mysql|redis|mongodb|amqp|sqlserver|mssql|ldap|smtp)[^\s\"']{3"
        r",300}?[?&;](?:password|pwd)=([^\s&;\"'<>${}\[]{3,100})",
        "https://jdbc.postgresql.org/documentation/use/",
        0.9,
        check=is_literal,
    ),
    Token(
        "CONNECTION_STRING",
        "Oracle",
        "jdbc:oracle|sqlplus",
        r"(?i)(?:\bjdbc:oracle:\w{2,5}:|\bsqlplus\s(?:-\w\s){0,3})[\w.-]{1,60}/([^\s@/\"'<>${}]"
        r"{3,100})@",
        "https://docs.oracle.com/en/database/oracle/oracle-database/",
        0.9,
    ),
    Token(
        "CONNECTION_STRING",
        "ADO.NET, ODBC",
        "pwd|password",
        r"(?i)(?:server|data source|driver|host|hostname|initial catalog|uid|user id|user|user"
        r"name|provider|dsn|database)\s?=[^;\n]{1,200};[^\n]{0,300}?\b(?:password|pwd)\s?=\s?"
        r"\{?([^;\s\"'<>${}\[(#]{4,100})",
        "https://learn.microsoft.com/en-us/dotnet/framework/data/adonet/connection-string-syntax",
        0.85,
    ),
    Token(
        "CONNECTION_STRING",
        "ADO.NET, ODBC",
        "pwd|password",
        r"(?i)\b(?:password|pwd)\s?=\s?\{?([^;\s\"'<>${}\[(#]{4,100})\}?;[^\n]{0,300}?\b(?:serv"
        r"er|data source|driver|host|initial catalog|uid|user id|database|persist security inf"
        r"o)\s?=",
        "https://learn.microsoft.com/en-us/dotnet/framework/data/adonet/connection-string-syntax",
        0.85,
    ),
    Token(
        "CONNECTION_STRING",
        "libpq keywords",
        "password=",
        r"(?i)\b(?:host|hostaddr|dbname|user)=\S{1,100}\s[^\n]{0,200}?\bpassword=[\"']?([^\s\"'<"
        r">${}\[#]{3,100})",
        "https://www.postgresql.org/docs/current/libpq-connect.html",
        0.85,
        check=is_literal,
    ),
    Token(
        "BASIC_AUTH",
        "HTTP Basic (RFC 7617)",
        "basic",
        r"(?i)\b(?:authorization|auth)[\"']?\s{0,2}[:=,]\s{0,2}\\?[\"']?basic\s([a-z0-9+/]{8,}={"
        r"0,2})",
        "https://www.rfc-editor.org/rfc/rfc7617",
        0.85,
        check=is_basic,
    ),
    Token(
        "BEARER_TOKEN",
        "OAuth 2.0 bearer (RFC 6750)",
        "bearer",
        r"(?i)\b(?:authorization[\"']?\s?[:=]\s?[\"']?)?bearer:?\s([a-z0-9._~+/-]{16,}={0,2})",
        "https://www.rfc-editor.org/rfc/rfc6750",
        0.85,
        entropy=3.0,
    ),
    Token(
        "AUTHORIZATION",
        "HTTP Authorization (RFC 9110)",
        "authorization",
        r"(?i)\bauthorization[\"']?\s{0,2}[:=,]\s{0,2}\\?[\"']?\s{0,2}(?:(?:token|apikey|api-key"
        r"|api-token|key|ssws|genie-?key|pve\w{3}token|hmac|digest|snowflake|zoho-oauthtoken|k"
        r"laviyo-api-key|discogs|splunk|bot|jwt|oauth)[ =:]{1,2}|bearer\s)?[\"']?([a-z0-9._~+/="
        r"@!:-]{12,})",
        "https://www.rfc-editor.org/rfc/rfc9110#section-11",
        0.85,
        entropy=3.0,
        check=is_mixed,
    ),
    Token(
        "API_HEADER",
        "HTTP headers of APIs",
        "token|key|secret|auth",
        r"(?i)(?:^|[\s\"'])(?:x-)?(?:[a-z0-9]{1,20}-){0,3}(?:api-?key|api-token|auth-token|acce"
        r"ss-token|secret-key|token|auth-key|app-key|subscription-key|session-token|vault-toke"
        r"n|private-token|job-token|functions-key|client-secret|csrf-token|apikey)[\"']?:\s{0,2"
        r"}[\"']?([a-z0-9._~+/=!:-]{11,200})",
        "https://www.iana.org/assignments/http-fields/",
        0.75,
        check=is_mixed,
    ),
    Token(
        "SESSION_COOKIE",
        "HTTP cookies (RFC 6265)",
        "cookie|sess|sid=",
        r"(?i)\b(?:set-)?cookie[\"']?\s?[:=]\s?[\"']?[^\n\"']{0,500}?\b(?:jsessionid|phpsessid|as"
        r"p\.net_sessionid|connect\.sid|laravel_session|sessionid|session_id|session|sess|sid|"
        r"_session|auth_token|access_token|remember_token|\.aspxauth|__(?:secure|host)-[\w.-]{"
        r"1,40})=([^\s;\"',]{16,})",
        "https://www.rfc-editor.org/rfc/rfc6265",
        0.8,
        entropy=3,
    ),
    Token(
        "PASSWORD_HASH",
        "crypt(5), Kerberos, Cisco",
        "$2|$1$|$5$|$6$|$y$|$argon|$krb5|$8$|$9$|$7$|$apr1$|$pbkdf2|pbkdf2_sha|{ssha|$p$|$h$|$nt$",
        r"\$(?:2[abxy]\$\d\d\$[./A-Za-z0-9]{53}|[156y]\$[^\s$:]{1,40}\$[./A-Za-z0-9$]{20,}|apr"
        r"1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}|[89]\$[./A-Za-z0-9]{14}\$[./A-Za-z0-9]{43}|"
        r"7\$[./A-Za-z0-9]{20,}|argon2(?:i|d|id)\$v=\d+\$[^\s]{20,}|krb5(?:asrep|tgs|pa)\$[^\s"
        r"]{32,}|pbkdf2-sha\d{1,3}\$\d+\$[./A-Za-z0-9]{8,}\$[./A-Za-z0-9]{20,}|[PH]\$[./A-Za-z"
        r"0-9]{31}\b|NT\$[0-9a-f]{32})|\bpbkdf2_sha\d{1,3}\$\d+\$[A-Za-z0-9]{4,}\$[A-Za-z0-9+/"
        r"]{20,}={0,2}|\{SSHA\d{0,3}\}[A-Za-z0-9+/]{28,}={0,2}",
        "https://man7.org/linux/man-pages/man5/crypt.5.html",
        0.7,
    ),
    Token(
        "PASSWORD_HASH",
        "Windows SAM and NTDS dumps",
        ":::",
        r"\b[\w.$\\-]{1,60}:\d{1,10}:([0-9A-Fa-f]{32}:[0-9A-Fa-f]{32}):::",
        "https://learn.microsoft.com/en-us/windows-server/security/kerberos/passwords-technical-overview",
        0.9,
    ),
    Token(
        "PASSWORD",
        "netrc(5)",
        "machine|default",
        r"\b(?:machine\s+\S{1,200}|default)\s+login\s+\S{1,200}\s+password\s+(\S{4,200})",
        "https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html",
        0.9,
    ),
    Token(
        "PASSWORD",
        "pgpass",
        "5432:",
        r"(?m)^[\w.*-]{1,100}:(?:5432|\*):[\w.*-]{1,60}:[\w.*-]{1,60}:([^\s:]{3,100})$",
        "https://www.postgresql.org/docs/current/libpq-pgpass.html",
        0.9,
    ),
    Token(
        "PASSWORD",
        "XML elements",
        "password>|passwd>|pwd>|passphrase>|secret>|apikey>|api_key>|token>",
        r"(?i)<(?:[\w.-]{0,40}(?:password|passwd|pwd|passphrase)|(?:[\w.-]{0,40}(?:secret|api_"
        r"?key|token)))>\s{0,3}([^<>\s${}#]{4,200})\s{0,3}</",
        "https://maven.apache.org/settings.html#Servers",
        0.7,
    ),
    Token(
        "PASSWORD",
        "XML attributes",
        "password",
        r"(?i)\b(?:key|name|id|property)\s?=\s?[\"'][\w.:-]{0,60}(?:password|passwd|pwd|passphr"
        r"ase)[\"']\s{1,4}(?:value|content)\s?=\s?[\"']([^\"'<>\s${}%#][^\"'<>\s]{3,200})[\"']",
        "https://learn.microsoft.com/en-us/dotnet/framework/configure-apps/file-schema/appsettings/",
        0.7,
    ),
    Token(
        "PASSWORD",
        "XML attributes",
        "secret|token|key",
        r"(?i)\b(?:key|name|id)\s?=\s?[\"'][\w.:-]{0,60}(?:secret|token|api_?key|access_?key)[\""
        r"']\s{1,4}(?:value|content)\s?=\s?[\"']([^\"'<>\s${}%#][^\"'<>\s]{11,200})[\"']",
        "https://learn.microsoft.com/en-us/dotnet/framework/configure-apps/file-schema/appsettings/",
        0.7,
        check=is_mixed,
    ),
)
