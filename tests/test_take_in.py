"""R4, the other way round: a recording made on somebody's own phone is taken in as it came."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import bagit
import pytest

from appliance.agreement import Party
from appliance.clock import RealClock
from appliance.copies.bag import is_whole
from appliance.disk import RealDisk
from appliance.journal import check
from appliance.papers import Papers
from appliance.signing import load_or_make
from appliance.store import Recording, Store
from appliance.take_in import Origin, TakeInError, TakenIn, forget_half_taken_in, is_taken_in, kind_of, pieces_of, take_in
from tests.copies.room import MirrorStarter, differences, sealed_recording, times
from tests.ui.translations import compile_translations

compile_translations()

SOUND = b"ftypM4A " + os.urandom(3_000_000)
LOCAL = datetime(2026, 11, 23, 14, 0, 30, tzinfo=timezone(timedelta(hours=1)))
ORIGIN = Origin("Opname 12.m4a", "MUZIEK (SanDisk, 32 GB)", Party.CLIENT, datetime(2026, 11, 23, 12, 0, tzinfo=UTC))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "recordings").mkdir()
    return Store(RealDisk(), tmp_path / "recordings")


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    path = tmp_path / "Opname 12.m4a"
    path.write_bytes(SOUND)
    return path


def taken(store: Store, content: Iterator[bytes], origin: Origin = ORIGIN, **more: object) -> TakenIn:
    settings: dict[str, object] = {"agreement": "Wij bewaren deze opname samen.", "language": "nl", "local": LOCAL, **more}
    return take_in(store, RealClock(), content, origin, **settings)  # type: ignore[arg-type]


def test_r4_what_somebody_brought_becomes_a_recording_as_it_came(store: Store, brought: Path) -> None:
    got = taken(store, pieces_of(brought))
    folder = got.recording.folder
    assert (folder / "data/ontvangen.m4a").read_bytes() == SOUND
    assert got.sha256 == hashlib.sha256(SOUND).hexdigest()
    assert (got.bytes, got.file) == (len(SOUND), "data/ontvangen.m4a")
    assert folder.name == f"2026-11-23 14.00 gesprek {got.recording.id}"
    assert store.all() == [got.recording]
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "bag-info.txt",
        "bagit.txt",
        "data/agreement.txt",
        "data/herkomst.txt",
        "data/journal.jsonl",
        "data/ontvangen.m4a",
        "manifest-sha256.txt",
        "tagmanifest-sha256.txt",
    ]
    assert is_taken_in(got.recording)


def test_it_is_a_bag_for_other_peoples_tools_too(store: Store, brought: Path) -> None:
    folder = taken(store, pieces_of(brought)).recording.folder
    assert is_whole(folder)
    assert bagit.Bag(str(folder)).is_valid()
    checked = subprocess.run(["sha256sum", "-c", "manifest-sha256.txt"], cwd=folder, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_its_journal_tells_where_it_came_from_and_is_chained(store: Store, brought: Path) -> None:
    got = taken(store, pieces_of(brought))
    checked = check(got.recording.journal.read_bytes())
    assert checked.broken is None
    first, last = checked.entries
    assert (first["event"], last["event"]) == ("taken-in", "sealed")
    assert first["sha256"] == last["sha256"] == got.sha256
    assert (first["name"], first["stick"], first["party"]) == ("Opname 12.m4a", "MUZIEK (SanDisk, 32 GB)", "client")
    assert first["modified"] == "2026-11-23T12:00:00.000Z"
    agreement = (got.recording.folder / "data/agreement.txt").read_bytes()
    assert agreement == b"Wij bewaren deze opname samen.\n"
    assert first["wording"] == hashlib.sha256(agreement).hexdigest()


@pytest.mark.parametrize("language", ["nl", "en"])
def test_its_origin_is_told_in_words_with_what_this_device_cannot_know(store: Store, brought: Path, language: str) -> None:
    got = taken(store, pieces_of(brought), language=language)
    said = (got.recording.folder / "data/herkomst.txt").read_text(encoding="utf-8")
    print(said)
    for part in ("Opname 12.m4a", "MUZIEK (SanDisk, 32 GB)", str(len(SOUND)), got.sha256, "2026-11-23T12:00:00.000Z"):
        assert part in said
    assert {"nl": "kan dit apparaat niet weten", "en": "this device cannot know"}[language] in said


def test_without_a_clock_it_has_no_date_and_no_time_of_the_stick_is_made_up(store: Store, brought: Path) -> None:
    got = taken(store, pieces_of(brought), Origin("a.mp3", "USB", Party.PROFESSIONAL), local=None)
    assert got.recording.folder.name == f"zonder datum gesprek {got.recording.id}"
    assert "niet bekend" in (got.recording.folder / "data/herkomst.txt").read_text(encoding="utf-8")


def test_it_is_signed_like_any_other(store: Store, brought: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    key = load_or_make(RealDisk(), tmp_path / "state")
    folder = taken(store, pieces_of(brought), papers=Papers(key)).recording.folder
    signed = ["ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", "meeting-recorder", "-n", "meeting-recorder"]
    with (folder / "tagmanifest-sha256.txt").open("rb") as manifest:
        checked = subprocess.run(
            [*signed, "-s", "tagmanifest-sha256.txt.sig"], cwd=folder, stdin=manifest, capture_output=True, check=False
        )
    assert checked.returncode == 0, checked.stderr


def test_the_other_party_gets_an_equal_copy(store: Store, brought: Path, tmp_path: Path) -> None:
    folder = taken(store, pieces_of(brought)).recording.folder
    stick, locks = tmp_path / "stick", tmp_path / "locks"
    stick.mkdir()
    locks.mkdir()
    mirrors = MirrorStarter(locks)
    mirror = mirrors.of(folder, stick)
    mirror.seal()
    assert mirror.outcome()["is"] == "verified"
    assert not differences(folder, stick / folder.name)
    assert times(folder) == times(stick / folder.name)
    mirrors.end_all()


@pytest.mark.parametrize(
    ("name", "kind"), [("a.m4a", "m4a"), ("Nieuwe opname 3.MP3", "mp3"), ("x.y.ogg", "ogg"), ("b.WAV", "wav"), ("c.opus", "opus")]
)
def test_phones_call_their_recordings_so(name: str, kind: str) -> None:
    assert kind_of(name) == kind


@pytest.mark.parametrize("name", ["a.exe", "vakantie.jpg", "opname", ".m4a", "a.m4a.lnk", "\x1b[31m.sh"])
def test_what_does_not_look_like_a_recording_is_not_taken_in(store: Store, brought: Path, name: str) -> None:
    with pytest.raises(TakeInError, match="does not look like") as refused:
        taken(store, pieces_of(brought), Origin(name, "USB", Party.CLIENT))
    assert refused.value.why == "kind"
    assert str(refused.value).isprintable()
    assert list(store.folder.iterdir()) == []


def test_an_empty_file_is_not_taken_in(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.m4a").touch()
    with pytest.raises(TakeInError, match="nothing in this file"):
        taken(store, pieces_of(tmp_path / "a.m4a"))
    assert list(store.folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "device", "nothing"])
def test_only_a_regular_file_is_read(tmp_path: Path, brought: Path, kind: str) -> None:
    path = tmp_path / "a.m4a"
    match kind:
        case "link":
            path.symlink_to(brought)
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device":
            os.mknod(path, 0o20666, os.makedev(1, 5))
        case _:
            pass
    with pytest.raises(TakeInError, match=r"is not a file|cannot be opened"):
        next(pieces_of(path))


def test_a_hostile_name_is_harmless_in_everything_that_is_written(store: Store, brought: Path) -> None:
    origin = Origin("\u202e\x1b]0;x\x07<b>[red]{sha256}\n../../etc/passwd.m4a", "\x1b[2J{name}", Party.CLIENT)
    folder = taken(store, pieces_of(brought), origin).recording.folder
    for name in ("data/herkomst.txt", "data/journal.jsonl", "bag-info.txt"):
        text = (folder / name).read_text(encoding="utf-8")
        assert all(letter.isprintable() or letter == "\n" for letter in text), name
        assert "<b>" not in text
    assert (folder / "data/ontvangen.m4a").read_bytes() == SOUND


class FailingDisk(RealDisk):
    """Fails at its nth operation, and at every one after that: as after a kill."""

    def __init__(self, at: int) -> None:
        self.left = at

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(28, "No space left on device")

    def create(self, path: Path) -> int:
        self._step()
        return super().create(path)

    def write_at(self, fd: int, content: bytes | bytearray | memoryview, offset: int) -> None:
        self._step()
        super().write_at(fd, content, offset)

    def sync(self, fd: int) -> None:
        self._step()
        super().sync(fd)

    def rename(self, old: Path, new: Path) -> None:
        self._step()
        super().rename(old, new)

    def make_folder(self, path: Path) -> None:
        self._step()
        super().make_folder(path)


def test_full_or_failing_at_any_step_it_leaves_no_recording_and_nothing_half(tmp_path: Path, brought: Path) -> None:
    steps = 0
    for at in range(200):
        folder = tmp_path / f"recordings {at}"
        folder.mkdir()
        store = Store(FailingDisk(at), folder)
        try:
            taken(store, pieces_of(brought))
        except OSError:
            steps += 1
            assert store.all() == []
            assert list(folder.iterdir()) == []
        else:
            break
    assert steps > 20


def test_what_a_kill_leaves_is_no_recording_and_the_next_start_removes_it(
    store: Store, brought: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.take_in._remove", str)
    store.disk = FailingDisk(12)
    with pytest.raises(OSError, match="No space"):
        taken(store, pieces_of(brought))
    monkeypatch.undo()
    assert store.all() == []
    (left,) = store.folder.iterdir()
    made_here = Recording("k7qm", sealed_recording(store.folder))
    assert forget_half_taken_in(store) == (left.name.removeprefix("take-in "),)
    assert store.all() == [made_here]
    assert not is_taken_in(made_here)
    assert forget_half_taken_in(store) == ()
