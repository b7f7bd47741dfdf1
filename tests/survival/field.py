"""Files as they were found in the field: what power losses, bad cards and bad luck did to other recorders' recordings.

Each fault is done to a recording that was good and not sealed yet, or to one that was sealed, with a healthy sealed one beside
it. Then the appliance starts. What comes out is compared with what went in, sample by sample: up to the last stretch that is
still as it was recorded everything is there, or the folder is left as it is, in words. The healthy one stays as it lies.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import HEADER_BYTES
from appliance.clock import stamp
from appliance.copies.verify import verify
from appliance.disk import RealDisk
from appliance.journal import Entry, canonical, check, of_kind, whole
from appliance.mending import FIRST_SYNC_SECONDS
from appliance.register import Register
from appliance.sealing import seal
from appliance.startup import look_around, register_seal
from appliance.store import Recording, Store
from tests.audio import readers
from tests.audio.simulated_room import MS, SECOND, SLOW, Room, RoomClock, captured_in
from tests.disks import luck
from tests.survival.table import Table, empty_folder

FORMATS = (SLOW, PcmFormat(1_000, 24, 1), PcmFormat(1_000, 24, 2))
STORED = ((2 * SECOND, 5 * SECOND), (5_500 * MS, 16_230 * MS))
ANOTHER_BOOT = RoomClock("another-boot")
ANOTHER_BOOT.now = 100 * SECOND

Damage = Callable[[Recording, PcmFormat, Random], None]


# ── what is done to a recording ─────────────────────────────────────────────────────────────────────


def header_of_size_0(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    _put(found.wav, 4, bytes(4))
    _put(found.wav, HEADER_BYTES - 4, bytes(4))


def header_of_zeros(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    _put(found.wav, 0, bytes(HEADER_BYTES))


def header_of_noise_in_part(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    begin = by.randrange(HEADER_BYTES)
    _put(found.wav, begin, by.randbytes(by.randint(1, HEADER_BYTES - begin)))


def zeros_at_full_size(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    found.wav.write_bytes(bytes(found.wav.stat().st_size))


def tail_of_nuls(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    with found.wav.open("ab") as wav:
        wav.write(bytes(by.randint(1, 40_000)))


def nuls_from_somewhere_on(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    size = found.wav.stat().st_size
    begin = by.randrange(HEADER_BYTES, size)
    _put(found.wav, begin, bytes(size - begin))


def noise_from_somewhere_on_at_the_right_size(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    size = found.wav.stat().st_size
    begin = by.randrange(HEADER_BYTES, size)
    _put(found.wav, begin, by.randbytes(size - begin))


def noise_all_over_at_the_right_size(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    found.wav.write_bytes(by.randbytes(found.wav.stat().st_size))


def cut_off_somewhere(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    os.truncate(found.wav, by.randrange(HEADER_BYTES, found.wav.stat().st_size))


def cut_off_within_the_header(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    os.truncate(found.wav, by.randrange(HEADER_BYTES))


def journal_torn(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    os.truncate(found.journal, by.randrange(found.journal.stat().st_size))


def journal_with_a_tail_of_nuls(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    with found.journal.open("ab") as journal:
        journal.write(bytes(by.randint(1, 5_000)))


def journal_torn_and_filled_up_with_nuls(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    size = found.journal.stat().st_size
    begin = by.randrange(size)
    _put(found.journal, begin, bytes(size - begin))


def journal_with_a_wrong_bit(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    content = bytearray(found.journal.read_bytes())
    content[by.randrange(len(content))] ^= 1 << by.randrange(8)
    found.journal.write_bytes(content)


def journal_with_a_sector_of_noise(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    sector = by.randrange(found.journal.stat().st_size // 512)
    _put(found.journal, sector * 512, by.randbytes(512))


def sound_without_a_journal(found: Recording, audio_format: PcmFormat, by: Random) -> None:
    found.journal.unlink()


DAMAGES: tuple[Damage, ...] = (
    header_of_size_0,
    header_of_zeros,
    header_of_noise_in_part,
    zeros_at_full_size,
    tail_of_nuls,
    nuls_from_somewhere_on,
    noise_from_somewhere_on_at_the_right_size,
    noise_all_over_at_the_right_size,
    cut_off_somewhere,
    cut_off_within_the_header,
    journal_torn,
    journal_with_a_tail_of_nuls,
    journal_torn_and_filled_up_with_nuls,
    journal_with_a_wrong_bit,
    journal_with_a_sector_of_noise,
    sound_without_a_journal,
)


def _put(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


# ── what it is done to ──────────────────────────────────────────────────────────────────────────────


@dataclass
class Appliance:
    """Two recordings: one that is damaged before the start, and a healthy one that was sealed and handed over."""

    root: Path

    def __post_init__(self) -> None:
        self.store = Store(RealDisk(), self.root / "recordings")

    def recording(self, recording_id: str) -> Recording:
        return next(one for one in self.store.all() if one.id == recording_id)

    def start(self) -> None:
        """As the service does it, and the seal that it does next."""
        register = Register.open(RealDisk(), self.root / "register.jsonl")
        found = look_around(self.store, register, RealDisk(), ANOTHER_BOOT)
        if found is not None and found.seal is None:
            seal(RealDisk(), ANOTHER_BOOT, found.recording)
        register.close()


@cache
def _prepared(audio_format: PcmFormat) -> tempfile.TemporaryDirectory[str]:
    """Made once: `good` was interrupted and is not sealed, `whole` was sealed, `well` is sealed and past."""
    folder = tempfile.TemporaryDirectory(prefix="recorder-")
    appliance = Appliance(Path(folder.name))
    appliance.store.folder.mkdir()
    register = Register.open(RealDisk(), appliance.root / "register.jsonl")
    for recording_id in ("well", "whole", "good"):
        room = Room(appliance.store.folder, audio_format=audio_format, disk=RealDisk())
        room.microphone(0, 20 * SECOND)
        (first, pause), (resume, last) = STORED
        room.begin(first, recording_id=recording_id)
        room.pause(pause)
        room.resume(resume)
        if recording_id != "good":
            room.stop(last)
        room.run(last if recording_id == "good" else last + 3 * SECOND)
        now = stamp(ANOTHER_BOOT, 7)
        register.add("begun", {"id": recording_id, "folder": room.made.folder.name, "part_of": [], **now})
        if recording_id != "good":
            register_seal(register, ANOTHER_BOOT, room.made, seal(RealDisk(), ANOTHER_BOOT, room.made))
        if recording_id == "well":
            register.add("handed-over", {"id": recording_id, **now})
    register.close()
    return folder


def _laid_out(audio_format: PcmFormat, root: Path) -> Appliance:
    shutil.copytree(_prepared(audio_format).name, root, dirs_exist_ok=True)
    return Appliance(root)


def as_it_lies(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file's bytes and modification time."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def found_by_verify(folder: Path) -> list[str]:
    """What the product's own verification finds, but for the signature: nobody signs here."""
    return [finding.says for finding in verify(folder).findings if finding.what != "unsigned"]


