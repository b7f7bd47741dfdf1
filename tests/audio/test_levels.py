"""The file of levels: each second of a WAV, and nothing that cannot be counted again from the WAV alone."""

from __future__ import annotations

import array
import csv
import errno
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.audio import level
from appliance.audio.level import Tally, tally_of, upper_16
from appliance.audio.levels import HEADING, ROWS_AT_ONCE, LevelsFile, Seconds, believable, complete
from appliance.audio.pcm import PcmFormat
from appliance.audio.reports import DiskIs
from appliance.audio.wav import HEADER_BYTES, Origination, WavWriter, whole_frames
from appliance.mending import mend
from appliance.sealing import seal
from appliance.store import Recording, Store
from tests.audio import readers
from tests.audio.simulated_room import BLOCK, MS, SECOND, Room, RoomClock
from tests.disks import Create, SimulatedDisk, Step, Sync, Write, failing, luck, sound

ORIGIN = Origination("Gesprek k7qm", "k7qm", datetime(2026, 11, 23, 14, 0, tzinfo=UTC))
FORMATS = [PcmFormat(50, bits, channels) for bits in (16, 24) for channels in (1, 2)]
"""Fifty frames a second: a second is small, and blocks straddle it often."""


@contextmanager
def recording(pcm: bytes, audio_format: PcmFormat) -> Iterator[Recording]:
    with tempfile.TemporaryDirectory(prefix="recorder-") as folder:
        made = Recording("k7qm", Path(folder))
        (made.folder / "data").mkdir()
        with WavWriter.create(SimulatedDisk(made.folder), made.wav, audio_format, ORIGIN) as wav:
            wav.append(pcm)
            wav.seal()
        yield made


def levels(made: Recording) -> str:
    return made.levels.read_text("ascii")


def loud_and_soft(seed: int, loudness: list[int], audio_format: PcmFormat) -> bytes:
    """A stretch of about a third of a second for each loudness; 0 is digital silence, 40000 is too loud."""
    chance, stretches = np.random.default_rng(seed), []
    for most in loudness:
        heard = chance.integers(-most, most, size=(17, audio_format.channels), endpoint=True).clip(-32_768, 32_767)
        stretches.append(heard.astype("<i2"))
    samples = np.concatenate([*stretches, np.zeros((0, audio_format.channels), "<i2")]).astype("<i2")
    if audio_format.bits == 16:
        return samples.tobytes()
    below = chance.integers(0, 256, size=samples.shape) * (samples != 0)
    return _three_bytes((samples.astype("<i4") << 8) + below)


def _three_bytes(samples: np.ndarray) -> bytes:
    return samples.astype("<i4").reshape(-1, 1).view("u1")[:, :3].tobytes()


formats = st.sampled_from(FORMATS)
loudnesses = st.lists(st.sampled_from([0, 1, 3, 300, 9_000, 32_767, 40_000]), min_size=1, max_size=24)


