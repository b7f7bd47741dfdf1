"""The sound against the journal: which stretches lie where they must, and what was done where they do not."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import HEADER_BYTES
from appliance.copies.verify.case import FILE, MISSING, UNREADABLE, Case
from appliance.copies.verify.told import Stretch, Told, in_seconds
from appliance.copies.verify.wav import layout_of, pieces
from appliance.words import N_

_REWRITTEN = N_("{file} was written anew: it fits the changed sound, and the journal does not.")
_SOUND = N_("The sound from {begin} to {end} is not as it was recorded.")
_CUT = N_("Between {begin} and {end} something was cut out: {seconds} seconds are missing.")
_PUT_IN = N_("Between {begin} and {end} something was put in: {seconds} seconds.")
_ENDS_EARLY = N_("The sound ends too early: from {begin} to {end} it is missing.")
_SOUND_UNREADABLE = N_("The sound from {begin} to {end} cannot be read.")
_HEADER = N_("The sound is as it was recorded, but what {file} says about itself (date, length, marks) was changed.")


@dataclass
class Heard:
    """What is in the WAV. at: where its audio starts; data_bytes: by its header, or 0; fits[n]: stretch n lies where it must."""

    at: int
    size: int
    data_bytes: int
    sha256: str | None = None
    fits: list[bool] = field(default_factory=list)
    unreadable: set[int] = field(default_factory=set)


def listen(case: Case, told: Told) -> Heard | None:
    """The whole WAV, once."""
    if case.wav is None:
        if case.unfinished:
            case.find("missing", case.wav_name, MISSING)
        return None
    try:
        with case.wav.open("rb", buffering=0) as wav:
            heard = _locate(wav, told)
            _hear(wav, told, heard)
    except OSError as error:
        case.find("unreadable", case.wav_name, UNREADABLE, why=error.strerror)
        return None
    if heard.sha256:
        case.digests[case.wav_name] = heard.sha256
    return heard


def _locate(wav: io.FileIO, told: Told) -> Heard:
    """Where the audio starts: where this appliance puts it, unless an editor wrote the file anew with another header."""
    layout = layout_of(wav)
    size = wav.seek(0, 2)
    if layout is None:
        return Heard(HEADER_BYTES, size, 0)
    first = told.stretches[0] if told.stretches else None
    as_ours = layout.at == HEADER_BYTES or not told.format or not first
    if as_ours or _fits(wav, first, HEADER_BYTES, told.format):
        return Heard(HEADER_BYTES, size, layout.data_bytes)
    return Heard(layout.at, size, layout.data_bytes)


def _hear(wav: io.FileIO, told: Told, heard: Heard) -> None:
    whole = hashlib.sha256()
    a_frame = told.format.frame_bytes if told.format else 0
    position, is_whole = 0, True
    for number, stretch in enumerate(told.stretches if a_frame else ()):
        begin, end = heard.at + stretch.begin * a_frame, heard.at + stretch.end * a_frame
        digest = hashlib.sha256()
        before, length = _feed(wav, position, begin, whole), _feed(wav, begin, end, whole, digest)
        if length is None:
            heard.unreadable.add(number)
        heard.fits.append(length == end - begin and digest.hexdigest() == stretch.sha256)
        is_whole = is_whole and before is not None and length is not None
        position = end
    behind = _feed(wav, position, heard.size, whole)
    heard.sha256 = whole.hexdigest() if is_whole and behind is not None else None


def _feed(file: io.FileIO, begin: int, end: int, *digests: hashlib._Hash) -> int | None:
    """Digest what lies from `begin` to `end`, or to the file's end: how many bytes; None if the medium does not give them."""
    length = 0
    try:
        file.seek(begin)
        for piece in pieces(file, end - begin):
            length += len(piece)
            for digest in digests:
                digest.update(piece)
    except OSError:
        return None
    return length


def _fits(wav: io.FileIO, stretch: Stretch | None, at: int, audio: PcmFormat | None) -> bool:
    """Whether a stretch lies in a file whose audio starts, or would start, at `at`; False also where it cannot be read."""
    if stretch is None or audio is None or at + stretch.begin * audio.frame_bytes < 0:
        return False
    digest = hashlib.sha256()
    length = _feed(wav, at + stretch.begin * audio.frame_bytes, at + stretch.end * audio.frame_bytes, digest)
    return length is not None and digest.hexdigest() == stretch.sha256


def judge_sound(case: Case, told: Told, heard: Heard, manifest: str | None) -> None:
    sealed = told.sealed.sha256 if told.sealed else None
    fits_manifest = manifest is None or manifest == heard.sha256
    fits_seal = sealed is None or sealed == heard.sha256 or case.unfinished
    if fits_manifest and manifest and told.broken:
        return  # the sound is what was sealed; it is the journal that was changed
    if case.unfinished:
        within = [stretch for stretch in told.stretches if told.format and _end_byte(heard, stretch, told.format) <= heard.size]
        told.stretches, heard.fits = within, heard.fits[: len(within)]
    before = len(case.findings)
    if heard.sha256 is None and all(heard.fits):
        case.find("unreadable", case.wav_name, UNREADABLE, why=os.strerror(errno.EIO))
    elif told.format and not all(heard.fits):
        _judge_stretches(case, told, heard, told.format)
    elif not told.format and not (fits_manifest and fits_seal):
        case.find("changed", case.wav_name, FILE)
    elif not (fits_manifest and fits_seal) and not (manifest and fits_manifest and _is_changed(case, case.journal)):
        _judge_around(case, told, heard)
    if len(case.findings) > before and manifest and fits_manifest:
        case.find("manifest", "manifest-sha256.txt", _REWRITTEN)