# ── trials: milliseconds that were lost ─────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Came:
    """What came of a damaged recording: sealed with so many frames, or left as it lay (then `frames` is None)."""

    frames: int | None
    lost_ms: float


def damaged_before_the_seal(damage: Damage, audio_format: PcmFormat, seed: int) -> Came:
    """The loss is counted from what the damage left: up to the last stretch that is still as it was recorded."""
    with empty_folder() as root:
        appliance = _laid_out(audio_format, root)
        bad, well = appliance.recording("good"), appliance.recording("well")
        was = check(bad.journal.read_bytes()).entries
        damage(bad, audio_format, luck(seed))
        lies, healthy = as_it_lies(bad.folder), as_it_lies(well.folder)
        expected = _last_that_stands(bad, audio_format, was)
        appliance.start()
        assert as_it_lies(well.folder) == healthy, "a healthy recording was touched"
        if not bad.folder.exists():
            assert not expected, "it was removed, and there was sound that stood"
            assert (
                len(lies["data/gesprek.wav"][0])
                < HEADER_BYTES + FIRST_SYNC_SECONDS * audio_format.rate * audio_format.frame_bytes
            )
            assert len(lies.get("data/journal.jsonl", (b"",))[0]) > 0, "there was sound, and no journal"
            return Came(None, 0.0)
        if not bad.is_bagged:
            assert as_it_lies(bad.folder) == lies, "it is left, and not as it was"
            assert not expected or _last_line_was_changed(bad, was), "it could have been mended"
            return Came(None, 0.0)
        frames = readers.frames_heard(bad.wav)
        assert readers.heard(bad.wav) == captured_in(STORED, audio_format=audio_format)[: frames * audio_format.frame_bytes]
        assert not found_by_verify(bad.folder)
        assert frames >= (expected or 0)
        return Came(frames, 0.0)


