"""Sticks by the real UDisks2 of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from appliance.copies import udisks
from appliance.copies.copying import Copies, CopyState
from appliance.copies.plugged import plugged
from appliance.copies.sentences import refused_in_words
from appliance.copies.sticks import Stick, StickBusyError, StickCame, StickEvent, StickRefused, StickWent
from appliance.copies.udisks import Disks, UDisksSticks
from appliance.words import speak
from tests.copies.room import GrowingRecording, differences
from tests.copies.sockets import Sockets


@pytest.fixture
def sticks(sockets: Sockets) -> UDisksSticks:
    return UDisksSticks(address=sockets.address, loops=str(sockets.folder), also=frozenset({"ext4"}), again=0.1)


async def told(events: AsyncIterator[StickEvent]) -> StickEvent:
    return await asyncio.wait_for(anext(events), 10)


async def came(events: AsyncIterator[StickEvent]) -> Stick:
    event = await told(events)
    assert isinstance(event, StickCame), event
    return event.stick


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def said(*command: str | Path) -> tuple[int, bytes]:
    done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode, done.stdout


def is_mounted(device: str) -> bool:
    return subprocess.run(["findmnt", device], capture_output=True, check=False).returncode == 0


def mount_options(place: Path) -> set[str]:
    found = subprocess.run(["findmnt", "-no", "OPTIONS", place], capture_output=True, text=True, check=True).stdout
    return set(found.strip().split(","))


async def test_a_stick_is_mounted_so_that_nothing_on_it_can_be_run(sockets: Sockets, sticks: UDisksSticks) -> None:
    sockets.image("a", label="MUZIEK")
    sockets.plug("a")
    stick = await came(sticks.watch())
    assert stick.label == "MUZIEK"
    assert {"rw", "nosuid", "nodev", "noexec", "noatime"} <= mount_options(stick.path)


async def test_what_was_mounted_otherwise_is_mounted_anew_and_what_was_mounted_so_is_kept(
    sockets: Sockets, sticks: UDisksSticks
) -> None:
    sockets.image("a", label="MUZIEK")
    device = sockets.plug("a")
    place = Path("/media/somebody else's")
    place.mkdir(parents=True, exist_ok=True)
    run("mount", device, place)
    events = sticks.watch()
    stick = await came(events)
    assert stick.path != place
    assert {"nosuid", "nodev", "noexec"} <= mount_options(stick.path)
    await events.aclose()  # type: ignore[attr-defined]
    (stick.path / "kept").touch()
    with (stick.path / "kept").open():  # who has a file open keeps it from being unmounted
        assert (await came(sticks.watch())).path == stick.path
    place.rmdir()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda image: subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True), "file system"),
        (lambda image: subprocess.run(["mkfs.vfat", "-F", "16", image], check=True, capture_output=True), "file system"),
        (Path.touch, "empty"),
        (lambda image: image.write_bytes(b"LUKS\xba\xbe\0\1" + bytes(8 << 20)), "locked"),
    ],
    ids=["ext4", "FAT16", "never formatted", "LUKS"],
)
async def test_what_is_not_fit_is_refused_and_left_as_it_is(sockets: Sockets, make: Callable[[Path], object], why: str) -> None:
    before = sockets.image("a", make=make).read_bytes()
    device = sockets.plug("a")
    events = UDisksSticks(address=sockets.address, loops=str(sockets.folder)).watch()
    event = await told(events)
    assert isinstance(event, StickRefused)
    assert (event.why, str(event.stick.path)) == (why, device)
    assert not is_mounted(device)
    sockets.pull("a")
    assert await told(events) == StickWent(event.stick)
    assert (sockets.folder / "a.img").read_bytes() == before


@pytest.mark.parametrize(
    ("make", "unfit"),
    [
        (["mkfs.vfat", "-F", "32", "-n", "MUZIEK"], None),
        (["mkfs.exfat", "-L", "MUZIEK"], None),
        (["mkfs.vfat", "-F", "16", "-n", "MUZIEK"], "file system"),
    ],
    ids=["FAT32", "exFAT", "FAT16"],
)
async def test_fat32_and_exfat_are_fit_as_the_tools_of_today_make_them(
    sockets: Sockets, make: list[str], unfit: str | None
) -> None:
    sockets.image("a", size="40M", make=lambda image: subprocess.run([*make, image], check=True, capture_output=True))
    sockets.plug("a")
    changed = asyncio.Event()
    disks = Disks(changed.set)
    await disks.connect(sockets.address)
    async with asyncio.timeout(10):
        while not (found := [one for one in plugged(disks.objects, loops=str(sockets.folder)) if one.label == "MUZIEK"]):
            await changed.wait()
            changed.clear()
    assert [one.unfit for one in found] == [unfit]
    disks.close()


async def test_a_write_protected_stick_is_refused_before_the_meeting(sockets: Sockets, sticks: UDisksSticks) -> None:
    sockets.image("a", label="SLOT")
    sockets.plug("a", write_protected=True)
    event = await told(sticks.watch())
    assert isinstance(event, StickRefused)
    assert (event.why, event.stick.label) == ("readonly", "SLOT")
    print(refused_in_words(event, speak("nl")))


def debugfs(image: Path, *commands: str) -> str:
    command: list[str | Path] = ["debugfs", "-w", "-f", "-", image]
    return subprocess.run(command, input="\n".join(commands), capture_output=True, text=True, check=True).stdout


OLD = bytes(range(256)) * 8192
"""2 MB."""


@pytest.fixture
def cut_short(sockets: Sockets, tmp_path: Path) -> Path:
    """A stick that was switched off: its tables say that the place of the file `old` is free."""
    image = sockets.image("a", label="AFGEKAPT")
    (tmp_path / "old").write_bytes(OLD)
    listed = debugfs(image, f"write {tmp_path}/old old", "blocks old")
    blocks = listed.split("blocks old")[-1].split()
    debugfs(image, *(f"freeb {block}" for block in blocks if block.isdecimal()))
    return image


def fill(place: Path) -> None:
    with contextlib.suppress(OSError), (place / "new").open("wb") as new:
        while True:
            new.write(b"x" * 65536)
            new.flush()


async def test_a_stick_that_was_switched_off_is_repaired_before_a_new_file_gets_an_old_ones_place(
    sockets: Sockets, sticks: UDisksSticks, cut_short: Path
) -> None:
    sockets.plug("a")
    stick = await came(sticks.watch())
    fill(stick.path)
    assert (stick.path / "new").stat().st_size > 8 << 20
    run("umount", stick.path)
    assert said("debugfs", "-R", "cat old", cut_short) == (0, OLD)


def fat_that_was_cut_short(image: Path) -> None:
    """The file has a first cluster, which the table calls free: Linux writes the one before the other."""
    run("mkfs.vfat", "-F", "32", "-s", "1", "-n", "FAT", image)
    with image.open("r+b") as content:
        head = content.read(512)
        reserved, fats = int.from_bytes(head[14:16], "little"), head[16]
        root = (reserved + fats * int.from_bytes(head[36:40], "little")) * 512
        content.seek(root + 32)
        content.write(b"GESPREK WAV\x20" + bytes(14) + (9).to_bytes(2, "little") + (4096).to_bytes(4, "little"))


async def test_a_fat_is_repaired_as_udisks_does_it_and_what_it_says_of_it_is_not_relied_on(
    sockets: Sockets, sticks: UDisksSticks, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    image = sockets.image("a", size="40M", make=fat_that_was_cut_short)
    assert said("fsck.vfat", "-n", image)[0] == 1
    sockets.plug("a")
    print(await told(sticks.watch()))  # whether it can be mounted is this kernel's affair
    assert "(FAT) is repaired" in caplog.text
    sockets.pull("a")
    status, words = said("fsck.vfat", "-n", image)
    assert status == 0, words
    assert b"GESPREK WAV" in image.read_bytes()


async def test_a_stick_that_is_clean_is_not_repaired(sockets: Sockets, sticks: UDisksSticks) -> None:
    asked = instead_of_e2fsck(sockets, "")
    sockets.image("a", label="SCHOON")
    sockets.plug("a")
    assert (await came(sticks.watch())).label == "SCHOON"
    assert ["-n " in line for line in asked.read_text().splitlines()] == [True]


@pytest.mark.usefixtures("cut_short")
async def test_a_stick_that_cannot_be_repaired_is_refused(sockets: Sockets, sticks: UDisksSticks) -> None:
    instead_of_e2fsck(sockets, 'case "$*" in *"-n "*) ;; *) exit 4;; esac')
    sockets.plug("a")
    event = await told(sticks.watch())
    assert isinstance(event, StickRefused)
    assert (event.why, event.stick.label) == ("damaged", "AFGEKAPT")
    assert not is_mounted(sockets.device("a"))


@pytest.mark.usefixtures("cut_short")
async def test_a_repair_that_never_ends_is_not_waited_for_and_holds_up_no_other_stick(
    sockets: Sockets, sticks: UDisksSticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udisks, "REPAIR_WITHIN_SECONDS", 3.0)
    instead_of_e2fsck(sockets, 'case "$*" in *"-n "*) ;; *) exec sleep 30;; esac')
    sockets.image("b", label="SCHOON")
    for name in ("a", "b"):
        sockets.plug(name)
    events = sticks.watch()
    assert (await came(events)).label == "SCHOON"
    refused = await told(events)
    assert isinstance(refused, StickRefused)
    assert (refused.why, refused.stick.label) == ("damaged", "AFGEKAPT")


def instead_of_e2fsck(sockets: Sockets, does: str) -> Path:
    """What it is asked is written down before it `does` that; the rest is the real one's."""
    program, asked = sockets.programs / "e2fsck", sockets.folder / "asked"
    program.write_text(f'#!/bin/sh\necho "$*" >>{asked}\n{does}\nexec {shutil.which("e2fsck")} "$@"\n')
    program.chmod(0o755)
    return asked


