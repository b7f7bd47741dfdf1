"""Is this recording as it was sealed, and if not, where does it differ?

What it promises:
- It only reads, it follows no link inside a copy, and thirteen hours take no more memory than ten minutes but for the journal.
- Every byte of a copy is read once; only where sound differs is it read again, to say where.
- What a computer drops on a stick in passing (`Thumbs.db`, `.DS_Store`) is named and forgiven. Everything else that is not as
  it was is a finding: in which file, and in sound from which second to which.

How. Three witnesses must agree: the bag's manifests (RFC 8493; read, and at the end judged, by the Library of Congress's own
library), the journal's chain, and in the journal the digests of every second of sound, of the whole WAV and of the agreement. Who
edits the sound and writes the manifests anew is found by the journal; who edits the journal is found by its chain. Who makes
everything anew, journal and all, is found by the signature over the tag manifest: they do not have the key (`signed.py`).

Locating. The journal cuts the sound into **stretches** of about a second, each with its digest. One that fits is as recorded.
When something was cut out or put in, all that follows lies elsewhere: so stretches are also looked for from the end backwards, as
far off as the file's length or its header suggests. What fits from neither side is where the change is.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.copies.names import JOURNAL, WAV
from appliance.copies.verify.case import Case, digest, opened
from appliance.copies.verify.files import judge_files, manifest_digest, read_bag, second_opinion
from appliance.copies.verify.signed import judge_signature, of_both
from appliance.copies.verify.sound import judge_sound, listen
from appliance.copies.verify.told import UNFINISHED_COPY, judge_agreement, judge_brought, read_journal
from appliance.copies.verify.verdict import (
    Comparison,
    Finding,
    NothingThereError,
    Signature,
    Verdict,
    in_english,
    in_words,
    printable,
    worst,
)
from appliance.copies.verify.wav import first_difference
from appliance.words import N_, Say

if TYPE_CHECKING:
    import bagit

__all__ = ["Comparison", "Finding", "NothingThereError", "Signature", "Verdict", "compare", "in_words", "verify"]

_NOT_OURS = N_("This is not a recording of this device.")
_NO_JOURNAL = N_(
    "No journal lies beside {file}, so it cannot be judged. Compare its SHA-256 with the one that both parties saw: {sha256}."
)


def verify(path: Path, say: Say = in_english, keys: Collection[str] | None = None) -> Verdict:
    """A copy's folder, or a WAV: judged with the bag around it, or with the journal beside it. NothingThereError.

    keys: fingerprints (SHA256:...) of the keys that a copy may be signed with; None if the caller knows none.
    """
    return _examine(path, say, keys).verdict()


def compare(one: Path, other: Path, say: Say = in_english, keys: Collection[str] | None = None) -> Comparison:
    """Two of them, each by itself and against each other. Findings name their file by its whole path. NothingThereError."""
    first, second = _examine(one, say, keys), _examine(other, say, keys)
    only_sound = first.alone or second.alone
    sound_is_equal = first.sound_digest is not None and first.sound_digest == second.sound_digest
    files_are_equal = bool(first.digests) and first.digests == second.digests and first.is_read and second.is_read
    return Comparison(
        verdict=worst(first.verdict(), second.verdict()),
        findings=tuple(case.whole_path(finding) for case in (first, second) for finding in case.findings),
        forgiven=tuple(printable(str(case.top / name)) for case in (first, second) for name in case.forgiven),
        signature=of_both(first.signature, second.signature),
        equal=sound_is_equal if only_sound else files_are_equal,
        first_difference_seconds=None if sound_is_equal else first_difference(first.wav, second.wav),
    )


def _examine(path: Path, say: Say, keys: Collection[str] | None) -> Case:
    case = opened(path, say)
    bag = read_bag(case)
    if not _is_a_recording(case, bag):
        return case
    told = read_journal(case)
    heard = listen(case, told) if told.brought is None else None
    if bag is not None:
        judge_files(case, bag)
        judge_signature(case, bag, keys)
    judge_agreement(case, told)
    if told.brought is not None:
        judge_brought(case, told.brought, told.sealed)
    if heard is not None:
        judge_sound(case, told, heard, manifest_digest(bag, case.wav_name))
    if bag is not None and (not case.findings or case.unsigned):
        second_opinion(case, bag)
    return case


def _is_a_recording(case: Case, bag: bagit.Bag | None) -> bool:
    """Says so if it is none. A recording that lost its journal, by its manifest, is still one."""
    told_of = set(case.files) | (set(bag.entries) if bag else set())
    if case.alone and case.journal not in case.files:
        case.unknown = True
        digest(case, case.wav_name)
        if case.sound_digest:
            case.find("no-journal", case.wav_name, _NO_JOURNAL, sha256=case.sound_digest)
    elif not case.alone and JOURNAL not in told_of and WAV not in told_of:
        case.unknown = True
        case.findings.clear()
        case.find("not-ours", None, _NOT_OURS)
    elif case.unfinished:
        case.find("unfinished", None, UNFINISHED_COPY)
    return not case.unknown
