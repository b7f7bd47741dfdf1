"""Which of what UDisks2 says is a stick. The objects are as UDisks2 2.10 shows them of a Debian 13 with USB sticks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from appliance.copies.plugged import BLOCK, DRIVE, ENCRYPTED, FAT32_LARGEST_FILE, FILESYSTEM, PARTITION, PARTITION_TABLE, plugged
from appliance.copies.sticks import Stick

Objects = dict[str, dict[str, dict[str, Any]]]
ROOT = "/org/freedesktop/UDisks2"
GB = 10**9


def blocks(device: str, drive: str, **more: Any) -> dict[str, dict[str, Any]]:
    """An object for a block device with a file system on it; `more` changes its Block properties."""
    properties = {
        "Drive": f"{ROOT}/drives/{drive}" if drive else "/",
        "Device": f"/dev/{device}\0".encode(),
        "Size": 32 * GB,
        "IdType": "vfat",
        "IdVersion": "FAT32",
        "IdLabel": "MUZIEK",
        "IdUUID": "1234-ABCD",
        "IdUsage": "filesystem",
        "Configuration": [],
        "HintIgnore": False,
        **more,
    }
    return {BLOCK: properties, FILESYSTEM: {"MountPoints": []}}


def drive(**more: Any) -> dict[str, dict[str, Any]]:
    """An object for a USB stick; `more` changes its Drive properties."""
    return {
        DRIVE: {
            "Vendor": "SanDisk",
            "Model": "Ultra",
            "Serial": "4C530001",
            "ConnectionBus": "usb",
            "Removable": True,
            "MediaAvailable": True,
            "Optical": False,
            "Size": 30_765_219_840,
            "CanPowerOff": True,
            **more,
        }
    }


def a_stick(name: str = "a", device: str = "sda", **more: Any) -> Objects:
    """A drive, its disk with a partition table, and one partition."""
    disk = blocks(device, name, IdType="", IdVersion="", IdLabel="", IdUsage="")
    del disk[FILESYSTEM]
    disk[PARTITION_TABLE] = {"Partitions": [f"{ROOT}/block_devices/{device}1"]}
    part = blocks(f"{device}1", name, **more)
    part[PARTITION] = {"Number": 1, "Table": f"{ROOT}/block_devices/{device}"}
    return {
        f"{ROOT}/drives/{name}": drive(),
        f"{ROOT}/block_devices/{device}": disk,
        f"{ROOT}/block_devices/{device}1": part,
    }


def test_a_stick_is_known_by_what_people_see_of_it() -> None:
    (one,) = plugged(a_stick())
    assert (one.label, one.make, one.size, one.device) == ("MUZIEK", "SanDisk Ultra", 30_765_219_840, "/dev/sda1")
    assert (one.unfit, one.largest_file, one.can_power_off, one.mounted) == (None, FAT32_LARGEST_FILE, True, ())


def test_on_exfat_a_recording_may_be_of_any_length() -> None:
    (one,) = plugged(a_stick(IdType="exfat", IdVersion="1.0"))
    assert (one.unfit, one.largest_file) == (None, None)


def test_a_stick_without_a_label_is_called_by_its_make() -> None:
    (one,) = plugged(a_stick(IdLabel=""))
    assert one.label == "SanDisk Ultra"


def test_a_stick_formatted_as_a_whole_is_one_too() -> None:
    objects = {f"{ROOT}/drives/a": drive(), f"{ROOT}/block_devices/sda": blocks("sda", "a")}
    assert [one.block for one in plugged(objects)] == [f"{ROOT}/block_devices/sda"]


@pytest.mark.parametrize(
    "change",
    [
        {"ConnectionBus": "sata"},
        {"ConnectionBus": "sdio"},
        {"Removable": False},
        {"MediaAvailable": False},
        {"Optical": True},
        {"Size": 0},
    ],
)
def test_disks_card_readers_without_a_card_and_discs_are_no_sticks(change: dict[str, Any]) -> None:
    objects = a_stick()
    objects[f"{ROOT}/drives/a"] = drive(**change)
    assert plugged(objects) == []


def test_a_keyboard_that_looks_like_a_stick_has_nothing_to_mount_and_is_ignored() -> None:
    assert plugged({f"{ROOT}/drives/keys": drive(Model="Keyboard"), **a_stick()}) == plugged(a_stick())


@pytest.mark.parametrize("place", [b"/\0", b"/boot/firmware\0", b"/var/lib/meeting-recorder\0", b"/mnt\0"])
def test_what_the_appliance_itself_lives_on_is_never_a_stick(place: bytes) -> None:
    objects = a_stick()
    objects[f"{ROOT}/block_devices/sda1"][FILESYSTEM]["MountPoints"] = [place]
    assert plugged(objects) == []
    objects[f"{ROOT}/block_devices/sda1"][FILESYSTEM]["MountPoints"] = [b"/media/meeting-recorder/MUZIEK\0"]
    assert [one.mounted for one in plugged(objects)] == [("/media/meeting-recorder/MUZIEK",)]


def test_a_disk_that_is_called_a_part_of_the_system_is_never_a_stick() -> None:
    assert plugged(a_stick(HintSystem=True)) == []


def test_a_disk_that_stands_in_fstab_is_never_a_stick() -> None:
    assert plugged(a_stick(Configuration=[["fstab", {"dir": b"/backup\0"}]])) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"IdType": "ntfs", "IdVersion": "3.1"}, "file system"),
        ({"IdType": "ext4", "IdVersion": "1.0"}, "file system"),
        ({"IdType": "vfat", "IdVersion": "FAT16"}, "file system"),
        ({"IdType": "hfsplus", "IdVersion": ""}, "file system"),
        ({"IdType": "BitLocker", "IdVersion": ""}, "locked"),
        ({"IdType": "crypto_LUKS", "IdVersion": "2"}, "locked"),
        ({"ReadOnly": True}, "readonly"),
        ({"ReadOnly": True, "IdType": "ntfs"}, "file system"),
    ],
)
def test_other_file_systems_are_refused_with_their_reason(change: dict[str, Any], why: str) -> None:
    assert [one.unfit for one in plugged(a_stick(**change))] == [why]


def test_a_stick_that_nobody_formatted_is_empty() -> None:
    objects = a_stick(IdType="", IdVersion="", IdUsage="")
    del objects[f"{ROOT}/block_devices/sda1"][FILESYSTEM]
    assert [one.unfit for one in plugged(objects)] == ["empty"]


def test_an_encrypted_partition_is_locked() -> None:
    objects = a_stick(IdType="", IdVersion="")
    part = objects[f"{ROOT}/block_devices/sda1"]
    part[ENCRYPTED] = {}
    del part[FILESYSTEM]
    assert [one.unfit for one in plugged(objects)] == ["locked"]


def two_partitions(first: dict[str, Any], second: dict[str, Any]) -> Objects:
    objects = a_stick(**first)
    other = blocks("sda2", "a", **second)
    other[PARTITION] = {"Number": 2, "Table": f"{ROOT}/block_devices/sda"}
    objects[f"{ROOT}/block_devices/sda2"] = other
    objects[f"{ROOT}/block_devices/sda"][PARTITION_TABLE]["Partitions"].append(f"{ROOT}/block_devices/sda2")
    return objects


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        ({"Size": GB // 10}, {"Size": 31 * GB}, "sda2"),
        ({"Size": 31 * GB}, {"Size": GB // 10}, "sda1"),
        ({"Size": 16 * GB}, {"Size": 16 * GB}, "sda1"),
        ({"Size": 31 * GB, "IdType": "ntfs"}, {"Size": GB}, "sda2"),
    ],
)
def test_of_two_partitions_on_one_stick_one_copy_goes_onto_the_largest_that_is_fit(
    first: dict[str, Any], second: dict[str, Any], chosen: str
) -> None:
    assert [one.device for one in plugged(two_partitions(first, second))] == [f"/dev/{chosen}"]


def test_of_two_unfit_partitions_the_reason_is_told_that_helps_most() -> None:
    assert [one.unfit for one in plugged(two_partitions({"IdType": ""}, {"IdType": "BitLocker"}))] == ["locked"]


def test_nothing_is_judged_before_all_partitions_are_there() -> None:
    objects = two_partitions({"IdType": "ntfs"}, {})
    late = objects.pop(f"{ROOT}/block_devices/sda2")
    assert plugged(objects) == []
    objects[f"{ROOT}/block_devices/sda2"] = late
    assert [one.unfit for one in plugged(objects)] == [None]


def test_a_key_is_of_one_stick_and_harmless_whatever_the_stick_says() -> None:
    hostile = a_stick(IdLabel="\x1b[31m../../etc\u202e<b>")
    hostile[f"{ROOT}/drives/a"] = drive(Vendor="\x1b]0;", Model="$(reboot)\n", Serial="../../..\0")
    (one,) = plugged(hostile)
    assert one.key.replace("-", "").isalnum()
    assert one.key.isascii()
    assert one.label == "31m../../etcb"
    assert one.make == "0; $(reboot)"
    (other,) = plugged(a_stick())
    assert one.key != other.key
    assert [again.key for again in plugged(a_stick("b", "sdb"))] == [other.key], "the device's name is not part of who it is"


def test_two_sticks_are_two_sticks() -> None:
    second = a_stick("b", "sdb", IdUUID="9999-0000")
    second[f"{ROOT}/drives/b"] = drive(Serial="77")
    found = plugged({**a_stick(), **second})
    assert [one.device for one in found] == ["/dev/sda1", "/dev/sdb1"]
    assert len({one.key for one in found}) == 2


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (30_765_219_840, "32 GB"),
        (15_518_924_800, "16 GB"),
        (4_009_754_624, "4 GB"),
        (62_109_253_632, "64 GB"),
        (500_107_862_016, "500 GB"),
        (750_000_000_000, "750 GB"),
        (1_000_000_000, "1 GB"),
        (128_450_560, "128 MB"),
        (0, ""),
    ],
)
def test_its_size_is_told_as_it_stands_on_the_package(size: int, told: str) -> None:
    stick = Stick("key", "MUZIEK", Path("/media/x"), "SanDisk", size)
    assert stick.known_by == ("MUZIEK (SanDisk, " + told + ")" if told else "MUZIEK (SanDisk)")


def test_the_bus_is_only_loaded_where_real_sticks_are_asked_for() -> None:
    program = "import appliance.copies.sticks, appliance.copies.plugged, appliance.copies.copying, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "dbus_fast" not in loaded
