"""The appliance's own key, and what it signs: who made a copy can be checked by anybody, for ever after, without this product.

What it promises:
- One Ed25519 key, made at the first start, readable by the service alone (0600), durable before it signs anything. It never leaves.
- What it writes is read by tools that everybody has: `ssh-keygen -Y verify` (a signature, OpenSSH's PROTOCOL.sshsig), `ssh-keygen -l`
  (the public keys) and `openssl ts` (a time-stamp request, RFC 3161).
- The same message gives the same bytes each time (Ed25519 has no randomness, RFC 8032; the request has no nonce), so a seal that
  was killed and goes on ends in the same files.

Whose key it is, no file in a copy can say: whoever makes a copy anew puts their own key in it. So the key's **fingerprint** stands where
a forger does not reach: on the screen at the handover, on the organisation's page, on a card printed at the installation.

Keys that were replaced stay in the list of public keys beside the private one: what they signed remains this appliance's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.disk import Disk, write_whole

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PRINCIPAL: Final = "meeting-recorder"
NAMESPACE: Final = "meeting-recorder"
KEY = "signing-key"
"""The private key's file, in OpenSSH's own format, beside the register."""
PUBLIC_KEYS = "signing-key.allowed"
"""Beside it: every public key that this appliance ever signed with, the present one last; a file of allowed signers (ssh-keygen(1))."""

_ALGORITHM = b"ssh-ed25519"
_MAGIC = b"SSHSIG"
_VERSION = 1
_HASH = b"sha512"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_ARMOUR_WIDTH = 70
_PUBLIC_BYTES, _SIGNATURE_BYTES = 32, 64

log = logging.getLogger(__name__)

Signs = Callable[[bytes], Mapping[str, bytes]]
"""From the tag manifest's bytes to the files that speak about it, by the end of their names (`.sig`, `.tsq`)."""


class KeyFileError(OSError):
    """A sentence: why the appliance's key cannot be used."""


class SignatureError(Exception):
    """What is wrong with a signature, in technical words."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key: 32 bytes."""

    raw: bytes

    @property
    def blob(self) -> bytes:
        """As it is in SSH's files (RFC 8709)."""
        return _string(_ALGORITHM) + _string(self.raw)

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it: SHA256: and 43 characters."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def allowed_signer(self) -> str:
        """A line of a file of allowed signers (ssh-keygen(1)); `ssh-keygen -l -f` reads it too."""
        return f"{PRINCIPAL} {_ALGORITHM.decode()} {base64.b64encode(self.blob).decode()}\n"


# ── the appliance's side


class SigningKey:
    """The private key, and what it signs."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(private.public_key().public_bytes_raw())

    def signature(self, message: bytes) -> bytes:
        """An armoured SSHSIG, as `ssh-keygen -Y sign -n meeting-recorder` makes it."""
        return _armoured(self.public, self._private.sign(_to_be_signed(message)))

    def signs(self, manifest: bytes) -> Mapping[str, bytes]:
        """The signature and the time-stamp request over a tag manifest."""
        return {".sig": self.signature(manifest), ".tsq": timestamp_request(manifest)}

    @property
    def allowed_signers(self) -> bytes:
        """The file of that name in a copy."""
        return self.public.allowed_signer.encode()


def load_or_make(disk: Disk, state: Path) -> SigningKey:
    """The key of the appliance whose state lies in the folder `state`; made, and durable, if there is none. KeyFileError, OSError."""
    key = load(state)
    if key is None:
        return make_new(disk, state)
    if not any(known == key.public for known in own_keys(state)):  # killed between the two files, at the very first start
        _note(disk, state, key.public)
    return key


def load(state: Path) -> SigningKey | None:
    """None if there is no key yet. KeyFileError says what is wrong with the file; OSError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    path = state / KEY
    try:
        if path.stat().st_mode & 0o077:
            log.warning("%s could be read by others: that is mended now, but consider a new key (meeting-recorder key new)", path)
            path.chmod(0o600)
        private = load_ssh_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:  # the latter for one with a passphrase
        raise KeyFileError(_damaged(path)) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(_damaged(path))
    return SigningKey(private)