def _is_changed(case: Case, name: str) -> bool:
    return any(finding.what == "changed" and finding.file == name for finding in case.findings)


def _end_byte(heard: Heard, stretch: Stretch, audio: PcmFormat) -> int:
    return heard.at + stretch.end * audio.frame_bytes


def _judge_stretches(case: Case, told: Told, heard: Heard, audio: PcmFormat) -> None:
    """Say where the sound differs: stretches that fit nowhere, and one place at which all that follows was moved."""
    stretches, fits = told.stretches, heard.fits
    shift, behind = _moved_end(case, told, heard, audio)
    ends_early = not shift and _end_byte(heard, stretches[-1], audio) > heard.size
    upto = len(fits)
    if shift or ends_early:
        upto = max((number for number in range(behind) if fits[number]), default=-1) + 1
    for begin, end in _runs([number for number in range(upto) if not fits[number]], heard.unreadable):
        what, sentence = ("unreadable", _SOUND_UNREADABLE) if begin in heard.unreadable else ("audio", _SOUND)
        case.find(what, case.wav_name, sentence, in_seconds(told, stretches[begin].begin, stretches[end].end))
    if shift:
        last = max(behind, fits.index(False))  # where much is alike (silence), both sides fit further than they need
        what, sentence = ("audio-missing", _CUT) if shift < 0 else ("audio-added", _PUT_IN)
        seconds = f"{abs(shift) / audio.frame_bytes / audio.rate:.1f}"
        case.find(what, case.wav_name, sentence, in_seconds(told, _begin_of(told, upto), _begin_of(told, last)), seconds=seconds)
    elif ends_early:
        _judge_early_end(case, told, upto, min(audio.frames(max(0, heard.size - heard.at)), told.frames))


def _judge_early_end(case: Case, told: Told, first: int, there: int) -> None:
    """From stretch `first` on nothing fits, and the file ends at frame `there`: up to there it differs, the rest is missing."""
    changed = [stretch for stretch in told.stretches[first:] if stretch.end <= there]
    if changed and first == 0:  # nothing fits at all: that it is shorter as well says nothing
        case.find("audio", case.wav_name, _SOUND, in_seconds(told, 0, told.frames))
        return
    if changed:
        case.find("audio", case.wav_name, _SOUND, in_seconds(told, changed[0].begin, changed[-1].end))
    case.find("audio-missing", case.wav_name, _ENDS_EARLY, in_seconds(told, there, told.frames))


def _begin_of(told: Told, number: int) -> int:
    return told.stretches[number].begin if number < len(told.stretches) else told.frames


def _moved_end(case: Case, told: Told, heard: Heard, audio: PcmFormat) -> tuple[int, int]:
    """By how many bytes the end of the recording lies elsewhere, and from which stretch on; (0, …) if it does not."""
    best, behind = 0, len(told.stretches)
    if case.wav is None or told.sealed is None or heard.fits[-1]:
        return best, behind
    by_length = heard.size - told.sealed.bytes - (heard.at - HEADER_BYTES)
    by_header = heard.data_bytes - told.sealed.frames * audio.frame_bytes
    with case.wav.open("rb", buffering=0) as wav:
        for shift in {by_length, by_header} - {0}:
            first = len(told.stretches)
            while first and _fits(wav, told.stretches[first - 1], heard.at + shift, audio):
                first -= 1
            if first < behind:
                best, behind = shift, first
    return best, behind


def _judge_around(case: Case, told: Told, heard: Heard) -> None:
    """Every stretch fits, and yet the file is another one: longer, or different in what stands around the sound."""
    audio, sealed = told.format, told.sealed
    extra = heard.data_bytes - sealed.frames * audio.frame_bytes if audio and sealed else 0
    if audio and extra > 0 and heard.at + heard.data_bytes <= heard.size:
        seconds = extra / audio.frame_bytes / audio.rate
        case.find("audio-added", case.wav_name, _PUT_IN, in_seconds(told, told.frames, told.frames), seconds=f"{seconds:.1f}")
    elif unbound := list(told.unbound()):
        case.find("audio", case.wav_name, _SOUND, in_seconds(told, unbound[0][0], unbound[-1][1]))
    else:
        case.find("header", case.wav_name, _HEADER)


def _runs(numbers: Sequence[int], unreadable: set[int]) -> Iterator[tuple[int, int]]:
    """Neighbours together, what cannot be read apart from what differs."""
    run: list[int] = []
    for number in numbers:
        if run and (number != run[-1] + 1 or (number in unreadable) != (run[-1] in unreadable)):
            yield run[0], run[-1]
            run = []
        run.append(number)
    if run:
        yield run[0], run[-1]
