"""What a copy needs beside the sound to stand on its own: the page, the note when something failed, and the means to sign it.

Called at the seal, when nothing of the recording changes any more; made from the recording's own files, the appliance's key and what
the organisation calls itself. The same recording gives the same papers, however often the seal had to begin anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.audio.wav import HEADER_BYTES
from appliance.copies.names import AGREEMENT, ALLOWED_SIGNERS, LEVELS, NOTE, PAGE
from appliance.journal import Entry
from appliance.page.account import account_of
from appliance.page.note import note_of
from appliance.page.page import Facts, page
from appliance.signing import SigningKey


@dataclass(frozen=True, slots=True)
class Papers:
    """Whose appliance this is. `contact`: whom people may ask, as configured; either may be empty."""

    key: SigningKey
    organisation: str = ""
    contact: str = ""


def beside(folder: Path, entries: Sequence[Entry], sha256: str, papers: Papers | None) -> Mapping[str, bytes]:
    """The files to lay down in a sealed recording's folder, by name; `sha256` is the WAV's. None of papers: only the note, if any.

    JournalError if the journal does not say what it must; OSError.
    """
    told = account_of(entries)
    note = note_of(told)
    files = {} if note is None else {NOTE: note}
    if papers is None:
        return files
    levels = folder / LEVELS
    facts = Facts(
        told=told,
        entries=entries,
        sha256=sha256,
        audio_at=HEADER_BYTES,
        agreement=(folder / AGREEMENT).read_text("utf-8"),
        levels=levels.read_text("ascii") if levels.exists() else "",
        organisation=papers.organisation,
        contact=papers.contact,
        key=papers.key.public.fingerprint,
        noted=note is not None,
    )
    return {**files, PAGE: page(facts), ALLOWED_SIGNERS: papers.key.allowed_signers}
