"""From a recording that ended, however it ended, to a bag of which not one byte changes any more."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from appliance.audio.wav import HEADER_BYTES
from appliance.disk import RealDisk
from appliance.journal import check, of_kind, whole
from appliance.mending import mend
from appliance.sealing import seal
from appliance.store import Recording, StoreError
from tests.audio import readers
from tests.audio.simulated_room import MS, SECOND, Room, RoomClock, short_meeting
from tests.disks import SimulatedDisk, Write, luck
from tests.survival.cuts import (
    ANOTHER_BOOT,
    THIS_BOOT,
    WHOLE,
    cut_while_mending,
    cut_while_recording,
    ended_while_sealing,
    killed_while_recording,
    meeting,
    mended_and_sealed,
    sync_failed_then_killed,
    sync_failed_while_sealing,
    syncs_of_recording,
)

# ── what the next start finds ───────────────────────────────────────────────────────────────────────


def test_the_power_cut_at_any_instant_of_a_meeting_leaves_a_recording_that_lost_a_second_at_most() -> None:
    lost = [cut_while_recording(instant, 1_000 * seed + instant) for instant in meeting().instants for seed in range(5)]
    assert len(lost) > 500
    assert max(lost) <= 1_000, "milliseconds"


def test_killed_at_any_instant_of_a_meeting_every_frame_that_was_written_is_kept_and_bound() -> None:
    lived = meeting()
    lost = []
    for instant in lived.instants:
        lost += [
            killed_while_recording(instant, n) for n in {0, min(1, lived.sound_in(instant)), lived.sound_in(instant) * 2 // 3}
        ]
    assert lived.written_by(lived.stopped) == 3_500
    assert max(lost) <= 300


def test_a_power_cut_while_it_is_being_mended_is_mended_too() -> None:
    for cut in range(20, meeting().stopped, 9):
        for again in range(24):
            cut_while_mending(cut, again, seed=cut + again)


# ── a disk that failed: what the kernel shows need not be on it ─────────────────────────────────────


def test_what_a_sync_failed_for_is_written_again_before_it_is_believed_by_a_start_in_the_same_boot() -> None:
    syncs = syncs_of_recording()
    assert len(syncs) > 10
    for sync in syncs:
        for later in range(5):
            sync_failed_then_killed(sync, later, seed=None)
            sync_failed_then_killed(sync, later, seed=sync + later)


def test_whichever_sync_of_mending_and_sealing_failed_the_next_attempt_leaves_a_bag_that_is_sure() -> None:
    for which in range(48):
        sync_failed_while_sealing(which, seed=None)
        sync_failed_while_sealing(which, seed=which)


# ── the seal ────────────────────────────────────────────────────────────────────────────────────────


def stopped_meeting(folder: Path) -> tuple[SimulatedDisk, Recording]:
    table = short_meeting(folder)
    return table.simulated, table.made


def test_killed_or_without_power_at_any_step_of_the_seal_it_is_sealed_again_to_a_whole_bag() -> None:
    lived = meeting()
    assert len(lived.instants_of_seal) > 20
    for instant in lived.instants_of_seal:
        for seed in (None, instant, instant + 7):
            ended_while_sealing(instant, seed)


def as_it_lies(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_sealed_twice_it_is_the_same_to_the_byte_and_nothing_is_written(tmp_path: Path) -> None:
    disk, recording = stopped_meeting(tmp_path)
    first = seal(disk, THIS_BOOT, recording)
    lies, steps = as_it_lies(tmp_path), len(disk.steps)
    assert mend(disk, ANOTHER_BOOT, recording) == 3_500
    assert seal(disk, ANOTHER_BOOT, recording) == first
    assert as_it_lies(tmp_path) == lies
    assert not [step for step in disk.steps[steps:] if isinstance(step, Write)]
    for path in tmp_path.rglob("*.*"):
        assert not path.is_file() or path.stat().st_mode & 0o222 == 0


def test_a_whole_bag_is_taken_up_by_a_user_who_may_not_write_to_its_files(tmp_path: Path) -> None:
    """As the service's own user, who is not root, may not: they are read-only."""

    class OfTheServicesUser(RealDisk):
        def open(self, path: Path) -> int:
            if not path.stat().st_mode & 0o200:
                raise PermissionError(path)
            return super().open(path)

    recording = stopped_meeting(tmp_path)[1]
    first = seal(OfTheServicesUser(), THIS_BOOT, recording)
    assert seal(OfTheServicesUser(), ANOTHER_BOOT, recording) == first