def partitioned(image: Path) -> None:
    """Two file systems on one stick: 8 MB, and the rest."""
    subprocess.run(["sfdisk", "-q", image], input=b"2048,16384\n18432,\n", check=True)
    for label, start, size in (("KLEIN", 1, 8), ("GROOT", 9, 15)):
        part = image.with_name("part")
        subprocess.run(["truncate", "-s", f"{size}M", part], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-L", label, part], check=True)
        copy = ["dd", f"if={part}", f"of={image}", "bs=1M", f"seek={start}", "conv=notrunc", "status=none"]
        subprocess.run(copy, check=True)


async def test_two_partitions_on_one_stick_are_one_stick(sockets: Sockets, sticks: UDisksSticks) -> None:
    sockets.image("a", size="24M", make=partitioned)
    sockets.plug("a")
    events = sticks.watch()
    stick = await came(events)
    assert stick.label == "GROOT"
    sockets.pull("a")
    assert await told(events) == StickWent(stick)


async def test_a_stick_that_is_formatted_while_it_is_in_goes_and_comes(sockets: Sockets, sticks: UDisksSticks) -> None:
    sockets.image("a", make=Path.touch)
    device = sockets.plug("a")
    events = sticks.watch()
    refused = await told(events)
    assert isinstance(refused, StickRefused)
    run("mkfs.ext4", "-q", "-F", "-L", "NIEUW", device)
    run("udevadm", "trigger", "--action=change", device)  # of a disk that is no loop device udev notices by itself
    assert await told(events) == StickWent(refused.stick)
    assert (await came(events)).label == "NIEUW"


async def test_a_hub_that_drops_both_at_once_is_two_sticks_gone(sockets: Sockets, sticks: UDisksSticks) -> None:
    for name in ("a", "b"):
        sockets.image(name, label=name)
        sockets.plug(name)
    events = sticks.watch()
    both = {(await came(events)).key for _ in range(2)}
    for name in ("a", "b"):
        sockets.pull(name)
    gone = [await told(events) for _ in range(2)]
    assert {event.stick.key for event in gone if isinstance(event, StickWent)} == both
    for name in ("b", "a"):
        sockets.plug(name)
    assert {(await came(events)).key for _ in range(2)} == both


async def test_a_stick_put_back_faster_than_anybody_looks_is_told_as_gone_and_come(
    sockets: Sockets, sticks: UDisksSticks
) -> None:
    sockets.image("a", label="MUZIEK")
    sockets.plug("a")
    events = sticks.watch()
    stick = await came(events)
    sockets.pull("a")
    sockets.plug("a")
    assert await told(events) == StickWent(stick)
    assert (await came(events)).key == stick.key


async def test_two_sticks_that_say_they_are_the_same_have_a_key_each(sockets: Sockets, sticks: UDisksSticks) -> None:
    image = sockets.image("a", label="RECLAME")
    shutil.copyfile(image, sockets.folder / "b.img")
    for name in ("a", "b"):
        sockets.plug(name)
    events = sticks.watch()
    one, other = await came(events), await came(events)
    assert one.label == other.label
    assert one.key != other.key


async def test_a_stick_that_is_still_written_to_is_not_let_go(
    sockets: Sockets, sticks: UDisksSticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udisks, "BUSY_FOR_SECONDS", 0.3)
    sockets.image("a", label="MUZIEK")
    sockets.plug("a")
    events = sticks.watch()
    stick = await came(events)
    with (stick.path / "ours").open("wb"), pytest.raises(StickBusyError, match="MUZIEK"):
        await sticks.let_go(stick)
    assert stick.path.is_mount()
    await sticks.let_go(stick)
    assert not stick.path.is_mount()
    assert await told(events) == StickWent(stick)


async def test_two_who_mount_the_same_stick_at_once_both_see_it(sockets: Sockets, sticks: UDisksSticks) -> None:
    sockets.image("a", label="MUZIEK")
    sockets.plug("a")
    others = [
        UDisksSticks(address=sockets.address, loops=str(sockets.folder), also=frozenset({"ext4"})).watch() for _ in range(3)
    ]
    seen = await asyncio.gather(*(came(events) for events in (sticks.watch(), *others)))
    assert len({stick.path for stick in seen}) == 1


async def test_a_stick_that_somebody_else_unmounts_went(sockets: Sockets, sticks: UDisksSticks) -> None:
    sockets.image("a", label="MUZIEK")
    device = sockets.plug("a")
    events = sticks.watch()
    stick = await came(events)
    await asyncio.sleep(0.6)
    run("umount", device)
    assert await told(events) == StickWent(stick)


async def test_udisks_that_dies_takes_its_sticks_along_and_brings_them_back(sockets: Sockets, sticks: UDisksSticks) -> None:
    sockets.image("a", label="MUZIEK")
    sockets.plug("a")
    events = sticks.watch()
    stick = await came(events)
    await asyncio.to_thread(sockets.end_udisks)
    assert await told(events) == StickWent(stick)
    await asyncio.to_thread(sockets.start_udisks)
    assert await came(events) == stick


async def test_without_a_bus_there_are_no_sticks_and_it_is_looked_for_again(sockets: Sockets) -> None:
    sockets.image("a", label="MUZIEK")
    sockets.plug("a")
    bus = sockets.folder / "bus"
    bus.rename(sockets.folder / "bus away")
    events = UDisksSticks(address=sockets.address, loops=str(sockets.folder), also=frozenset({"ext4"}), again=0.05).watch()
    waiting = asyncio.ensure_future(came(events))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    (sockets.folder / "bus away").rename(bus)
    assert (await waiting).label == "MUZIEK"


@pytest.mark.parametrize(
    ("label", "seen"),
    [
        (b"\x1b[31mrood\x07", "31mrood"),
        (b"[b]<i>&klik", "biklik"),
        ("\u202egnp.exe".encode(), "gnp.exe"),
        (b"\n\r\t", "USB"),
        (b"../../etc", "../../etc"),
        (b"\xff\xfe\xfd", "___"),
    ],
)
async def test_a_label_as_hostile_as_it_can_be_written_is_one_harmless_word(
    sockets: Sockets, sticks: UDisksSticks, label: bytes, seen: str
) -> None:
    image = sockets.image("a", label="x")
    with image.open("r+b") as content:
        content.seek(1024 + 120)  # s_volume_name of ext4's superblock
        content.write(label.ljust(16, b"\0"))
    sockets.plug("a")
    stick = await came(sticks.watch())
    print(f"label {label!r}: {stick.known_by}")
    assert stick.label == seen
    assert stick.path.parent == Path("/media/root")


async def test_two_copies_are_made_let_go_as_soon_as_they_are_verified_and_equal_when_looked_at_elsewhere(
    sockets: Sockets, sticks: UDisksSticks, recordings: Path, tmp_path: Path
) -> None:
    for name in ("links", "rechts"):
        sockets.image(name, label=name)
        sockets.plug(name)
    events = sticks.watch()
    both = [await came(events), await came(events)]
    changed = asyncio.Event()
    copies = Copies(tmp_path / "locks", changed=changed.set)
    for stick in both:
        copies.came(stick)
    recording = GrowingRecording(recordings)
    copies.start(recording.folder)
    copies.follow(recording.say(3_000_000))
    original = recording.seal()
    copies.seal()
    let_go: set[str] = set()
    async with asyncio.timeout(20):
        while len(let_go) < 2:
            await changed.wait()
            changed.clear()
            for state, stick in zip(copies.states, both, strict=True):
                if state.state == "verified" and stick.key not in let_go:
                    await sticks.let_go(stick)
                    let_go.add(stick.key)
    for stick in both:
        copies.went(stick)
    assert [state.state for state in copies.states] == ["verified", "verified"]
    assert {state.known_by for state in copies.states} == {"links (17 MB)", "rechts (17 MB)"}
    await copies.stop()
    for name in ("links", "rechts"):
        sockets.pull(name)
        elsewhere = tmp_path / f"{name} elsewhere"
        elsewhere.mkdir()
        run("mount", "-o", "loop,ro", sockets.folder / f"{name}.img", elsewhere)
        try:
            assert not differences(original, elsewhere / original.name)
        finally:
            run("umount", elsewhere)


async def test_a_stick_that_is_pulled_while_it_is_written_to_goes_on_where_it_was(
    sockets: Sockets, sticks: UDisksSticks, recordings: Path, tmp_path: Path
) -> None:
    sockets.image("a", label="MUZIEK", size="32M")
    sockets.plug("a")
    events = sticks.watch()
    stick = await came(events)
    changed = asyncio.Event()
    copies = Copies(tmp_path / "locks", changed=changed.set, try_again=0.05)
    copies.came(stick)
    recording = GrowingRecording(recordings)
    copies.start(recording.folder)
    copies.follow(recording.say(5_000_000))

    async def until(holds: Callable[[CopyState], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds(copies.states[0]):
                await changed.wait()
                changed.clear()

    await until(lambda state: state.verified_bytes > 4_900_000)
    sockets.pull("a")
    gone = await told(events)
    assert gone == StickWent(stick)
    copies.went(stick)
    assert (copies.states[0].state, copies.states[0].says) == ("unfinished", "gone")
    copies.follow(recording.say(1_000_000))
    sockets.plug("a")
    back = await came(events)
    assert back.key == stick.key
    copies.came(back)
    recording.seal()
    copies.seal()
    await until(lambda state: state.state in {"verified", "failed"})
    assert copies.states[0].state == "verified"
    assert not differences(recording.folder, back.path / recording.folder.name)
    await copies.stop()
