from __future__ import annotations

from callgate.detectors.secrets.tokens.protocols import TOKENS
from tests.detectors.secrets.tokens.sound import Sample, faults

SAMPLES: tuple[Sample, ...] = (
    ("AGE_KEY", "AGE-SECRET-KEY-1<u58>", "AGE-SECRET-KEY-1<u40>"),
    (
        "PRIVATE_KEY",
        "-----BEGIN RSA PRI" + "VATE KEY-----\n<b64>\n<b64>\n-----END RSA PRI" + "VATE KEY-----",
        "-----BEGIN PUBLIC KEY-----\n<b64>\n-----END PUBLIC KEY-----",
    ),
    (
        "PRIVATE_KEY",
        (
            "---- BEGIN SSH2 ENCRYPTED PRI"
            + "VATE KEY ----\n<b64>\n---- END SSH2 ENCRYPTED PRIVATE"
            " KEY ----"
        ),
        "---- BEGIN SSH2 PUBLIC KEY ----\n<b64>\n---- END SSH2 PUBLIC KEY ----",
    ),
    (
        "PRIVATE_KEY",
        (
            "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\n<b48>\nPriva"
            "te-MAC: <h64>"
        ),
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPublic-Lines: 2\n<b48>",
    ),
    (
        "PRIVATE_KEY",
        "<RSAKeyValue><Modulus><b64></Modulus><D><b64></D></RSAKeyValue>",
        "<RSAKeyValue><Modulus><b64></Modulus></RSAKeyValue>",
    ),
    (
        "PRIVATE_KEY",
        '{"kty": "OKP", "crv": "Ed25519", "x": "<s43>", "d": "<s43>"}',
        '{"kty": "OKP", "crv": "Ed25519", "x": "<s43>"}',
    ),
    (
        "PRIVATE_KEY",
        '{"d": "<s43>", "crv": "Ed25519", "kty": "OKP"}',
        '{"x": "<s43>", "crv": "Ed25519", "kty": "OKP"}',
    ),
    (
        "PRIVATE_KEY",
        "untrusted comment: minisign encrypted secret key\n<b96>",
        "untrusted comment: minisign public key\n<b96>",
    ),
    ("PRIVATE_KEY", "PrivateKey = <b42>A=", "PublicKey = <b42>A="),
    ("PRIVATE_KEY", "xprv<c107>", "xpub<c107>"),
    ("JWT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.<s43>", "eyJ<s20>.eyJ<s20>.<s43>"),
    (
        "JWT",
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..<s16>.<s40>.<s22>",
        "eyJzdWIiOiJub2JvZHkifQ..<s16>.<s40>.<s22>",
    ),
    (
        "CONNECTION_STRING",
        "amqps://app:<w12>@mq.example.org:5671/shop",
        "amqps://app:${MQ_PASSWORD}@mq.example.org:5671/shop",
    ),
    (
        "CONNECTION_STRING",
        "https://<w40>@git.example.org/a.git",
        "https://a-person@git.example.org/a.git",
    ),
    (
        "CONNECTION_STRING",
        "jdbc:mysql://db.example.org/shop?user=app&password=<w12>",
        "jdbc:mysql://db.example.org/shop?user=app&password=${PW}",
    ),
    (
        "CONNECTION_STRING",
        "jdbc:oracle:thin:app/<w12>@db.example.org:1521:shop",
        "jdbc:oracle:thin:@db.example.org:1521:shop",
    ),
    (
        "CONNECTION_STRING",
        "Server=db.example.org;User Id=app;Password=<w12>;",
        "Server=db.example.org;User Id=app;Integrated Security=true;",
    ),
    (
        "CONNECTION_STRING",
        "Password=<w12>;Persist Security Info=True",
        "Password=<w12>;Colour=True",
    ),
    (
        "CONNECTION_STRING",
        "host=db.example.org user=app password=<w12>",
        "host=db.example.org user=app passfile=<w12>",
    ),
    (
        "BASIC_AUTH",
        "Authorization: Basic YXBwOmEtcGFzc3dvcmQ=",
        "Authorization: Basic YXBwLWEtcGFzc3dvcmQ=",
    ),
    ("BEARER_TOKEN", "curl --oauth2 bearer <w20>", "a bearer of good news"),
    ("AUTHORIZATION", "Authorization: Token <l40>", "Authorization: required-for-all-requests"),
    ("API_HEADER", "X-Auth-Token: <w24>", "X-Request-Name: <w24>"),
    ("SESSION_COOKIE", "Cookie: theme=dark; JSESSIONID=<u32>", "Cookie: theme=dark; visits=<d16>"),
    ("PASSWORD_HASH", "root:$6$<w8>$<w86>:19000:0", "root:$6$<w8>$<w10>:19000:0"),
    ("PASSWORD_HASH", "app:$2y$10$<w53>", "app:$2y$10$<w40>"),
    ("PASSWORD_HASH", "admin:500:<h32>:<h32>:::", "admin:500:<h32>:<h31>:::"),
    (
        "PASSWORD",
        "machine api.example.org login app password <w12>",
        "the machine has a login and a password",
    ),
    ("PASSWORD", "db.example.org:5432:shop:app:<w12>", "db.example.org:5432"),
    ("PASSWORD", "<password><w12></password>", "<password>${env.PW}</password>"),
    ("PASSWORD", '<add key="SmtpPassword" value="<w12>"/>', '<add key="SmtpHost" value="<w12>"/>'),
    (
        "PASSWORD",
        '<add key="ClientSecret" value="<w20>"/>',
        '<add key="ClientSecret" value="from-the-vault"/>',
    ),
)


def test_every_format_is_documented_and_finds_its_samples_but_not_their_near_misses() -> None:
    assert faults(TOKENS, SAMPLES) == []
