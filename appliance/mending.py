"""A recording that nobody stopped is made ready for its seal: which frames of it are sure, and the journal says so.

* In the same boot every whole frame is in the file (the kernel has them): each is kept, and bound. But that the kernel shows them
  does not say that they are, or ever will be, on the disk (`store.py` has the theory): so what the journal does not vouch for is
  written again before it is.
* After another boot only what the journal vouches for is sure: the file is cut behind the last stretch whose digest fits. When
  the journal's own end was damaged, the lines that were cut off it still tell digests, and one that fits proves its stretch.

What no kill and no power cut can have left is nobody's to mend: it stays as it is, in words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from appliance.audio.binding import MOST_UNSYNCED
from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import HEADER_BYTES, read_pcm, whole_frames
from appliance.clock import Clock, stamp
from appliance.disk import Disk
from appliance.journal import Entry, hearsay, of_kind, whole
from appliance.sealing import begun, end_frame, one_kind_of_error
from appliance.store import JournalFile, Recording, StoreError, read_log, write_again

MENDED_STRETCH_SECONDS = 1
FIRST_SYNC_SECONDS = 12
"""The longest interval between syncs that can be configured, and a bit: with more sound than this, a journal has its first stretch."""


def mend(disk: Disk, clock: Clock, recording: Recording) -> int:
    """Make an unsealed recording ready to be sealed; the frames that it has.

    0 means that there is nothing to seal: the caller removes it. A recording that was stopped is not touched here. StoreError
    when no kill and no power cut can have left it so: somebody has to look at it, and it stays as it is.
    """
    with one_kind_of_error(recording):
        return _mended(disk, clock, recording)


def _mended(disk: Disk, clock: Clock, recording: Recording) -> int:
    entries = read_log(recording.journal, every_stretch=True)[0] if recording.journal.exists() else ()
    began = begun(entries)
    if began is None or not recording.wav.exists():
        _must_be_silent(recording)
        return 0
    if of_kind(entries, "stopped") or of_kind(entries, "interrupted"):
        return end_frame(entries)
    bound = _bound(recording, entries)
    frames = _last_that_fits(recording, entries, began.format)
    same_boot = began.boot == clock.boot()
    if not same_boot:
        _must_be_a_power_cuts_work(recording, began.format)
    journal, _ = JournalFile.open(disk, recording.journal, recording.set_aside)
    try:
        journal.write_again()
        if frames == bound:
            frames = _sure_behind(disk, recording, began.format, bound, same_boot=same_boot)
            _bind(recording, journal, began.format, bound, frames)
        if frames:
            now = stamp(clock, clock.monotonic_ns())
            journal.append("interrupted", {"frame": frames, "boot": clock.boot(), **now})
            journal.sync()
        return frames
    finally:
        journal.close()


def _bound(recording: Recording, entries: Sequence[Entry]) -> int:
    """Up to which frame the journal vouches. StoreError if its stretches do not follow each other: its last line, which nothing binds
    yet, was changed.
    """
    bound = 0
    for entry in of_kind(entries, "audio"):
        if whole(entry, "from") != bound or not isinstance(entry.get("sha256"), str):
            raise StoreError(f"The last line of {recording.journal} does not fit those before it. It is left as it is.")
        bound += whole(entry, "frames")
    return bound


def _bind(recording: Recording, journal: JournalFile, audio_format: PcmFormat, bound: int, frames: int) -> None:
    step = audio_format.rate * MENDED_STRETCH_SECONDS
    for begin in range(bound, frames, step):
        count = min(step, frames - begin)
        digest = _stretch_sha256(recording, audio_format, begin, count)
        journal.append("audio", {"from": begin, "frames": count, "sha256": digest})


def _sure_behind(disk: Disk, recording: Recording, audio_format: PcmFormat, bound: int, *, same_boot: bool) -> int:
    """Up to which frame there is sound that the journal does not vouch for yet and may; on return it is durable."""
    if not same_boot:
        sure = max([bound, *_proven_by_hearsay(recording, audio_format, bound)])
        if not sure and any(_spoken_of(recording)):
            raise StoreError(f"{recording.wav} holds nothing of what its journal's lines speak of. It is left as it is.")
        return sure
    frames = max(bound, whole_frames(recording.wav, audio_format))
    if frames > bound:
        first, last = (HEADER_BYTES + frame * audio_format.frame_bytes for frame in (bound, frames))
        write_again(disk, recording.wav, first, last)
    return frames


def _proven_by_hearsay(recording: Recording, audio_format: PcmFormat, bound: int) -> Iterator[int]:
    """Ends of stretches behind the journal's own that lines cut off it speak of, and whose digests fit."""
    for begin, count, sha256 in _spoken_of(recording):
        if begin >= bound and _fits(recording, audio_format, begin, count, sha256):
            yield begin + count


def _spoken_of(recording: Recording) -> Iterator[tuple[int, int, object]]:
    """First frame, frames and digest of every stretch that a line speaks of which can be read: in the journal, or cut off it."""
    for lines in (recording.journal, *sorted(recording.set_aside.glob(f"{recording.journal.name}.*"))):
        for entry in of_kind(hearsay(lines.read_bytes()), "audio"):
            begin, count = entry.get("from"), entry.get("frames")
            if isinstance(begin, int) and isinstance(count, int) and count > 0:
                yield begin, count, entry.get("sha256")


def _must_be_a_power_cuts_work(recording: Recording, audio_format: PcmFormat) -> None:
    """A line follows its sound within a sync: what is longer than that without one, a damaged journal lost the lines of."""
    spoken_of = max((begin + count for begin, count, _ in _spoken_of(recording)), default=0)
    size = (whole_frames(recording.wav, audio_format) - spoken_of) * audio_format.frame_bytes
    most = MOST_UNSYNCED if spoken_of else FIRST_SYNC_SECONDS * audio_format.rate * audio_format.frame_bytes
    if size > most:
        raise StoreError(
            f"{recording.wav} holds more sound that its journal knows nothing of than a power cut leaves. It is left as it is."
        )


def _last_that_fits(recording: Recording, entries: Sequence[Entry], audio_format: PcmFormat) -> int:
    stretches = of_kind(entries, "audio")
    for entry in reversed(stretches):
        begin, count = whole(entry, "from"), whole(entry, "frames")
        if _fits(recording, audio_format, begin, count, entry.get("sha256")):
            return begin + count
    if stretches:
        raise StoreError(f"{recording.wav} holds nothing of what its journal vouches for. It is left as it is.")
    return 0


def _fits(recording: Recording, audio_format: PcmFormat, begin: int, frames: int, sha256: object) -> bool:
    held = whole_frames(recording.wav, audio_format)
    return begin + frames <= held and _stretch_sha256(recording, audio_format, begin, frames) == sha256


def _must_be_silent(recording: Recording) -> None:
    """Sound is written only when the journal's beginning is on the disk: what has sound and no beginning was damaged."""
    if recording.wav.exists() and recording.wav.stat().st_size > HEADER_BYTES:
        raise StoreError(f"{recording.wav} holds sound, and its journal has no beginning. It is left as it is.")


def _stretch_sha256(recording: Recording, audio_format: PcmFormat, begin: int, frames: int) -> str:
    digest = hashlib.sha256()
    for piece in read_pcm(recording.wav, audio_format, begin, frames):
        digest.update(piece)
    return digest.hexdigest()
