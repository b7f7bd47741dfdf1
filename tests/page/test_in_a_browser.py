"""The page in a real Chromium, from file://, as somebody opens it at home: it plays, it checks, it can be used by everybody."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from appliance.copies.names import PAGE, WAV
from tests import tamper
from tests.ui.translations import compile_translations

CHROMIUM = shutil.which("chromium") or "chromium"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PICTURES = os.environ.get("PAGE_PICTURES")
"""A folder: pictures of what the page said are put there, to be read."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compile_translations()
    return tamper.recorded(tmp_path_factory.mktemp("stick"))


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compile_translations()
    return tamper.recorded(tmp_path_factory.mktemp("english"), language="en")


class Opened:
    """The page of a copy, open in the browser; whatever it asked of anybody, and whatever it complained of, is kept."""

    def __init__(self, browser: Browser, copy: Path, **how: object) -> None:
        self.page: Page = browser.new_page(**how)  # type: ignore[arg-type]
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto((copy / PAGE).as_uri())

    def check(self, wav: Path) -> str:
        """Choose a file; what the page says of it in the end."""
        self.page.set_input_files("#wav", wav)
        result = self.page.locator("#result")
        expect(result).not_to_have_attribute("data-says", "checking", timeout=60_000)
        return result.inner_text()

    def until(self, holds: str) -> None:
        """Wait for an expression. (Playwright's own way of it is what the page's policy forbids.)"""
        end = time.monotonic() + 20
        while not self.page.evaluate(f"Boolean({holds})"):
            assert time.monotonic() < end, holds
            self.page.wait_for_timeout(30)

    def kind(self) -> str:
        return self.page.locator("#result").get_attribute("class") or ""

    def picture(self, name: str) -> None:
        if PICTURES:
            self.page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


@pytest.fixture
def opened(browser: Browser, copy: Path) -> Iterator[Opened]:
    there = Opened(browser, copy)
    yield there
    there.page.close()


def changed(copy: Path, place: Path, change: object) -> Path:
    wav = place / "gesprek.wav"
    wav.write_bytes(change((copy / WAV).read_bytes()))  # type: ignore[operator]
    return wav


def test_it_says_that_the_recording_is_intact(opened: Opened, copy: Path) -> None:
    assert (
        opened.check(copy / WAV) == "✓ Ongeschonden. Dit is de opname die u allebei hebt gekregen. Er is geen bit aan veranderd."
    )
    assert opened.kind() == "result good"
    opened.picture("intact")
    assert opened.complaints == []
    assert {url.split(":")[0] for url in opened.asked} <= {"file", "blob"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (tamper.flip(tamper.audio_at(3.5)), "✗ Veranderd. Dit bestand komt van deze opname"),
        (tamper.cut(2, 3), "De opname duurt 00:00:08, dit bestand 00:00:07."),
        (tamper.as_a_plain_wav, "✗ Veranderd. Dit bestand komt van deze opname"),
        (lambda content: content[: tamper.audio_at(6.5)], "De opname duurt 00:00:08, dit bestand 00:00:06."),
    ],
    ids=["a bit", "a cut", "saved by an editor", "truncated"],
)
def test_it_says_that_the_recording_was_changed(change: object, says: str, opened: Opened, copy: Path, tmp_path: Path) -> None:
    assert says in opened.check(changed(copy, tmp_path, change))
    assert opened.kind() == "result bad"
    opened.picture("changed")


def test_it_says_that_this_is_not_this_recording(opened: Opened, copy: Path, tmp_path: Path) -> None:
    other = tamper.recorded(tmp_path, seed=8)
    content = (other / WAV).read_bytes().replace(b"k7qm", b"abcd")
    for name, wav in (("gesprek.wav", content), ("vakantie.jpg", b"\xff\xd8" * 500), ("leeg.wav", b"")):
        (tmp_path / name).write_bytes(wav)
        assert opened.check(tmp_path / name) == f"✗ Niet deze opname. Het bestand {name} is een ander bestand."
        assert opened.kind() == "result bad"
    opened.picture("not this recording")


DROP = (
    "const drop = (file) => { const bag = new DataTransfer(); bag.items.add(file);"
    "document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: bag })); };"
)


