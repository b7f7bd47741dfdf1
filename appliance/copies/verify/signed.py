"""The signature over the tag manifest, and so over everything: is it good, and is it of a key that is expected?

Three things are told apart. A signature that does not fit was made over something else. One that fits but is of another key was
made by somebody who had everything but the key. And where none is, nothing says which device the copy comes from: a copy
that lists whose signature to expect has lost it; one that lists nothing may be anybody's work.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import msgspec

from appliance.copies.names import ALLOWED_SIGNERS, SIGNATURES, TAG_MANIFEST
from appliance.copies.verify.case import FILE, MISSING, UNREADABLE, Case
from appliance.copies.verify.verdict import Signature
from appliance.signing import PublicKey, SignatureError, keys_in, signer_of, timestamp_request
from appliance.words import N_

if TYPE_CHECKING:
    import bagit

_SIGNATURE, _REQUEST = SIGNATURES
_BAD = N_("The signature does not fit: what it was put under was changed, or it is another one's.")
_OTHER_KEY = N_("It was signed with another key than the one that you expect: {key}.")
_NO_SIGNATURE = N_("The signature is missing, so nothing says which device this copy comes from.")


def judge_signature(case: Case, bag: bagit.Bag, expected: Collection[str] | None) -> None:
    """`expected`: fingerprints of the keys that the caller expects; None when nobody said."""
    if _SIGNATURE not in case.digests or TAG_MANIFEST not in case.digests:
        _judge_missing(case, bag, expected)
        return
    try:
        manifest = (case.top / TAG_MANIFEST).read_bytes()
        signer = signer_of((case.top / _SIGNATURE).read_bytes(), manifest)
    except OSError as error:
        case.find("unreadable", _SIGNATURE, UNREADABLE, why=error.strerror)
        return
    except SignatureError:
        case.signature = Signature("bad", key=None, known=None)
        case.find("signature", _SIGNATURE, _BAD)
        return
    if signer in _allowed(case):
        _judge_key(case, signer, expected)
    else:
        case.signature = Signature("bad", key=signer.fingerprint, known=None)
        case.find("signature", _SIGNATURE, _BAD)
    _judge_request(case, manifest)


def _judge_missing(case: Case, bag: bagit.Bag, expected: Collection[str] | None) -> None:
    if _SIGNATURE in case.files:
        return  # it cannot be read, and that was found already
    if expected is not None or ALLOWED_SIGNERS in bag.entries or ALLOWED_SIGNERS in case.files:
        case.find("missing", _SIGNATURE, _NO_SIGNATURE)
    else:
        case.unsigned = True
        case.find("unsigned", None, _NO_SIGNATURE)


def _judge_key(case: Case, signer: PublicKey, expected: Collection[str] | None) -> None:
    known = None if expected is None else signer.fingerprint in expected
    case.signature = Signature("good", signer.fingerprint, known)
    if known is False:
        case.find("key", _SIGNATURE, _OTHER_KEY, key=signer.fingerprint)


def _judge_request(case: Case, manifest: bytes) -> None:
    """The time-stamp request lies outside the tag manifest as well; there is only one right one."""
    if _REQUEST not in case.files:
        case.find("missing", _REQUEST, MISSING)
    elif _REQUEST in case.digests and (case.top / _REQUEST).read_bytes() != timestamp_request(manifest):
        case.find("changed", _REQUEST, FILE)


def _allowed(case: Case) -> tuple[PublicKey, ...]:
    return keys_in((case.top / ALLOWED_SIGNERS).read_bytes()) if ALLOWED_SIGNERS in case.digests else ()


def of_both(one: Signature, other: Signature) -> Signature:
    """What must be said of two copies together: the worse of the two; of equal ones with different keys, that none is sure."""
    if one.state == other.state and one.key != other.key:
        return msgspec.structs.replace(one, key=None, known=False if False in {one.known, other.known} else None)
    order = (("good", True), ("good", None), ("good", False), ("missing", None), ("bad", None))
    return max((one, other), key=lambda signature: order.index((signature.state, signature.known)))
