"""What a sealed copy holds beside the sound: the same in whatever way the seal came about."""

from __future__ import annotations

import errno
import hashlib
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.copies.names import ALLOWED_SIGNERS, NOTE, PAGE, SIGNATURES, TAG_MANIFEST
from appliance.copies.verify import verify
from appliance.disk import Disk, RealDisk
from appliance.papers import Papers
from appliance.sealing import Seal, seal
from appliance.signing import signer_of
from appliance.store import Recording
from tests import tamper
from tests.audio.simulated_room import SECOND, RoomClock
from tests.disks import SimulatedDisk, failing

CLOCK = RoomClock()
CLOCK.now = 100 * SECOND


def unsealed(place: Path, *, interrupted: bool = False) -> Recording:
    """A recording of two seconds that has its end in its journal, and no seal."""
    dictation = tamper.Dictation(place / tamper.NAME)
    dictation.say(tamper.noise(48_000, 1))
    dictation.say(tamper.noise(48_000, 2))
    if interrupted:
        dictation.line("interrupted", frame=96_000, boot="another", **dictation.now())
    else:
        dictation.line("stopped", frame=96_000, by="room", **dictation.now())
    dictation.wav.close()
    return Recording("k7qm", dictation.folder)


def sealed(recording: Recording, papers: Papers | None = tamper.PAPERS, disk: Disk | None = None) -> Seal:
    return seal(disk or RealDisk(), CLOCK, recording, papers)


def content_of(recording: Recording) -> dict[str, bytes]:
    return {str(p.relative_to(recording.folder)): p.read_bytes() for p in recording.folder.rglob("*") if p.is_file()}


def test_a_sealed_recording_is_signed_and_has_its_page(tmp_path: Path) -> None:
    recording = unsealed(tmp_path)
    digest = sealed(recording).sha256
    content = content_of(recording)
    assert signer_of(content[SIGNATURES[0]], content[TAG_MANIFEST]) == tamper.KEY.public
    assert content[ALLOWED_SIGNERS].decode() == tamper.KEY.public.allowed_signer
    assert digest in content[PAGE].decode()
    assert "Bureau Voorbeeld" in content[PAGE].decode()
    assert NOTE not in content
    assert hashlib.sha256(content[PAGE]).hexdigest().encode() in content[TAG_MANIFEST]
    assert verify(recording.folder, keys={tamper.CARD}).verdict == "intact"


def test_of_an_interrupted_one_the_note_is_sealed_too_and_the_page_tells_of_it(tmp_path: Path) -> None:
    recording = unsealed(tmp_path, interrupted=True)
    sealed(recording)
    content = content_of(recording)
    assert b"MISGING" in content[NOTE]
    assert "NOTE.txt" in content[PAGE].decode()
    assert hashlib.sha256(content[NOTE]).hexdigest().encode() in content["manifest-sha256.txt"]
    assert f".{sum(name.startswith('data/') for name in content)}\n".encode() in content["bag-info.txt"]


def test_without_papers_it_is_sealed_all_the_same_and_not_called_intact(tmp_path: Path) -> None:
    recording = unsealed(tmp_path, interrupted=True)
    sealed(recording, None)
    content = content_of(recording)
    assert NOTE in content
    assert not {PAGE, ALLOWED_SIGNERS, *SIGNATURES} & set(content)
    assert verify(recording.folder).verdict == "unknown"


@pytest.mark.parametrize("interrupted", [False, True])
def test_killed_at_any_instant_of_the_seal_it_ends_in_the_same_bytes(interrupted: bool, tmp_path: Path) -> None:
    disk = SimulatedDisk(tmp_path / "disk")
    disk.root.mkdir()
    whole = unsealed(disk.root, interrupted=interrupted)
    sealed(whole, disk=disk)
    expected = content_of(whole)
    assert len(disk.steps) > 50
    for instant in range(len(disk.steps)):
        place = tmp_path / f"after {instant}"
        place.mkdir()
        recording = unsealed(place, interrupted=interrupted)
        with suppress(OSError):  # a few steps are not needed for the seal, and their failing is passed over
            sealed(recording, disk=SimulatedDisk(place, failing({instant}, errno.EIO)))
        sealed(recording)
        assert content_of(recording) == expected, instant


def test_a_seal_that_is_repeated_with_another_key_changes_nothing(tmp_path: Path) -> None:
    """After `key new`, a start looks at every recording again: what is whole keeps the signature that it has."""
    recording = unsealed(tmp_path)
    sealed(recording)
    before = content_of(recording)
    sealed(recording, Papers(tamper.SOMEBODYS_KEY))
    assert content_of(recording) == before


def test_a_seal_that_was_cut_off_and_goes_on_with_another_key_is_of_one_piece(tmp_path: Path) -> None:
    disk = SimulatedDisk(tmp_path / "disk")
    disk.root.mkdir()
    sealed(unsealed(disk.root), disk=disk)
    steps = len(disk.steps)
    for instant in range(steps - 30, steps):
        place = tmp_path / f"{instant}"
        place.mkdir()
        recording = unsealed(place)
        with pytest.raises(OSError, match="a fault"):
            sealed(recording, disk=SimulatedDisk(place, failing({instant}, errno.EIO)))
        sealed(recording, Papers(tamper.SOMEBODYS_KEY))
        verdict = verify(recording.folder)
        assert (verdict.verdict, verdict.signature.state) == ("intact", "good"), instant
