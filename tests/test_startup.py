"""What a start finds on the disk, and where the room goes on."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import bagit
import pytest

from appliance.disk import RealDisk
from appliance.journal import Value, check
from appliance.meeting import State
from appliance.register import Register
from appliance.sealing import seal
from appliance.startup import Found, look_around
from appliance.store import JournalFile, Recording, Store
from tests.audio.simulated_room import MS, SECOND, Room, RoomClock
from tests.disks import luck

NOW: dict[str, Value] = {"wall": "2026-11-23T13:00:00.000Z", "mono_us": 7, "trust": "ntp"}


@dataclass
class Appliance:
    """A folder with recordings and a register, before a start."""

    root: Path
    disk: RealDisk = field(default_factory=RealDisk)
    clock: RoomClock = field(default_factory=lambda: RoomClock("another-boot"))

    def __post_init__(self) -> None:
        self.recordings.mkdir()
        self.register = Register.open(self.disk, self.root / "register.jsonl")
        self.store = Store(self.disk, self.recordings)

    @property
    def recordings(self) -> Path:
        return self.root / "recordings"

    def recorded(
        self, recording_id: str, *, stopped: bool = True, seconds: float = 1.5, part_of: tuple[str, ...] = ()
    ) -> Recording:
        """Stopped, or interrupted in its midst."""
        table = Room(self.recordings, disk=self.disk)
        table.microphone(0, 12 * SECOND)
        table.begin(2 * SECOND, recording_id=recording_id, part_of=part_of)
        until = 2 * SECOND + int(seconds * SECOND)
        if stopped:
            table.stop(until)
        table.run(until + (SECOND if stopped else 10 * MS))
        self.register.add("begun", {"id": recording_id, "folder": recording_id, **NOW})
        return table.made

    def handed_over(self, recording: Recording) -> None:
        self.register.add("handed-over", {"id": recording.id, **NOW})

    def start(self) -> Found | None:
        self.register.close()
        self.register = Register.open(self.disk, self.root / "register.jsonl")
        return look_around(self.store, self.register, self.disk, self.clock)

    def registered(self, event: str) -> list[object]:
        entries = check((self.root / "register.jsonl").read_bytes()).entries
        return [entry.get("id") for entry in entries if entry["event"] == event]


@pytest.fixture
def appliance(tmp_path: Path) -> Appliance:
    return Appliance(tmp_path)


@contextmanager
def another() -> Iterator[Appliance]:
    with tempfile.TemporaryDirectory(prefix="recorder-") as folder:
        yield Appliance(Path(folder))


def test_an_appliance_with_nothing_on_it_finds_idle(appliance: Appliance) -> None:
    assert appliance.start() is None


def test_an_interrupted_recording_goes_on_at_its_seal(appliance: Appliance) -> None:
    recording = appliance.recorded("aaaa", stopped=False)
    assert appliance.start() == Found(State.SEALING, recording, None, ())
    sealed = seal(appliance.disk, appliance.clock, recording)
    assert sealed.interrupted
    assert sealed.frames >= 1_300
    found = appliance.start()
    assert found == Found(State.COPYING, recording, sealed, ())
    assert appliance.registered("sealed") == ["aaaa"]
    appliance.start()
    assert appliance.registered("sealed") == ["aaaa"], "once"


def test_one_that_was_stopped_and_not_sealed_is_not_interrupted(appliance: Appliance) -> None:
    recording = appliance.recorded("aaaa")
    assert appliance.start() == Found(State.SEALING, recording, None, ())
    assert not seal(appliance.disk, appliance.clock, recording).interrupted


def test_one_that_was_handed_over_is_past(appliance: Appliance) -> None:
    recording = appliance.recorded("aaaa")
    seal(appliance.disk, appliance.clock, recording)
    appliance.handed_over(recording)
    assert appliance.start() is None


def test_the_newest_one_goes_on_and_older_ones_are_sealed_whatever_they_are_called(appliance: Appliance) -> None:
    """By the register's order: a clock that was years ahead made the first one's name the last by the alphabet."""
    older = [appliance.recorded("zzzz", stopped=False), appliance.recorded("mmmm")]
    newest = appliance.recorded("aaaa", stopped=False)
    found = appliance.start()
    assert found is not None
    assert (found.state, found.recording) == (State.SEALING, newest)
    for recording in older:
        bagit.Bag(str(recording.folder)).validate()
    assert not newest.is_bagged
    assert appliance.registered("sealed") == ["zzzz", "mmmm"]


def test_a_second_part_names_the_first(appliance: Appliance) -> None:
    first = appliance.recorded("aaaa", stopped=False)
    appliance.start()
    seal(appliance.disk, appliance.clock, first)
    second = appliance.recorded("bbbb", stopped=False, part_of=("aaaa",))
    assert appliance.start() == Found(State.SEALING, second, None, ("aaaa",))
    sealed = seal(appliance.disk, appliance.clock, second)
    assert appliance.start() == Found(State.COPYING, second, sealed, ("aaaa",))


def test_one_without_a_frame_is_removed_and_registered_and_the_one_before_it_goes_on(appliance: Appliance) -> None:
    first = appliance.recorded("aaaa", stopped=False)
    appliance.recorded("bbbb", stopped=False, seconds=0.0)
    (appliance.recordings / "2026-11-23 14.00 gesprek cccc").mkdir()
    found = appliance.start()
    assert found is not None
    assert found.recording == first
    assert [path.name[-4:] for path in appliance.recordings.iterdir()] == ["aaaa"]
    assert sorted(str(one) for one in appliance.registered("removed")) == ["bbbb", "cccc"]


def broken_beginning(recording: Recording) -> None:
    content = bytearray(recording.journal.read_bytes())
    content[3] ^= 1
    recording.journal.write_bytes(content)


def lost_journal(recording: Recording) -> None:
    recording.journal.unlink()


def noise(recording: Recording) -> None:
    recording.wav.write_bytes(luck(1).randbytes(recording.wav.stat().st_size))


def strange_lines(recording: Recording) -> None:
    recording.journal.unlink()
    journal = JournalFile.create(RealDisk(), recording.journal)
    journal.append("started", {"frame": 0})
    journal.append("stopped", {})
    journal.sync()
    journal.close()


def beginning_without_a_boot(recording: Recording) -> None:
    recording.journal.unlink()
    journal = JournalFile.create(RealDisk(), recording.journal)
    journal.append("started", {"frame": 0, "rate": 1_000, "bits": 16, "channels": 1})
    journal.sync()
    journal.close()


@pytest.mark.parametrize(
    "damage", [broken_beginning, lost_journal, noise, strange_lines, beginning_without_a_boot], ids=lambda damage: damage.__name__
)
def test_one_that_was_damaged_is_left_as_it_is_and_the_others_go_on(damage: object, appliance: Appliance) -> None:
    good = appliance.recorded("aaaa")
    bad = appliance.recorded("bbbb", stopped=False)
    damage(bad)  # type: ignore[operator]
    lies = {path: path.read_bytes() for path in bad.folder.rglob("*.*") if path.is_file()}
    found = appliance.start()
    assert found is not None
    assert found.recording == good
    assert {path: path.read_bytes() for path in bad.folder.rglob("*.*") if path.is_file()} == lies


class Full(RealDisk):
    """Nothing more can be written."""

    def write_at(self, *what: object) -> None:
        raise OSError(errno.ENOSPC, f"no space left for {what}")


class Unreadable(RealDisk):
    """What is there cannot be opened any more."""

    def open(self, path: Path) -> int:
        if "recordings" in path.parts:
            raise OSError(errno.EIO, "a broken sector")
        return super().open(path)


@pytest.mark.parametrize("disk", [Full(), Unreadable()], ids=lambda disk: type(disk).__name__)
def test_a_disk_that_takes_nothing_does_not_keep_the_room_from_a_start_and_the_next_one_mends_it(
    disk: RealDisk, appliance: Appliance
) -> None:
    recording = appliance.recorded("aaaa", stopped=False)
    sound = recording.wav.read_bytes()
    assert look_around(appliance.store, appliance.register, disk, appliance.clock) is None
    assert recording.wav.read_bytes() == sound
    assert appliance.start() == Found(State.SEALING, recording, None, ())


def test_a_sealed_one_that_was_damaged_does_not_keep_the_room_from_a_start(appliance: Appliance) -> None:
    good, bad = appliance.recorded("aaaa"), appliance.recorded("bbbb")
    for recording in (good, bad):
        seal(appliance.disk, appliance.clock, recording)
    bad.journal.chmod(0o644)
    bad.journal.write_bytes(b"x" * 100_000)
    found = appliance.start()
    assert found is not None
    assert found.recording == good


def test_one_without_sound_with_something_of_somebody_else_in_it_does_not_keep_the_room_from_a_start(
    appliance: Appliance,
) -> None:
    bad = appliance.recorded("bbbb", stopped=False, seconds=0.0)
    (bad.folder / "vakantie.jpg").write_bytes(b"a beach")
    assert appliance.start() is None
    assert (bad.folder / "vakantie.jpg").read_bytes() == b"a beach"