def test_a_recording_that_was_stopped_is_healthy_and_never_touched_by_a_repair(tmp_path: Path) -> None:
    disk, recording = stopped_meeting(tmp_path)
    lies, steps = as_it_lies(tmp_path), len(disk.steps)
    for clock in (THIS_BOOT, ANOTHER_BOOT):
        assert mend(disk, clock, recording) == 3_500
    assert as_it_lies(tmp_path) == lies
    assert not [step for step in disk.steps[steps:] if isinstance(step, Write)]


def test_an_interrupted_recording_that_was_mended_is_not_mended_again(tmp_path: Path) -> None:
    table = short_meeting(tmp_path, stopped=False)
    frames = mend(RealDisk(), ANOTHER_BOOT, table.made)
    lies = as_it_lies(tmp_path)
    assert mend(RealDisk(), RoomClock("a third boot"), table.made) == frames == 3_500
    assert as_it_lies(tmp_path) == lies
    (line,) = of_kind(check(table.made.journal.read_bytes()).entries, "interrupted")
    assert (line["frame"], line["boot"]) == (3_500, "another-boot")


def test_the_seal_shows_in_any_player_where_it_was_paused_what_is_missing_and_what_was_marked(tmp_path: Path) -> None:
    table = Room(tmp_path)
    first = table.microphone(0, 5 * SECOND)
    table.when(5 * SECOND, first.unplug)
    table.microphone(7 * SECOND, 20 * SECOND)
    table.begin(2 * SECOND)
    table.mark(3 * SECOND)
    table.pause(8 * SECOND)
    table.resume(9 * SECOND)
    table.run(10 * SECOND)
    mend(RealDisk(), THIS_BOOT, table.made)
    seal(RealDisk(), THIS_BOOT, table.made)
    marks = readers.marks_heard(table.made.wav)
    assert [frame for frame, _ in marks] == [1_000, 3_000, 6_000, 7_000]
    assert len({label for _, label in marks}) == 4


# ── a journal that was damaged near its end ──


@pytest.mark.parametrize("lines", [0, 1], ids=["no stretch", "one stretch"])
def test_sound_of_which_a_journal_lost_the_lines_is_neither_removed_nor_cut_off(lines: int, tmp_path: Path) -> None:
    """As much as that no power cut leaves behind a journal's end."""
    recording = short_meeting(tmp_path, stopped=False).made
    content = recording.journal.read_bytes()
    last = [part.end() for part in re.finditer(rb'[^\n]*"event":"(?:started|audio)"[^\n]*\n', content)][lines]
    recording.journal.write_bytes(content[:last])
    with recording.wav.open("ab") as wav:
        wav.write(luck(1).randbytes(25_000 if lines == 0 else 9_000_000))
    left_as_it_is(tmp_path, recording)


def test_sound_that_no_readable_line_proves_is_not_removed(tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=False).made
    journal = bytearray(recording.journal.read_bytes())
    journal[journal.index(b'"event":"audio"') + 1] ^= 1
    recording.journal.write_bytes(journal)
    recording.wav.write_bytes(luck(2).randbytes(recording.wav.stat().st_size))
    with pytest.raises(StoreError, match=r"It is left as it is\.$"):
        mend(RealDisk(), ANOTHER_BOOT, recording)


@pytest.mark.parametrize("change", [(b'"from":', b'"frmm":'), (b'"sha256":', b'"sha257":'), (b'"frames":', b'"frbmes":')])
def test_a_last_line_that_does_not_fit_those_before_it_is_left_for_somebody_to_look_at(
    change: tuple[bytes, bytes], tmp_path: Path
) -> None:
    """Nothing binds the last line of a journal that was interrupted, so nothing says what it was."""
    recording = short_meeting(tmp_path, stopped=False).made
    before, last = recording.journal.read_bytes().rstrip(b"\n").rsplit(b"\n", 1)
    assert b'"event":"audio"' in last
    recording.journal.write_bytes(before + b"\n" + last.replace(*change) + b"\n")
    left_as_it_is(tmp_path, recording)


def test_a_wrong_bit_in_the_journal_costs_no_sound_and_what_was_cut_off_is_set_aside_and_in_no_bag(tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=False).made
    content = bytearray(recording.journal.read_bytes())
    lines = bytes(content).splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if b'"event":"audio"' in line)
    at = sum(map(len, lines[: first + 1])) + lines[first + 1].index(b'"sha256"') + 12
    content[at] ^= 1
    recording.journal.write_bytes(content)
    assert mended_and_sealed(tmp_path, ANOTHER_BOOT) == 3_500
    (kept,) = recording.set_aside.iterdir()
    assert bytes(content).endswith(kept.read_bytes())
    assert len(kept.read_bytes()) > 1_000
    assert recording.folder not in kept.parents