def make_new(disk: Disk, state: Path) -> SigningKey:
    """A new key in place of the one that is there, if any. OSError: the old one is still in force."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = Ed25519PrivateKey.generate()
    key = SigningKey(private)
    _note(disk, state, key.public)  # first, so that nothing is ever signed by a key that is not known here
    written = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    write_whole(disk, state / KEY, written, mode=0o600, owner_of=state)
    return key


def own_keys(state: Path) -> tuple[PublicKey, ...]:
    """Every key that this appliance signed with, the present one last; none where there is no appliance."""
    try:
        listed = (state / PUBLIC_KEYS).read_bytes()
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return ()
    return keys_in(listed)


def _note(disk: Disk, state: Path, key: PublicKey) -> None:
    listed = "".join(known.allowed_signer for known in (*own_keys(state), key))
    write_whole(disk, state / PUBLIC_KEYS, listed.encode(), mode=0o644, owner_of=state)


def _damaged(path: Path) -> str:
    return f"{path} is not the key that this device made. What it signed stays good. Make a new one: meeting-recorder key new"


# ── anybody's side


def keys_in(allowed_signers: bytes) -> tuple[PublicKey, ...]:
    """The Ed25519 keys that a file of allowed signers lists for our principal; lines of other kinds are passed over."""
    found = []
    for line in allowed_signers.splitlines():
        words = line.split()
        if words[:1] == [PRINCIPAL.encode()] and _ALGORITHM in words:
            after = words[words.index(_ALGORITHM) + 1 :]
            key = _key_of(after[0]) if after else None
            if key is not None:
                found.append(key)
    return tuple(dict.fromkeys(found))


def signer_of(signature: bytes, message: bytes) -> PublicKey:
    """Whose signature over `message` this is. SignatureError if it is none: not one byte may be otherwise than we write it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key, signed = _parsed(signature)
    if _armoured(key, signed) != signature:
        raise SignatureError("it is not in the form in which it was written")
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signed, _to_be_signed(message))
    except (InvalidSignature, ValueError) as error:
        raise SignatureError("it is over something else") from error
    return key


def is_fingerprint(text: str) -> bool:
    """Whether a text has the form that `ssh-keygen -l` prints for SHA-256."""
    try:
        return text.startswith("SHA256:") and len(base64.b64decode(text[7:] + "=", validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


def timestamp_request(message: bytes) -> bytes:
    """A TimeStampReq over a message (RFC 3161, 2.4.1), in DER: version 1, SHA-256, certificate wanted, no nonce.

    Without a nonce, because it lies waiting: whoever sends it, this year or in five, gets a stamp over the same bytes.
    """
    sha256 = bytes.fromhex("300d06096086480165030402010500")  # AlgorithmIdentifier: id-sha256, parameters NULL
    imprint = _der(0x30, sha256 + _der(0x04, hashlib.sha256(message).digest()))
    return _der(0x30, _der(0x02, b"\x01") + imprint + _der(0x01, b"\xff"))


# ── forms


def _der(tag: int, content: bytes) -> bytes:
    """Short form: everything here is below 128 bytes."""
    return bytes([tag, len(content)]) + content


def _string(content: bytes) -> bytes:
    """RFC 4251, 5."""
    return len(content).to_bytes(4, "big") + content


def _to_be_signed(message: bytes) -> bytes:
    return _MAGIC + b"".join(map(_string, (NAMESPACE.encode(), b"", _HASH, hashlib.sha512(message).digest())))


def _armoured(key: PublicKey, signed: bytes) -> bytes:
    fields = (key.blob, NAMESPACE.encode(), b"", _HASH, _string(_ALGORITHM) + _string(signed))
    blob = _MAGIC + _VERSION.to_bytes(4, "big") + b"".join(map(_string, fields))
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + _ARMOUR_WIDTH] for at in range(0, len(text), _ARMOUR_WIDTH)]
    return "".join(f"{line}\n" for line in (_BEGIN, *lines, _END)).encode()


def _parsed(signature: bytes) -> tuple[PublicKey, bytes]:
    """The key and the 64 bytes in a signature. What else stands in it, `_armoured` says again and the caller compares."""
    try:
        lines = signature.decode("ascii").splitlines()
        blob = base64.b64decode("".join(lines[1:-1]), validate=True)
    except (UnicodeDecodeError, ValueError) as error:
        raise SignatureError("it is no signature") from error
    key_at = len(_MAGIC) + 4 + 4 + len(_string(_ALGORITHM)) + 4
    if len(blob) < key_at + _PUBLIC_BYTES + _SIGNATURE_BYTES:
        raise SignatureError("it is no signature of an Ed25519 key")
    return PublicKey(blob[key_at : key_at + _PUBLIC_BYTES]), blob[-_SIGNATURE_BYTES:]


def _key_of(encoded: bytes) -> PublicKey | None:
    try:
        blob = base64.b64decode(encoded, validate=True)
    except ValueError:
        return None
    key = PublicKey(blob[-_PUBLIC_BYTES:])
    return key if key.blob == blob else None
