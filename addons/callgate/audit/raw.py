"""What a record keeps of values that are not stored: keyed hashes, and sealed text if asked for.

Equal values have equal hashes in one store, so they can be matched; without the store's salt
they can not be guessed. What is sealed opens only with the operator's private key, which
Callgate does not have.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from callgate.canonical import Json, parse
from callgate.errors import JsonError, SettingsError
from callgate.model import Decision, Finding, ToolResult

type Texts = Callable[[Json, Iterable[Finding]], Sequence[str]]
"""What secrets and personal data stand in a value where the findings point."""

_CONTEXT = b"callgate sealed 1"
_KEY_BYTES = 32
_NONCE = bytes(12)
"""Each key is used once."""


class Raw:
    """Fields that records of calls and results carry beside what is redacted."""

    def __init__(
        self,
        keyed: Callable[[str], str],
        texts: Texts = lambda value, findings: (),
        recipient: X25519PublicKey | None = None,
    ) -> None:
        """`keyed` hashes a digest with the store's salt; `recipient` is who may read all."""
        self._keyed = keyed
        self._texts = texts
        self._recipient = recipient

    def of_call(self, decision: Decision) -> dict[str, Json]:
        """`digest` of name and arguments, `values` found in them, `sealed` arguments."""
        call = decision.call
        findings = [f for verdict in decision.verdicts for f in verdict.findings]
        return {
            "digest": self._keyed(call.digest),
            "values": self._values(_value(call.arguments) if findings else None, findings),
            **self._sealed(call.arguments),
        }

    def of_result(self, result: ToolResult, findings: Sequence[Finding]) -> dict[str, Json]:
        """`digest` of the output, `values` found in it, `sealed` output."""
        output: Json = result.output  # type: ignore[assignment]  # decoded JSON by contract
        text = output if isinstance(output, str) else json.dumps(output)
        return {
            "digest": self._hashed(text),
            "values": self._values(output, findings),
            **self._sealed(text),
        }

    def _values(self, value: Json, findings: Sequence[Finding]) -> Json:
        found = dict.fromkeys(self._texts(value, findings)) if findings else {}
        return [self._hashed(text) for text in found]

    def _hashed(self, text: str) -> str:
        return self._keyed(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())

    def _sealed(self, text: str) -> Mapping[str, Json]:
        if self._recipient is None:
            return {}
        return {"sealed": seal(text.encode("utf-8", "surrogatepass"), self._recipient)}


def _value(arguments: str) -> Json:
    try:
        return parse(arguments)
    except JsonError:
        return arguments


def seal(text: bytes, recipient: X25519PublicKey) -> str:
    """Encrypt for one reader: X25519 with a key made for this text, HKDF, ChaCha20-Poly1305.

    Base64 of that key's public half and the ciphertext.
    """
    ephemeral = X25519PrivateKey.generate()
    sender = ephemeral.public_key().public_bytes_raw()
    key = _derive(ephemeral.exchange(recipient), sender, recipient)
    return base64.b64encode(sender + ChaCha20Poly1305(key).encrypt(_NONCE, text, None)).decode()


def unseal(sealed: str, key: X25519PrivateKey) -> bytes:
    """Decrypt; raises ValueError for another key, or what was changed."""
    data = base64.b64decode(sealed, validate=True)
    sender = data[:_KEY_BYTES]
    shared = key.exchange(X25519PublicKey.from_public_bytes(sender))
    derived = _derive(shared, sender, key.public_key())
    try:
        return ChaCha20Poly1305(derived).decrypt(_NONCE, data[_KEY_BYTES:], None)
    except InvalidTag as error:
        raise ValueError("sealed for another key, or changed") from error


def _derive(shared: bytes, sender: bytes, recipient: X25519PublicKey) -> bytes:
    info = _CONTEXT + sender + recipient.public_bytes_raw()
    return HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=info).derive(shared)


def read_recipient(file: Path) -> X25519PublicKey:
    """The X25519 public key of a PEM file; raises SettingsError."""
    try:
        key = serialization.load_pem_public_key(file.expanduser().read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"keep_arguments: {file}: {error}") from error
    if not isinstance(key, X25519PublicKey):
        raise SettingsError(f"keep_arguments: {file} is no X25519 public key; {_REMEDY}")
    return key


def read_opener(file: Path) -> X25519PrivateKey:
    """The X25519 private key of a PEM file; raises SettingsError."""
    try:
        key = serialization.load_pem_private_key(file.expanduser().read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{file}: {error}") from error
    if not isinstance(key, X25519PrivateKey):
        raise SettingsError(f"{file} is no X25519 private key; {_REMEDY}")
    return key


_REMEDY = "make one: openssl genpkey -algorithm X25519 -out KEY; openssl pkey -in KEY -pubout"