def test_what_the_cut_off_lines_claim_counts_only_where_their_digest_fits(tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=False).made
    stretches = of_kind(check(recording.journal.read_bytes()).entries, "audio")
    last, one_but_last = whole(stretches[-1], "from"), whole(stretches[-2], "from")
    journal = bytearray(recording.journal.read_bytes())
    journal[journal.index(b'"event":"audio"') + 10] ^= 1
    recording.journal.write_bytes(journal)
    sound = bytearray(recording.wav.read_bytes())
    sound[HEADER_BYTES + 2 * last + 5] ^= 1
    recording.wav.write_bytes(sound)
    assert one_but_last < mended_and_sealed(tmp_path, ANOTHER_BOOT) == last


def test_in_the_same_boot_too_nothing_is_bound_behind_a_stretch_that_does_not_fit(tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=False).made
    last = whole(of_kind(check(recording.journal.read_bytes()).entries, "audio")[-1], "from")
    sound = bytearray(recording.wav.read_bytes())
    sound[HEADER_BYTES + 2 * last :] = bytes(len(sound) - HEADER_BYTES - 2 * last)
    recording.wav.write_bytes(sound)
    assert mend(RealDisk(), THIS_BOOT, recording) == last
    assert seal(RealDisk(), THIS_BOOT, recording).frames == last
    assert readers.heard(recording.wav) == WHOLE[: 2 * last]


# ── what no kill and no power cut can have done ─────────────────────────────────────────────────────


def left_as_it_is(folder: Path, recording: Recording) -> None:
    lies = as_it_lies(folder)
    with pytest.raises(StoreError, match=r"\.$"):
        mend(RealDisk(), ANOTHER_BOOT, recording)
    assert as_it_lies(folder) == lies


@pytest.mark.parametrize("stopped", [True, False])
def test_sound_whose_journal_was_lost_or_broken_at_its_beginning_is_never_removed(stopped: bool, tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=stopped).made
    content = bytearray(recording.journal.read_bytes())
    content[10] ^= 1
    recording.journal.write_bytes(content)
    left_as_it_is(tmp_path, recording)
    recording.journal.unlink()
    left_as_it_is(tmp_path, recording)


def test_a_wav_of_zeros_or_noise_that_does_not_hold_what_its_journal_vouches_for_is_never_removed(tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=False).made
    size = recording.wav.stat().st_size
    for content in (bytes(size), luck(1).randbytes(size), b""):
        recording.wav.write_bytes(content)
        left_as_it_is(tmp_path, recording)


@pytest.mark.parametrize(
    "damage",
    [lambda content: bytes(HEADER_BYTES) + content[HEADER_BYTES:], lambda content: content + bytes(8_192)],
    ids=["header", "tail"],
)
def test_a_header_of_zeros_and_a_tail_of_nuls_are_mended(damage: object, tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=False).made
    recording.wav.write_bytes(damage(recording.wav.read_bytes()))  # type: ignore[operator]
    assert mended_and_sealed(tmp_path, ANOTHER_BOOT) == 3_500


def test_a_stretch_that_does_not_fit_is_cut_off_and_those_before_it_stay(tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=False).made
    stretches = of_kind(check(recording.journal.read_bytes()).entries, "audio")
    last = whole(stretches[-1], "from")
    content = bytearray(recording.wav.read_bytes())
    content[HEADER_BYTES + 2 * last + 5] ^= 1
    recording.wav.write_bytes(content)
    assert mend(RealDisk(), ANOTHER_BOOT, recording) == last
    sealed = seal(RealDisk(), ANOTHER_BOOT, recording)
    assert readers.heard(recording.wav) == WHOLE[: 2 * last]
    assert sealed.frames == last


def test_a_folder_that_cannot_become_a_bag_is_a_store_error_in_a_sentence(tmp_path: Path) -> None:
    recording = short_meeting(tmp_path).made
    (recording.folder / "data/link").symlink_to("/etc/passwd")
    with pytest.raises(StoreError, match=r"\.$"):
        seal(RealDisk(), THIS_BOOT, recording)
    (recording.folder / "data/link").unlink()
    assert seal(RealDisk(), THIS_BOOT, recording).frames == 3_500


def test_a_recording_without_an_end_is_not_sealed(tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=False).made
    with pytest.raises(StoreError, match="no end in its journal"):
        seal(RealDisk(), THIS_BOOT, recording)


def test_what_never_had_a_whole_frame_is_nothing_to_seal(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 12 * SECOND)
    table.begin(2 * SECOND)
    table.run(2_010 * MS)
    for clock in (THIS_BOOT, ANOTHER_BOOT):
        assert mend(RealDisk(), clock, table.made) == 0
    shutil.rmtree(table.made.folder / "data")
    assert mend(RealDisk(), THIS_BOOT, table.made) == 0
