"""The organisation's page about recordings (R2): one self-contained HTML file, Dutch and English, from the live configuration.

It says the rules, how long a device keeps its own copy, whom to ask, the words that both confirm, and the fingerprint of the device's
key, so that a copy can be held against it by anybody. No script, no network, no picture: it can be put on any site as it is. Readable
for everybody (WCAG 2.2 AA): one heading of each rank in order, each language marked as such, strong contrast in light and dark, and
nothing that is said by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from appliance.agreement import fill
from appliance.config import Config, Texts
from appliance.words import N_, Say, speak

LANGUAGES = {"nl": "Nederlands", "en": "English"}
"""Those that the page has texts in, by what each calls itself."""

RULES: tuple[str, ...] = (
    N_(
        "You may record the conversation, and so may we. It is done openly: we talk about it first, and both of us agree to it aloud."
    ),
    N_("Would one of us rather not? That is fine. Then we choose something else together, such as a short summary."),
    N_("A light says when the recording runs. Each of us may pause it or stop it at any moment."),
    N_("We both get the same recording at the same time, each on a stick of our own."),
    N_("Nobody cuts in the recording or pastes into it."),
    N_("It is for the two of us. Nobody gives it to others or puts it on the internet, unless we agree on that together."),
    N_("You may use it to listen to it again, and if there is ever a complaint or a procedure. So may we."),
)

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1a1a1a; --line: #767676; --link: #0b4a8f; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --ink: #f0f0f0; --line: #9a9a9a; --link: #9cc9ff; } }
body { background: var(--paper); color: var(--ink); font: 1.125rem/1.6 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 42rem; padding: 1rem; }
a { color: var(--link); } a:focus-visible { outline: 3px solid var(--link); outline-offset: 3px; }
section { border-top: 1px solid var(--line); margin-top: 2rem; } li { margin: .4rem 0; }
blockquote { border-left: .3rem solid var(--line); margin: 1rem 0; padding-left: 1rem; } code { overflow-wrap: anywhere; }
nav ul { display: flex; gap: 1.5rem; list-style: none; padding: 0; }
"""


@dataclass(frozen=True, slots=True)
class Device:
    """What the page says of the appliance: the fingerprints of its keys, the present one last; none before its first start."""

    fingerprints: Sequence[str] = ()


def page(config: Config, texts: Sequence[Texts], device: Device) -> str:
    """The whole file. texts: the wording in each language, the page's own language first; only those of LANGUAGES count."""
    told = [text for text in texts if text.language in LANGUAGES]
    first = told[0].language
    title = escape(speak(first)(N_("Recording a conversation")))
    links = "".join(f'<li><a href="#{each.language}" lang="{each.language}">{LANGUAGES[each.language]}</a></li>' for each in told)
    label = escape(speak(first)(N_("Languages")))
    sections = "".join(_section(config, each, device) for each in told)
    return (
        f'<!DOCTYPE html>\n<html lang="{first}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{_titled(title, config)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
        f'<nav aria-label="{label}"><ul>{links}</ul></nav>\n</header>\n<main>\n{sections}</main>\n</body>\n</html>\n'
    )


def _titled(title: str, config: Config) -> str:
    name = escape(config.organisation.name)
    return f"{title} – {name}" if name else title


def _section(config: Config, texts: Texts, device: Device) -> str:
    say = speak(texts.language)
    content = "\n".join(_content(config, texts, device, say))
    return (
        f'<section id="{texts.language}" lang="{texts.language}" aria-labelledby="{texts.language}-title">\n'
        f'<h2 id="{texts.language}-title">{escape(say(N_("Coffee? Tea? A recording?")))}</h2>\n{content}\n</section>\n'
    )


def _content(config: Config, texts: Texts, device: Device, say: Say) -> Iterator[str]:
    organisation = config.organisation
    yield _paragraph(say(N_("A device for recordings may stand on the table of our meeting rooms. This is what we keep to.")))
    yield f"<h3>{escape(say(N_('What we keep to')))}</h3>"
    yield f"<ul>{''.join(f'<li>{escape(say(rule))}</li>' for rule in RULES)}</ul>"
    yield f"<h3>{escape(say(N_('How long the device keeps its own copy')))}</h3>"
    yield _paragraph(_kept(config, say))
    yield f"<h3>{escape(say(N_('What we both confirm')))}</h3>"
    places = {
        "date": say(N_("the date on the screen")),
        "contact": organisation.contact or say(N_("the professional at this table")),
        "organisation": organisation.name or say(N_("the organisation")),
    }
    agreed = fill(texts.agreement, places)
    yield f"<blockquote>{''.join(_paragraph(part) for part in agreed.split(chr(10) * 2))}</blockquote>"
    yield f"<h3>{escape(say(N_('Questions')))}</h3>"
    yield _paragraph(say(N_("Ask: {contact}")).format(contact=places["contact"]))
    yield from _checking(device, say)


def _kept(config: Config, say: Say) -> str:
    days = config.retention
    if days.keep_days == 1:
        return say(N_("One day after both have received theirs, and {most} days at most. Then it erases it.")).format(
            most=days.keep_days_without_handover
        )
    return say(N_("{days} days after both have received theirs, and {most} days at most. Then it erases it.")).format(
        days=days.keep_days, most=days.keep_days_without_handover
    )


def _checking(device: Device, say: Say) -> Iterator[str]:
    yield f"<h3>{escape(say(N_('Is a copy real?')))}</h3>"
    if not device.fingerprints:
        yield _paragraph(say(N_("The device has no key yet. Its fingerprint will stand here.")))
        return
    yield _paragraph(say(N_("Our device signs each copy. A copy is ours if its signature is of a key with this fingerprint:")))
    yield f"<p><code>{escape(device.fingerprints[-1])}</code></p>"
    if earlier := device.fingerprints[:-1]:
        yield _paragraph(say(N_("Earlier recordings may bear one of these:")))
        yield f"<ul>{''.join(f'<li><code>{escape(each)}</code></li>' for each in earlier)}</ul>"


def _paragraph(text: str) -> str:
    return f"<p>{'<br>'.join(escape(line) for line in text.splitlines())}</p>"