def test_a_second_file_chosen_meanwhile_is_the_one_that_is_judged(opened: Opened, copy: Path) -> None:
    opened.check(copy / WAV)
    opened.page.evaluate(
        f"() => {{ {DROP} drop(new File([new Uint8Array(9_000_000)], 'groot.wav')); drop(document.getElementById('wav').files[0]); }}"
    )
    expect(opened.page.locator("#result")).to_have_attribute("data-says", "intact")
    opened.page.wait_for_timeout(1500)
    expect(opened.page.locator("#result")).to_have_attribute("data-says", "intact")


def test_its_sha_256_is_everybody_elses(opened: Opened, tmp_path: Path) -> None:
    luck = Random(9)  # noqa: S311 - no secret
    for length in (0, 1, 55, 56, 63, 64, 65, 119, 120, 1_048_575, 1_048_577, 3_000_000):
        content = luck.randbytes(length)
        (tmp_path / "x").write_bytes(content)
        opened.page.set_input_files("#wav", tmp_path / "x")
        found = opened.page.evaluate(
            "async () => { const file = document.getElementById('wav').files[0], sha = new Sha256();"
            "for (let at = 0; at < file.size; at += 70001) sha.update(new Uint8Array(await file.slice(at, at + 70001).arrayBuffer()));"
            "return sha.hex(); }"
        )
        assert found == hashlib.sha256(content).hexdigest(), length


def test_the_receipt_is_compared_as_it_is_photographed(opened: Opened, copy: Path) -> None:
    digest = hashlib.sha256((copy / WAV).read_bytes()).hexdigest()
    typed, says = opened.page.locator("#typed"), opened.page.locator("#typed-result")
    typed.fill(" ".join(digest[at : at + 8].upper() for at in range(0, 64, 8)))
    expect(says).to_have_text("✓ Gelijk. Deze pagina hoort bij de opname van uw foto.")
    typed.fill(f"sha256:{digest}")
    expect(says).to_have_class("result good")
    typed.fill(digest[:20])
    expect(says).to_contain_text("20 van de 64")
    typed.fill(digest[:20] + "zz")
    expect(says).to_have_class("result bad")
    typed.fill("")
    expect(says).to_be_empty()


def test_it_plays_the_recording_beside_it_and_goes_to_a_moment(opened: Opened) -> None:
    audio = opened.page.locator("audio")
    opened.until("document.querySelector('audio').readyState > 0")
    assert audio.evaluate("a => a.duration") == pytest.approx(8.0)
    opened.page.locator(".moments button").nth(1).click()
    opened.until("document.querySelector('audio').currentTime >= 4.5")
    assert audio.evaluate("a => a.currentTime") < 7
    opened.until("Number(document.getElementById('now').getAttribute('x1')) > 500")
    audio.evaluate("a => a.pause()")
    box = opened.page.locator("svg").bounding_box()
    assert box is not None
    opened.page.mouse.click(box["x"] + box["width"] / 4, box["y"] + 5)
    opened.until("document.querySelector('audio').currentTime < 4")


def test_where_the_sound_is_not_beside_it_the_chosen_file_is_played(browser: Browser, copy: Path, tmp_path: Path) -> None:
    shutil.copy(copy / PAGE, tmp_path / PAGE)
    shutil.copy(copy / WAV, tmp_path / "opname.wav")
    alone = Opened(browser, tmp_path)
    expect(alone.page.locator("#cannot-play")).to_be_visible()
    assert alone.check(tmp_path / "opname.wav").startswith("✓")
    alone.until("document.querySelector('audio').readyState > 0")
    expect(alone.page.locator("#cannot-play")).to_be_hidden()
    alone.page.close()


def test_a_file_can_be_dropped_on_it(opened: Opened) -> None:
    opened.page.evaluate(f"() => {{ {DROP} drop(new File(['x'], 'sleep.wav')); }}")
    expect(opened.page.locator("#result")).to_have_text("✗ Niet deze opname. Het bestand sleep.wav is een ander bestand.")


def test_a_name_with_markup_in_it_is_a_name(opened: Opened, tmp_path: Path) -> None:
    wav = tmp_path / "<img src=x onerror=alert(1)>.wav"
    wav.write_bytes(b"x")
    assert "<img src=x onerror=alert(1)>.wav" in opened.check(wav)
    assert opened.page.locator("img").count() == 0


