"""A cheap look at Python, JavaScript, Ruby, Perl, PHP: whether code sends, what, and where to."""

from __future__ import annotations

from callgate.detectors.network import urls
from callgate.detectors.network.sources import Worth, worth_of_mention
from callgate.detectors.pattern import pattern

_CALL = pattern(
    r"(?i)\b(?:requests|httpx|session|client|axios|https?|aiohttp|urllib3?|got|needle|superagent"
    r"|faraday|httparty|restclient|mechanize|ky)\b[\w.:]*\s*(?:\.|::)\s*\w+\s*\("
    r"|\burlopen\b|\burlretrieve\b|urllib\.request|\bfetch\s*\(|HTTPS?Connection|\bNet::HTTP|open-uri"
    r"|\bcurl_(?:init|exec|setopt)|XMLHttpRequest|sendBeacon|LWP::|HTTP::Tiny|IO::Socket|fsockopen"
    r"|\bsocket\b|\bURI\.open|\bURI\(|\bnet\.(?:connect|Socket)|\bftplib|\bsmtplib|\bparamiko|\bboto3"
    r"|file_get_contents\s*\(\s*['\"]http|Invoke-(?:WebRequest|RestMethod)|\bWebClient\b|\baxios\s*\("
    r"|\bopen\s*\(\s*['\"]http|require\(['\"]https?['\"]\)|\bget(?:print|store)?\s*\(\s*['\"]http"
)
_SEND = pattern(
    r"(?i)(?:\.|->)(?:post|put|patch|request|send|sendall|sendto|write|upload_?file|put_?object|storbinary"
    r"|storlines|sendmail|send_message|upload_?string|upload_?fileobj|sendBeacon)\s*\("
    r"|\b(?:data|json|files|body|content|form|params)\s*[=:]|POSTFIELDS|post_form|gethostbyname"
    r"|getaddrinfo|method['\"]?\s*[=:>]+\s*['\"](?:POST|PUT)|\?\w+=['\"]?\s*[+.]"
    r"|[?&]\w+=(?:\{|\$\{|%s)|-Method\s+P|-InFile"
)
_RAW = pattern(r"\bsocket\b|fsockopen|IO::Socket|\bnet\.(?:connect|Socket)|TCPSocket")
_READ = pattern(
    r"(?i)\bopen\s*\(|read_(?:text|bytes|csv)|readFile|File\.(?:read|open)|IO\.read|check_output"
    r"|getoutput|\bpopen|subprocess|execSync|\bglob\b|os\.walk|os\.listdir|file_get_contents"
    r"|Get-Content|shell_exec|ReadAll"
)
_PACK = pattern(
    r"(?i)b64encode|base64_encode|btoa\s*\(|toString\(['\"](?:base64|hex)|urlsafe_encode64"
    r"|strict_encode64|hexlify|\.hex\(\)"
)
_ENVIRONMENT = pattern(
    r"os\.environ\s*(?:\)|,|\}|\.copy|\.items)|JSON\.stringify\(process\.env|\bprocess\.env\s*[)}]"
    r"|\bENV\.to_|\bprintenv\b|\bkeyring\.get"
)
_LITERAL = pattern(r"\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'|`([^`]*)`")
_ENDPOINT = pattern(
    r"(?:connect(?:_ex)?|fsockopen|createConnection|create_connection|TCPSocket\.new"
    r"|HTTPS?Connection|SMTP|FTP|\bhost(?:name)?['\"]?\s*:)\s*\(*\s*['\"]([^'\"]+)['\"]"
    r"\s*(?:,\s*(\d{1,5}))?"
)
_BEGINNING = pattern(
    r"(?m)^\s*(?:import\s+[\w{*]|from\s+[\w.]+\s+import\b|def\s+\w+\s*\(|(?:const|let|var)\s+[\w{\[]"
    r"|async\s|require\s*[('\"]|<\?php|#!.*\b(?:python|node|ruby|perl|php)|use\s+\w+(?:::\w+)*;"
    r"|with\s+open\s*\(|print\s*\(|\w+\s*=\s*[\w.]+\s*\(|(?:await\s+)?(?:requests|httpx|axios|fetch)\b"
    r"[\w.]*\s*\()"
)


class Snippet:
    """What a piece of source code shows without being understood."""

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def is_likely(self) -> bool:
        """It looks like code of such a language, rather than like a shell script."""
        return _BEGINNING.search(self._text) is not None

    @property
    def reaches_out(self) -> bool:
        """It calls something that opens a connection."""
        return _CALL.search(self._text) is not None

    @property
    def is_raw(self) -> bool:
        """It talks through a socket of its own."""
        return _RAW.search(self._text) is not None

    @property
    def targets(self) -> tuple[str, ...]:
        """URLs and endpoints; one empty text where none is written."""
        found = [self._text[url.start : url.end] for url in urls.within(self._text)]
        for host, port in _ENDPOINT.findall(self._text):
            found.append(f"{host}:{port}" if port and "://" not in host else host)
        return tuple(dict.fromkeys(found)) or ("",)

    @property
    def worth(self) -> Worth:
        """What the data is worth that it reads and may send."""
        if not _SEND.search(self._text):
            return Worth.NONE
        if _ENVIRONMENT.search(self._text):
            return Worth.SECRET
        worths = [Worth.TEXT]
        for match in _LITERAL.finditer(self._text):
            literal = match[1] or match[2] or match[3] or ""
            worths += map(worth_of_mention, literal.split())
        if _PACK.search(self._text):
            worths.append(Worth.PACKED)
        if _READ.search(self._text):
            worths.append(Worth.FILE)
        return max(worths)