@settings(max_examples=40, deadline=None)
@given(audio_format=formats, loudness=loudnesses, seed=st.integers(0, 1_000), blocks=st.lists(st.integers(1, 120), min_size=1))
def test_whatever_the_blocks_the_file_is_what_anybody_counts_from_the_wav(
    audio_format: PcmFormat, loudness: list[int], seed: int, blocks: list[int]
) -> None:
    pcm = loud_and_soft(seed, loudness, audio_format)
    seconds, at, rows = Seconds(audio_format), 0, HEADING
    while at < len(pcm):
        for frames in blocks:
            block = pcm[at : at + frames * audio_format.frame_bytes]
            at += len(block)
            rows += b"".join(seconds.add(block, tally_of(audio_format, block)))
    with recording(pcm, audio_format) as made:
        assert (rows + seconds.rest()).decode() == readers.levels(made.wav)
        complete(SimulatedDisk(made.folder), made, audio_format, len(pcm) // audio_format.frame_bytes)
        assert levels(made) == readers.levels(made.wav)


def test_silence_has_no_decibels_and_the_edge_of_the_scale_is_counted_on_both_sides() -> None:
    edges = np.array([0] * 50 + [32_767] * 3 + [-32_768] * 4 + [32_766] * 43, "<i2").tobytes()
    with recording(edges, FORMATS[0]) as made:
        complete(SimulatedDisk(made.folder), made, FORMATS[0], 100)
        assert levels(made) == readers.levels(made.wav) == "second,level_dbfs,peak_dbfs,clipped\n0,,,0\n1,0.0,0.0,7\n"


def test_any_table_reads_it() -> None:
    with recording(loud_and_soft(1, [300] * 9 + [0] * 6, FORMATS[0]), FORMATS[0]) as made:
        complete(SimulatedDisk(made.folder), made, FORMATS[0], 15 * 17)
        rows = list(csv.DictReader(StringIO(levels(made))))
        assert [int(one["second"]) for one in rows] == [0, 1, 2, 3, 4, 5]
        assert -46 < float(rows[0]["level_dbfs"]) < float(rows[0]["peak_dbfs"]) < -40
        table = np.genfromtxt(made.levels, delimiter=",", names=True)
        assert np.isnan(table["level_dbfs"]).tolist() == [False, False, False, False, True, True]


@given(samples=st.lists(st.integers(-32_768, 32_767), max_size=70_000))
@settings(max_examples=40, deadline=None)
def test_the_sum_of_squares_is_exact(samples: list[int]) -> None:
    tally = tally_of(PcmFormat(), np.array(samples, "<i2").tobytes())
    assert tally.power == sum(sample * sample for sample in samples)
    assert tally.samples == len(samples)


def test_the_sum_of_squares_is_exact_where_it_is_largest() -> None:
    """Four million samples near full scale: the square of one root over all of them would be off by one."""
    samples = np.random.default_rng(0).integers(-32_768, -32_000, size=1 << 22).astype("<i2")
    assert tally_of(PcmFormat(), samples.tobytes()).power == int((samples.astype("<i8") ** 2).sum())


@given(parts=st.lists(st.binary(max_size=60).map(lambda pcm: pcm[: len(pcm) // 6 * 6]), max_size=6), audio_format=formats)
def test_tallies_add_up(parts: list[bytes], audio_format: PcmFormat) -> None:
    total = Tally()
    for part in parts:
        whole = part[: len(part) // audio_format.frame_bytes * audio_format.frame_bytes]
        total += tally_of(audio_format, whole)
    assert total == tally_of(
        audio_format, b"".join(part[: len(part) // audio_format.frame_bytes * audio_format.frame_bytes] for part in parts)
    )


# ── as it lies there ────────────────────────────────────────────────────────────────────────────────

MONO = FORMATS[0]
A_MINUTE = loud_and_soft(5, [300, 9_000, 0, 40_000, 0, 3] * 30, MONO)


def begun(disk: SimulatedDisk, made: Recording, pcm: bytes, block: int = 40) -> LevelsFile:
    file = LevelsFile.create(disk, made.levels, MONO)
    for at in range(0, len(pcm), 2 * block):
        file.add(pcm[at : at + 2 * block], tally_of(MONO, pcm[at : at + 2 * block]))
        file.write_if_due()
    return file


def test_it_grows_ten_seconds_at_a_time_and_is_never_waited_for() -> None:
    with recording(A_MINUTE, MONO) as made:
        disk = SimulatedDisk(made.folder)
        file = begun(disk, made, A_MINUTE)
        assert [type(step) for step in disk.steps[1:]] == [Write] * 6
        lies = made.levels.read_bytes()
        assert readers.levels(made.wav).encode().startswith(lies)
        assert lies.count(b"\n") >= 1 + 61 - ROWS_AT_ONCE
        file.close()
        assert len(A_MINUTE) == 2 * (61 * 50 + 10)
        assert believable(made.levels, most=100) == (readers.levels(made.wav).encode().rpartition(b"61,")[0], 61)


def test_where_all_went_well_only_the_last_second_is_read_from_the_wav_again() -> None:
    with recording(A_MINUTE, MONO) as made:
        begun(SimulatedDisk(made.folder), made, A_MINUTE).close()
        expected = readers.levels(made.wav)
        with made.wav.open("r+b") as wav:
            wav.seek(HEADER_BYTES)
            wav.write(luck(1).randbytes(61 * 50 * 2))
        complete(SimulatedDisk(made.folder), made, MONO, len(A_MINUTE) // 2)
        assert levels(made) == expected, "what was counted while it was recorded stands"


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), told=st.integers(0, len(A_MINUTE) // 2), heard=st.integers(0, len(A_MINUTE) // 2))
def test_killed_or_without_power_at_any_instant_it_is_completed_to_what_the_wav_says(seed: int, told: int, heard: int) -> None:
    """`heard` frames are in the WAV that is left, `told` were given to the file: either may be ahead."""
    with recording(A_MINUTE[: 2 * heard], MONO) as made, tempfile.TemporaryDirectory(prefix="recorder-") as found:
        disk = SimulatedDisk(made.folder)
        begun(disk, made, A_MINUTE[: 2 * told]).close()
        left = Recording("k7qm", Path(found))
        by = luck(seed)
        instant = by.randint(0, len(disk.steps))
        if by.random() < 0.5:
            disk.after_power_cut(instant, left.folder, by)
        else:
            torn = disk.steps[instant] if instant < len(disk.steps) else None
            disk.after_kill(instant, left.folder, by.randint(0, len(torn.content)) if isinstance(torn, Write) else 0)
        (left.folder / "data").mkdir(exist_ok=True)
        left.wav.write_bytes(made.wav.read_bytes())
        complete(SimulatedDisk(left.folder), left, MONO, heard)
        assert levels(left) == readers.levels(made.wav)


@settings(max_examples=60, deadline=None)
@given(where=st.floats(0, 1), what=st.binary(max_size=40) | st.sampled_from([b"\n", b"0", b"7,-3.0,-1.0,0\n", b",", b"\r\n"]))
def test_what_lies_there_and_is_not_in_our_form_is_not_believed(where: float, what: bytes) -> None:
    with recording(A_MINUTE, MONO) as made:
        begun(SimulatedDisk(made.folder), made, A_MINUTE).close()
        lies = made.levels.read_bytes()
        at = int(where * len(lies))
        made.levels.write_bytes(lies[:at] + what + lies[at + len(what) :])
        content, rows = believable(made.levels, most=61)
        assert content.count(b"\n") == rows + 1
        assert content[: min(at, len(content))] == lies[: min(at, len(content))]
        for n, line in enumerate(content.decode("ascii").splitlines()[1:]):
            second, level_dbfs, peak_dbfs, clipped = line.split(",")
            assert (second, clipped) == (str(n), str(int(clipped)))
            assert all(db == "" or f"{float(db):.1f}" == db for db in (level_dbfs, peak_dbfs))


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("reached", [0, 30])
@pytest.mark.parametrize("broken", range(8))
def test_a_disk_that_refuses_it_costs_only_that_the_seal_counts_again(error: int, reached: int, broken: int) -> None:
    with recording(A_MINUTE, MONO) as made:
        disk = SimulatedDisk(made.folder)
        disk.fault = failing({broken}, error, reached)
        begun(disk, made, A_MINUTE).close()
        assert not disk._open, "it is closed in any case"
        complete(SimulatedDisk(made.folder), made, MONO, len(A_MINUTE) // 2)
        assert levels(made) == readers.levels(made.wav)


def test_a_completion_that_the_disk_refuses_is_an_error_and_the_next_one_goes_well() -> None:
    with recording(A_MINUTE, MONO) as made:
        trial = SimulatedDisk(made.folder)
        complete(trial, made, MONO, len(A_MINUTE) // 2)
        for broken in range(len(trial.steps)):
            made.levels.write_bytes(b"torn")
            disk = SimulatedDisk(made.folder)
            disk.fault = failing({broken})
            with pytest.raises(OSError, match="fault"):
                complete(disk, made, MONO, len(A_MINUTE) // 2)
            complete(disk, made, MONO, len(A_MINUTE) // 2)
            assert levels(made) == readers.levels(made.wav)


def test_a_completed_file_is_durable_whatever_was_synced_before() -> None:
    with recording(A_MINUTE, MONO) as made, tempfile.TemporaryDirectory(prefix="recorder-") as found:
        disk = SimulatedDisk(made.folder)
        begun(disk, made, A_MINUTE[: 2 * 60 * 50]).close()
        complete(disk, made, MONO, 60 * 50)
        disk.after_power_cut(len(disk.steps), Path(found), None)
        assert (Path(found) / "data/levels.csv").read_bytes() == made.levels.read_bytes()


# ── as the recorder writes it ───────────────────────────────────────────────────────────────────────


def meeting_with_everything(folder: Path, seed: int) -> Room:
    """Half a minute and more: pauses, a ring that was full for a while, frames lost in the driver, a microphone out and in again."""
    chance = luck(seed)
    room = Room(folder, audio_format=PcmFormat(1_000, chance.choice((16, 24)), chance.choice((1, 2))))
    lost = 20 * SECOND + chance.randrange(SECOND)
    back = lost + chance.randrange(3 * SECOND, 6 * SECOND)
    ears = room.microphone(0, lost, blocks=[chance.randint(1, 300) for _ in range(4)] + [BLOCK], late=[0, 30 * MS])
    room.when(lost, ears.unplug)
    room.microphone(back, 60 * SECOND)
    room.begin(SECOND + chance.randrange(SECOND))
    room.when(8 * SECOND, lambda: setattr(ears, "slots", 0))
    room.when(8 * SECOND + chance.randrange(2 * SECOND), lambda: setattr(ears, "slots", 600))
    room.pause(12 * SECOND + chance.randrange(SECOND))
    room.resume(14 * SECOND + chance.randrange(SECOND))
    room.when(17 * SECOND, lambda: ears.miss(chance.randrange(400)))
    room.stop(35 * SECOND + chance.randrange(5 * SECOND))
    return room


@pytest.mark.parametrize("seed", range(8))
def test_rule_5_through_pauses_gaps_and_a_lost_microphone_every_second_is_what_the_wav_says(seed: int, tmp_path: Path) -> None:
    room = meeting_with_everything(tmp_path, seed)
    room.run(60 * SECOND)
    assert room.lines("gap")
    assert len(room.lines("paused")) == 1
    whole_seconds = readers.frames_heard(room.made.wav) // 1_000
    assert whole_seconds > 30
    expected = readers.levels(room.made.wav)
    assert levels(room.made) == "".join(expected.splitlines(keepends=True)[: 1 + whole_seconds]), (
        "nothing is left but the last second"
    )
    seal(room.disk, room.clock, room.made)
    assert levels(room.made) == readers.levels(room.made.wav) == expected


@pytest.mark.parametrize("seed", range(20))
def test_killed_or_without_power_in_a_long_meeting_the_start_completes_it(seed: int, tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "after").mkdir()
    room = meeting_with_everything(tmp_path / "before", seed)
    room.run(60 * SECOND)
    by = luck(seed)
    instant = by.randrange(len(room.simulated.steps) // 3, len(room.simulated.steps))
    cut = bool(seed % 2)
    if cut:
        room.simulated.after_power_cut(instant, tmp_path / "after", by)
    else:
        room.simulated.after_kill(instant, tmp_path / "after")
    (left,) = Store(SimulatedDisk(tmp_path), tmp_path / "after").all()
    if not cut:  # what a kill leaves is believed
        in_memory, longest_gap = ROWS_AT_ONCE, 8
        assert believable(left.levels, most=1_000)[1] >= whole_frames(left.wav, room.format) // 1_000 - in_memory - longest_gap
    clock = RoomClock("another-boot") if cut else room.clock
    disk = SimulatedDisk(tmp_path / "after")
    assert mend(disk, clock, left) > 1_000
    seal(disk, clock, left)
    assert levels(left) == readers.levels(left.wav)
    manifest = (left.folder / "manifest-sha256.txt").read_text()
    assert f"{hashlib.sha256(left.levels.read_bytes()).hexdigest()}  data/levels.csv\n" in manifest


def test_a_disk_that_refuses_only_the_levels_is_nothing_that_the_recording_notices(tmp_path: Path) -> None:
    room = meeting_with_everything(tmp_path, 1)
    refused: list[int] = []

    def fault(number: int, step: Step) -> None:
        row = isinstance(step, Write) and step.content.startswith((HEADING, b"9,", b"10,", b"19,", b"20,"))
        if row or (isinstance(step, Create) and step.path.name == "levels.csv"):
            refused.append(number)
            raise OSError(errno.EIO, "a fault of the simulated disk")

    room.simulated.fault = fault
    room.run(60 * SECOND)
    assert refused
    assert room.reported(DiskIs) == []
    assert room.lines("disk-failed") == []
    room.simulated.fault = sound
    seal(room.disk, room.clock, room.made)
    assert levels(room.made) == readers.levels(room.made.wav)


def test_a_disk_that_fails_for_a_while_costs_the_levels_nothing(tmp_path: Path) -> None:
    room = meeting_with_everything(tmp_path, 3)

    def fault(number: int, step: Step) -> None:
        if isinstance(step, Write | Sync) and 9 * SECOND < room.clock.now < 14 * SECOND:
            raise OSError(errno.ENOSPC, "a fault of the simulated disk")

    room.simulated.fault = fault
    room.run(60 * SECOND)
    room.simulated.fault = sound
    assert room.lines("disk-failed")
    seal(room.disk, room.clock, room.made)
    assert levels(room.made) == readers.levels(room.made.wav)


def test_a_recording_without_a_frame_is_removed_with_its_levels(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.microphone(0, 10 * SECOND)
    room.begin(20 * SECOND)
    room.run(21 * SECOND)
    assert room.made.levels.exists()
    assert mend(room.disk, RoomClock("another-boot"), room.made) == 0
    room.store.discard(room.made)
    assert not room.made.folder.exists()


def test_no_sample_is_looked_at_twice_for_the_meter_and_for_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted is what the microphone gave, and the parts of blocks that a second or a switch cuts, at most once more."""
    counted: list[int] = []

    def counting(audio_format: PcmFormat, pcm: bytes | memoryview) -> array.array[int]:
        counted.append(len(pcm) // audio_format.frame_bytes)
        return upper_16(audio_format, pcm)

    monkeypatch.setattr(level, "upper_16", counting)
    room = Room(tmp_path)
    room.microphone(10 * MS, 32 * SECOND)
    room.begin(SECOND)
    room.stop(31 * SECOND)
    room.run(40 * SECOND)
    given, cut = 32_000, 30 * BLOCK + 2 * BLOCK
    assert given - BLOCK <= sum(counted) <= given + cut