def _last_that_stands(found: Recording, audio_format: PcmFormat, was: tuple[Entry, ...]) -> int | None:
    """By eyes of our own: the end of the last stretch whose sound is what was recorded and whose line can still be read; None if there
    is none, or the journal's beginning does not stand: its first lines up to the one that proves `started`.
    """
    if not found.journal.exists():
        return None
    lines = [line for line in found.journal.read_bytes().split(b"\n") if _is_json(line)]
    first = [canonical(entry) for entry in was[: was.index(of_kind(was, "started")[0]) + 2]]
    begins = [found for found in lines if found in first] == first or (len(lines) < len(first) and lines == first[: len(lines)])
    held = found.wav.read_bytes()[HEADER_BYTES:]
    recorded = captured_in(STORED, audio_format=audio_format)
    stands = None
    for entry in of_kind(was, "audio"):
        begin, frames = whole(entry, "from"), whole(entry, "frames")
        size = audio_format.frame_bytes
        place = slice(begin * size, (begin + frames) * size)
        if held[place] == recorded[place] and canonical(entry) in lines:
            stands = begin + frames
    return stands if begins else None


def _last_line_was_changed(found: Recording, was: tuple[Entry, ...]) -> bool:
    """Nothing binds the last line: when it can still be read, and contradicts the others, nobody can say what it was."""
    last = found.journal.read_bytes().rstrip(b"\n").rpartition(b"\n")[2]
    return len(check(found.journal.read_bytes()).entries) == len(was) and last != canonical(was[-1])


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def damaged_after_the_seal(damage: Damage, audio_format: PcmFormat, seed: int) -> float:
    """A sealed recording is never repaired: it lies as it was found, and who verifies it is told."""
    with empty_folder() as root:
        appliance = _laid_out(audio_format, root)
        bad, well = appliance.recording("whole"), appliance.recording("well")
        for path in bad.folder.rglob("*"):
            path.chmod(path.stat().st_mode | 0o200)
        was = as_it_lies(bad.folder)
        damage(bad, audio_format, luck(seed))
        lies, healthy = as_it_lies(bad.folder), as_it_lies(well.folder)
        appliance.start()
        assert as_it_lies(well.folder) == healthy, "a healthy recording was touched"
        found = as_it_lies(bad.folder)
        assert {name: what[0] for name, what in found.items()} == {name: what[0] for name, what in lies.items()}
        same = all(found.get(name, (b"",))[0] == content for name, (content, _) in was.items())
        assert bool(found_by_verify(bad.folder)) is not same
    return 0.0


def try_field(table: Table, count: int, seed: int) -> None:
    """`count` instants over all kinds of damage, in three formats."""
    chance = luck(seed)
    for number in range(count):
        damage = DAMAGES[number % len(DAMAGES)]
        audio_format = FORMATS[number // len(DAMAGES) % len(FORMATS)]
        name = damage.__name__.replace("_", " ").replace("nuls", "NULs")
        if number % 5 == 4:
            table.take("any of these, after the seal", damaged_after_the_seal, damage, audio_format, chance.randrange(1 << 30))
        else:
            table.take(f"found: {name}", _lost_before_the_seal, damage, audio_format, chance.randrange(1 << 30))


def _lost_before_the_seal(damage: Damage, audio_format: PcmFormat, seed: int) -> float:
    return damaged_before_the_seal(damage, audio_format, seed).lost_ms
