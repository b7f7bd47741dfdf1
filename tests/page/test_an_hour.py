"""A copy of an hour checks itself in the browser, and the browser's memory does not grow with it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from appliance.copies.names import PAGE, WAV
from tests import tamper
from tests.page.test_in_a_browser import CHROMIUM, OPTIONS

LIMIT_MB = 300
MINUTES = 60


@pytest.fixture
def hour(tmp_path: Path) -> Path:
    """345 MB of sound."""
    dictation = tamper.Dictation(tmp_path / tamper.NAME)
    minute = tamper.noise(48_000 * 60)
    for _ in range(MINUTES):
        dictation.say(minute)
    return dictation.seal()


def browsers() -> Iterator[int]:
    """All of Chromium's processes below this one."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat, command = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
            except OSError:
                continue
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1]), b"chromium" in command.split(b"\0")[0]
    for process, (_, is_chromium) in parents.items():
        above = process
        while above in parents and above != os.getpid():
            above = parents[above][0]
        if is_chromium and above == os.getpid():
            yield process


def megabytes() -> float:
    """Memory of their own: anonymous and shared memory, what is shared counted by its share; not the program's own code."""
    total = 0
    for process in browsers():
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
    return total / 1024


@pytest.mark.soak
def test_an_hour_checks_itself_and_the_browser_stays_under_300_megabytes(hour: Path) -> None:
    seen: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.2):
            seen.append(megabytes())

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page()
        page.goto((hour / PAGE).as_uri())
        time.sleep(1)
        before = megabytes()
        watch = threading.Thread(target=look, name="memory")
        watch.start()
        page.set_input_files("#wav", hour / WAV)
        expect(page.locator("#result.good")).to_be_visible(timeout=90_000)
        done.set()
        watch.join()
        seconds = int(page.locator("#result").get_attribute("data-milliseconds") or 0) / 1000
        size = (hour / WAV).stat().st_size / 1e6
        print(
            f"{size:.0f} MB in {seconds:.1f} s ({size / seconds:.0f} MB/s); memory {before:.0f} MB before, at most {max(seen):.0f} MB"
        )
        browser.close()
    assert len(seen) > 3
    assert 50 < max(seen) < LIMIT_MB