def test_a_meeting_in_english_shows_dutch_first_and_english_at_a_press(browser: Browser, english: Path) -> None:
    there = Opened(browser, english)
    heading = there.page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Dit is de opname van een gesprek", use_inner_text=True)
    assert there.check(english / WAV).startswith("✓ Ongeschonden")
    there.page.get_by_role("button", name="English").click()
    expect(heading).to_have_text("This is the recording of a conversation", use_inner_text=True)
    assert there.page.locator("#result").inner_text().startswith("✓ Intact")
    assert there.page.evaluate("document.documentElement.lang") == "en"
    there.picture("english")
    there.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tongue", [0, 1])
def test_axe_finds_nothing_that_keeps_anybody_out(
    scheme: str, tongue: int, browser: Browser, english: Path, tmp_path: Path
) -> None:
    there = Opened(browser, english, color_scheme=scheme, viewport={"width": 360, "height": 740})
    there.page.locator(".tongues button").nth(tongue).click()
    for wav in (english / WAV, changed(english, tmp_path, tamper.cut(2, 3))):
        there.check(wav)
        there.page.locator("#typed").fill("abc" if wav.parent == tmp_path else hashlib.sha256(wav.read_bytes()).hexdigest())
        rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}
        found = Axe().run(there.page, options=rules)
        assert found.violations_count == 0, found.generate_report()
    there.picture(f"telephone, {scheme}, {tongue}")
    there.page.close()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits_the_width_of_a_telephone_and_nothing_is_too_small_to_touch(width: int, browser: Browser, english: Path) -> None:
    there = Opened(browser, english, viewport={"width": width, "height": 800})
    there.check(english / WAV)
    assert there.page.evaluate("document.documentElement.scrollWidth") <= width
    small = there.page.evaluate(
        "[...document.querySelectorAll('button, input')].filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"
    )
    assert small == []
    there.page.close()


def test_everything_can_be_reached_and_used_by_keyboard_alone(browser: Browser, english: Path) -> None:
    there = Opened(browser, english)
    reached = []
    for _ in range(40):
        there.page.keyboard.press("Tab")
        reached.append(
            there.page.evaluate(
                "(document.activeElement.id || document.activeElement.className || document.activeElement.tagName) + ''"
            )
        )
        seen = there.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert reached[-1] in {"BODY", "AUDIO"} or seen != "none", reached[-1]  # the player's buttons have the browser's own ring
        if reached[-1] == "typed":
            break
    assert {"AUDIO", "BUTTON", "wav", "typed"} <= set(reached)
    there.page.locator(".tongues button").nth(1).focus()
    there.page.keyboard.press("Enter")
    assert there.page.evaluate("document.documentElement.lang") == "en"
    there.page.close()


def test_on_paper_both_languages_and_no_buttons_are_seen(browser: Browser, english: Path) -> None:
    there = Opened(browser, english)
    there.page.emulate_media(media="print")
    heading = there.page.get_by_role("heading", level=1)
    assert heading.inner_text().split("\n") == ["Dit is de opname van een gesprek", "This is the recording of a conversation"]
    expect(there.page.locator("audio")).to_be_hidden()
    expect(there.page.locator("#hash")).to_be_visible()
    there.page.close()


def test_without_scripts_it_still_tells_everything(browser: Browser, english: Path) -> None:
    there = Opened(browser, english, java_script_enabled=False)
    assert "This is the recording of a conversation" in there.page.get_by_role("heading", level=1).inner_text()
    assert there.page.locator("noscript").count() == 1
    there.page.close()


def test_its_policy_stops_whatever_somebody_slips_in(browser: Browser, copy: Path, tmp_path: Path) -> None:
    """Markup added to the page cannot run, and what runs cannot ask anybody anything."""
    page = (copy / PAGE).read_text("utf-8")
    (tmp_path / PAGE).write_text(page.replace("</main>", "<script>document.title = 'gotcha'</script></main>"), "utf-8")
    there = Opened(browser, tmp_path)
    assert there.page.title() == "Opname van een gesprek k7qm"
    assert any("Content Security Policy" in complaint for complaint in there.complaints)
    asked = there.page.evaluate("fetch('https://example.org/').then(() => 'answered', () => 'refused')")
    assert asked == "refused"
    there.page.close()
