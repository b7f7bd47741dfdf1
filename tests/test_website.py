"""The organisation's page (R2): says what holds, in both languages, from the live configuration; valid, accessible, and whole by itself."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import html5lib
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Request, sync_playwright

from appliance.config import Config, Organisation, Retention, Texts, agreement_texts, places
from appliance.website import Device, page
from tests.ui.translations import compile_translations

KEY, EARLIER = "SHA256:" + "k" * 43, "SHA256:" + "e" * 43
CONFIG = Config(
    organisation=Organisation(name="Zorg <b>& Zonen</b>", contact='Jet, jet@example.org "kamer <i>3</i>"'),
    retention=Retention(keep_days=5, keep_days_without_handover=9),
)


@pytest.fixture(scope="module")
def texts() -> list[Texts]:
    compile_translations()
    return [agreement_texts(places(Path("/nowhere")), language) for language in ("nl", "en")]


@pytest.fixture(scope="module")
def html(texts: list[Texts]) -> str:
    return page(CONFIG, texts, Device((EARLIER, KEY)))


def of(html: str, language: str) -> str:
    found = re.search(rf'<section id="{language}".*?</section>', html, re.DOTALL)
    assert found is not None
    return found[0]


def test_rule_2_it_says_the_rules_the_days_whom_to_ask_and_the_key_in_both_languages(html: str) -> None:
    for language, days, open_word in (("nl", "5 dagen", "open"), ("en", "5 days", "openly")):
        section = of(html, language)
        assert days in section
        assert "9 " in section
        assert open_word in section
        assert "jet@example.org" in section
        assert section.index(KEY) < section.index(EARLIER)
        assert section.count("<li>") == 8
    assert "knipt" in of(html, "nl")
    assert "cuts" in of(html, "en")


def test_what_an_organisation_wrote_is_text_and_never_markup(html: str) -> None:
    assert not re.search("<[bi]>", html)
    assert "Zorg &lt;b&gt;&amp; Zonen&lt;/b&gt;" in html


def test_another_day_count_and_no_key_yet_are_said_in_words(texts: list[Texts]) -> None:
    config = Config(retention=Retention(keep_days=1, keep_days_without_handover=2))
    html = page(config, texts, Device())
    assert "Eén dag nadat" in of(html, "nl")
    assert "One day after" in of(html, "en")
    assert "nog geen sleutel" in of(html, "nl")
    assert "SHA256" not in html


def test_the_organisations_own_language_comes_first(texts: list[Texts]) -> None:
    html = page(CONFIG, texts[::-1], Device())
    assert html.index('<section id="en"') < html.index('<section id="nl"')
    assert '<html lang="en">' in html


def test_it_is_html_as_the_standard_says(html: str) -> None:
    html5lib.HTMLParser(strict=True).parse(html)
    assert "http" not in html
    assert "<script" not in html


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=shutil.which("chromium") or "chromium", args=options)
        yield started
        started.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out_and_nothing_is_fetched(html: str, scheme: str, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(html)
    there = browser.new_page(color_scheme="dark" if scheme == "dark" else "light", viewport={"width": 320, "height": 700})
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    there.on("request", note)
    there.goto((tmp_path / "page.html").as_uri())
    rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}
    found = Axe().run(there, options=rules)
    assert found.violations_count == 0, found.generate_report()
    assert there.evaluate("document.documentElement.scrollWidth") <= 320
    assert len(asked) == 1
    there.close()
