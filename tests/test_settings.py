"""`config set`: one key, judged before it is written, in one step, and nothing else in the file moves."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from appliance.config import ConfigError, load, parse, places, shipped
from appliance.disk import RealDisk
from appliance.settings import SETTABLE, change, changed
from tests.disks import SimulatedDisk

SHIPPED = (shipped() / "config.toml").read_text(encoding="utf-8")
GOOD = {
    "organisation.name": 'Zorg "Om de hoek" \\ & Zonen',
    "organisation.contact": "020 123 45 67",
    "organisation.timezone": "Europe/Brussels",
    "organisation.language": "en",
    "retention.keep_days": "3",
    "retention.keep_days_without_handover": "30",
}


def value_of(text: str, key: str) -> str:
    section, _, name = key.partition(".")
    return str(getattr(getattr(parse(text), section), name))


@pytest.mark.parametrize("key", SETTABLE)
def test_one_key_is_changed_and_every_other_line_stays_to_the_letter(key: str) -> None:
    new = changed(SHIPPED, key, GOOD[key])
    assert value_of(new, key) == GOOD[key]
    old_lines, new_lines = SHIPPED.splitlines(), new.splitlines()
    assert len(old_lines) == len(new_lines)
    moved = [line for old, line in zip(old_lines, new_lines, strict=True) if old != line]
    assert len(moved) == 1
    assert moved[0].startswith(key.partition(".")[2])


@pytest.mark.parametrize(
    "text",
    ["", "# only a remark\n", "[audio]\nrate = 16000 # small\n", 'organisation.contact = "x"\n', '[organisation]\r\ncontact = "x"\r\n',
     'organisation = { contact = "x" }\n', '[organisation]\n  name   =   "Old"   # whose\n\n\n[light]\npin = 5\n'],
)  # fmt: skip
def test_a_file_however_it_is_written_keeps_what_it_said(text: str) -> None:
    new = changed(text, "organisation.name", "Nieuw")
    before, after = parse(text), parse(new)
    assert after.organisation.name == "Nieuw"
    assert after.organisation.contact == before.organisation.contact
    assert (after.audio, after.light) == (before.audio, before.light)
    assert all(remark in new for remark in ("# only a remark", "# small", "# whose") if remark in text)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("organisation.nam", "x", "Did you mean organisation.name?"), ("keep_days", "3", "retention.keep_days"),
        ("audio.rate", "16000", "config.toml"), ("organisation.name", "two\nlines", "one line"),
        ("organisation.timezone", "Europe/Amsterdm", 'did you mean "Europe/Amsterdam"?'),
        ("organisation.language", "fr", "nl, en"), ("organisation.language", "Dutch", "letters"),
        ("retention.keep_days", "0", "from 1 to 365"), ("retention.keep_days", "soon", "whole number"),
        ("retention.keep_days", "20", "must not find it gone first"), ("retention.keep_days_without_handover", "2", "at least"),
    ],
)  # fmt: skip
def test_what_is_not_right_is_said_and_nothing_is_written(tmp_path: Path, key: str, value: str, says: str) -> None:
    where = places(tmp_path)
    where.config.write_text(SHIPPED)
    with pytest.raises(ConfigError) as wrong:
        change(RealDisk(), where, key, value)
    assert says in str(wrong.value)
    assert where.config.read_text() == SHIPPED
    assert list(tmp_path.iterdir()) == [where.config]


def test_a_text_that_would_be_wrong_is_never_given_back() -> None:
    for key, value in (("retention.keep_days", "0"), ("organisation.timezone", "Europe/Nowhere"), ("organisation.name", "a\nb")):
        with pytest.raises(ConfigError):
            changed(SHIPPED, key, value)


def test_a_file_that_was_wrong_before_is_not_made_to_look_right(tmp_path: Path) -> None:
    where = places(tmp_path)
    for wrong in (b"[audio]\nrate = 5\n", b"no toml", b"\xff\xfe"):
        where.config.write_bytes(wrong)
        with pytest.raises(ConfigError):
            change(RealDisk(), where, "organisation.name", "x")
        assert where.config.read_bytes() == wrong


def test_it_is_made_where_there_is_none_and_keeps_its_mode_where_there_is(tmp_path: Path) -> None:
    where = places(tmp_path / "new")
    change(RealDisk(), where, "organisation.name", "Zorg")
    assert load(where.config).organisation.name == "Zorg"
    assert where.config.stat().st_mode & 0o777 == 0o644
    where.config.chmod(0o640)
    change(RealDisk(), where, "organisation.name", "Zorg 2")
    assert where.config.stat().st_mode & 0o777 == 0o640


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_text(SHIPPED)
    where = places(tmp_path / "room")
    where.config.parent.mkdir()
    where.config.symlink_to(real)
    change(RealDisk(), where, "retention.keep_days", "5")
    assert where.config.is_symlink()
    assert load(real).retention.keep_days == 5


def test_after_a_power_cut_at_any_instant_the_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    where = places(tmp_path / "room")
    where.config.parent.mkdir()
    disk = SimulatedDisk(where.config.parent)
    change(disk, where, "organisation.name", "Old")
    before = len(disk.steps)
    change(disk, where, "organisation.name", "New")
    seen = set()
    for instant in range(before, len(disk.steps) + 1):
        for luck in range(4):
            found = tmp_path / f"{instant} {luck}"
            found.mkdir()
            disk.after_power_cut(instant, found, Random(luck))  # noqa: S311 - the same each time
            seen.add(name := load(found / "config.toml").organisation.name)
            assert name == "New" or instant < len(disk.steps)
    assert seen == {"Old", "New"}
