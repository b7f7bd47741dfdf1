from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import bagit
import pytest

from appliance.copies.bag import BagError, even_second, file_names, is_whole, write_bag
from appliance.copies.names import WAV, in_order
from appliance.disk import RealDisk
from tests.copies.room import ABOUT, SEALED_AT
from tests.disks import SimulatedDisk, failing, luck

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.disk import Disk

EXTRAS = {"LEESMIJ.html": b"<p>lees mij", "allowed_signers": b"meeting-recorder ssh-ed25519 AAAA\n"}
PAYLOAD = {"gesprek.wav": b"RIFF" * 500, "journal.jsonl": b'{"n":0}\n', "agreement.txt": b"samen\n"}


def unsealed(place: Path) -> Path:
    folder = place / "een gesprek"
    (folder / "data").mkdir(parents=True)
    for name, content in PAYLOAD.items():
        (folder / "data" / name).write_bytes(content)
    for name, content in EXTRAS.items():
        (folder / name).write_bytes(content)
    return folder


def seal(folder: Path, disk: Disk | None = None) -> None:
    write_bag(disk or RealDisk(), folder, known={}, about=ABOUT, sealed_at=SEALED_AT)


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_other_peoples_tools_find_the_bag_valid(tmp_path: Path) -> None:
    folder = unsealed(tmp_path)
    seal(folder)
    assert bagit.Bag(str(folder)).validate()
    judged = subprocess.run([sys.executable, "-m", "bagit", "--validate", folder], capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stderr
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        subprocess.run(["sha256sum", "--strict", "-c", manifest], cwd=folder, check=True, capture_output=True)


def test_a_byte_changed_in_any_file_makes_the_bag_invalid(tmp_path: Path) -> None:
    folder = unsealed(tmp_path)
    seal(folder)
    for name in set(file_names(folder)) - {"tagmanifest-sha256.txt"}:  # whose digest stands for all the others
        path = folder / name
        whole = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(bagit.BagError):
            bagit.Bag(str(folder)).validate()
        path.write_bytes(whole)


def test_it_says_what_it_is_in_plain_lines(tmp_path: Path) -> None:
    folder = unsealed(tmp_path)
    seal(folder)
    said = (folder / "bag-info.txt").read_text(encoding="utf-8").splitlines()
    octets = sum(map(len, PAYLOAD.values()))
    assert said == [
        *(f"{label}: {value}" for label, value in ABOUT.items()),
        "Bagging-Date: 2026-11-23",
        f"Payload-Oxum: {octets}.3",
    ]


def test_the_tag_manifest_speaks_for_every_file_but_its_own_signature(tmp_path: Path) -> None:
    folder = unsealed(tmp_path)
    (folder / "tagmanifest-sha256.txt.sig").write_bytes(b"of before")
    seal(folder)
    (folder / "tagmanifest-sha256.txt.tsq").write_bytes(b"of after")
    listed = {line.split("  ")[1] for line in (folder / "tagmanifest-sha256.txt").read_text().splitlines()}
    assert listed == {*EXTRAS, "bag-info.txt", "bagit.txt", "manifest-sha256.txt"}
    assert bagit.Bag(str(folder)).validate()


def test_what_is_known_is_not_read_again(tmp_path: Path) -> None:
    folder = unsealed(tmp_path)
    write_bag(RealDisk(), folder, known={WAV: "ab" * 32}, about=ABOUT, sealed_at=SEALED_AT)
    assert f"{'ab' * 32}  {WAV}" in (folder / "manifest-sha256.txt").read_text().splitlines()


def test_everything_is_read_only_and_of_the_even_second_of_the_seal(tmp_path: Path) -> None:
    folder = unsealed(tmp_path)
    seal(folder)
    assert even_second(SEALED_AT) % 2 == 0
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mtime_ns == even_second(SEALED_AT) * 10**9, path
        assert path.is_dir() or path.stat().st_mode & 0o777 == 0o444, path


def test_a_whole_bag_is_left_untouched(tmp_path: Path) -> None:
    folder = unsealed(tmp_path)
    seal(folder)
    before = {path: path.stat() for path in (folder, *folder.rglob("*"))}
    seal(folder)
    for path, then in before.items():
        now = path.stat()
        assert (now.st_ino, now.st_mtime_ns, now.st_ctime_ns) == (then.st_ino, then.st_mtime_ns, then.st_ctime_ns), path


def test_killed_at_any_instant_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    disk = SimulatedDisk(tmp_path / "disk")
    disk.root.mkdir()
    seal(unsealed(disk.root), disk)
    expected = content_of(disk.root / "een gesprek")
    for instant in range(len(disk.steps) + 1):
        left = tmp_path / f"after {instant}"
        left.mkdir()
        folder = unsealed(left)
        again = SimulatedDisk(left, failing({instant}, errno.EIO))
        try:
            seal(folder, again)
        except OSError:
            assert not is_whole(folder) or instant >= len(disk.steps) - 1
        seal(folder)
        assert content_of(folder) == expected, instant
        assert is_whole(folder)


def test_after_a_power_cut_a_whole_bag_is_whole_indeed(tmp_path: Path) -> None:
    disk = SimulatedDisk(tmp_path / "disk")
    disk.root.mkdir()
    empty = disk.root / "een gesprek"
    (empty / "data").mkdir(parents=True)
    for name, content in PAYLOAD.items():
        fd = disk.create(empty / "data" / name)
        disk.write_at(fd, content, 0)
        disk.close(fd)
    seal(empty, disk)
    expected = content_of(empty)
    whole = 0
    for instant in range(len(disk.steps) + 1):
        for seed in range(3):
            left = tmp_path / f"{instant} {seed}"
            left.mkdir()
            disk.after_power_cut(instant, left, luck(seed))
            folder = left / "een gesprek"
            if folder.is_dir() and is_whole(folder):
                whole += 1
                assert content_of(folder) == expected, (instant, seed)
    assert whole >= 3


def test_what_speaks_about_the_tag_manifest_is_made_of_its_bytes_and_before_bagit_txt(tmp_path: Path) -> None:
    disk = SimulatedDisk(tmp_path)
    folder = unsealed(tmp_path)
    seen: list[bytes] = []

    def signs(manifest: bytes) -> dict[str, bytes]:
        seen.append(manifest)
        return {".sig": b"signed", ".tsq": b"asked"}

    write_bag(disk, folder, known={}, about=ABOUT, sealed_at=SEALED_AT, beside={"data/NOTE.txt": b"note"}, signs=signs)
    named = [step.new.name for step in disk.steps if hasattr(step, "new")]
    assert named[:2] == ["NOTE.txt", "manifest-sha256.txt"]
    assert named[-4:] == ["tagmanifest-sha256.txt", "tagmanifest-sha256.txt.sig", "tagmanifest-sha256.txt.tsq", "bagit.txt"]
    assert seen == [(folder / "tagmanifest-sha256.txt").read_bytes()]
    assert (folder / "tagmanifest-sha256.txt.sig").read_bytes() == b"signed"
    assert "data/NOTE.txt" in (folder / "manifest-sha256.txt").read_text()
    assert bagit.Bag(str(folder)).validate()


def test_bagit_txt_is_the_last_name_that_appears(tmp_path: Path) -> None:
    disk = SimulatedDisk(tmp_path)
    folder = unsealed(tmp_path)
    seal(folder, disk)
    named = [step.new.name for step in disk.steps if hasattr(step, "new")]
    assert named == ["manifest-sha256.txt", "bag-info.txt", "tagmanifest-sha256.txt", "bagit.txt"]


def test_files_come_in_one_order_with_bagit_txt_last(tmp_path: Path) -> None:
    folder = unsealed(tmp_path)
    seal(folder)
    (folder / "tagmanifest-sha256.txt.sig").write_bytes(b"")
    assert file_names(folder) == [
        "data/agreement.txt",
        "data/gesprek.wav",
        "data/journal.jsonl",
        "LEESMIJ.html",
        "allowed_signers",
        "bag-info.txt",
        "manifest-sha256.txt",
        "tagmanifest-sha256.txt",
        "tagmanifest-sha256.txt.sig",
        "bagit.txt",
    ]
    assert in_order(set(file_names(folder))) == file_names(folder)


@pytest.mark.parametrize("strange", ["a link", "a fifo", "a folder"])
def test_anything_but_files_in_a_recordings_folder_is_refused(tmp_path: Path, strange: str) -> None:
    folder = unsealed(tmp_path)
    path = folder / "data" / "strange"
    match strange:
        case "a link":
            path.symlink_to("/etc/hostname")
        case "a fifo":
            os.mkfifo(path)
        case _:
            path.mkdir()
    with pytest.raises(BagError, match="strange is neither a file"):
        seal(folder)
    assert not is_whole(folder)


def test_wrong_arguments_are_refused_in_a_sentence(tmp_path: Path) -> None:
    folder = unsealed(tmp_path)
    with pytest.raises(BagError, match=r"data/other\.wav is not there"):
        write_bag(RealDisk(), folder, known={"data/other.wav": "00"}, about={}, sealed_at=SEALED_AT)
    for about in ({"Payload-Oxum": "1.1"}, {"A": "two\nlines"}, {"A: B": "c"}):
        with pytest.raises(BagError, match=r"bag-info\.txt cannot say"):
            write_bag(RealDisk(), folder, known={}, about=about, sealed_at=SEALED_AT)
    assert not is_whole(folder)
    (folder / "data" / "a\nb").write_bytes(b"")
    with pytest.raises(BagError, match="is no name for a file"):
        seal(folder)
