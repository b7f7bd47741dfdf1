"""Everything somebody might do to a copy, and where: each kind is a function that does it to a copy's folder.

    python -m tests.tamper       prints the matrix: what was done, which tools that are not ours find it, what `meeting-recorder
                                 verify` finds, where it says that it is, and where it is

The recording is made by the product's own writers: eight seconds of noise in stretches of a second, a pause, a seal, a bag, a
signature. What other people's tools say stands in `tests/outsiders.py`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.agreement import Agreement
from appliance.audio import levels
from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import HEADER_BYTES, Cue, Origination, WavWriter, header
from appliance.copies.bag import write_bag
from appliance.copies.names import AGREEMENT, ALLOWED_SIGNERS, JOURNAL, LEVELS, PAGE, SIGNATURES, TAG_MANIFEST, WAV
from appliance.copies.verify import Verdict, verify
from appliance.disk import RealDisk
from appliance.journal import Chain, Value, check
from appliance.papers import Papers, beside
from appliance.signing import SigningKey
from appliance.store import Recording
from tests import outsiders

NAME = "2026-11-23 14.00 gesprek k7qm"
MONO = PcmFormat()
SECONDS = 8
BEGAN = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
WORDING = Agreement("nl", "Zullen we dit gesprek opnemen?", "Wij nemen dit gesprek open op.")
ORIGIN = Origination("Gesprek k7qm", "k7qm", BEGAN)
MANIFEST = "manifest-sha256.txt"
KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(b"the key of the room's appliance."))
PAPERS = Papers(KEY, "Gemeente Voorbeeld", "Bureau Voorbeeld, 010 - 123 45 67")
CARD = KEY.public.fingerprint
"""What stands on the card of the room."""
SOMEBODYS_KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(b"somebody else's, on a laptop ...."[:32]))
SIGNATURE, REQUEST = SIGNATURES


def noise(frames: int, seed: int = 7, audio: PcmFormat = MONO) -> bytes:
    return Random(seed).randbytes(frames * audio.frame_bytes)  # noqa: S311 - no secret, sound


@dataclass
class Dictation:
    """A recording as it grows, by the product's own writers, without its threads: what `say` is given becomes one stretch."""

    folder: Path
    audio: PcmFormat = MONO
    language: str = "nl"

    def __post_init__(self) -> None:
        disk = RealDisk()
        (self.folder / "data").mkdir(parents=True)
        (self.folder / AGREEMENT).write_bytes(WORDING.as_file())
        self.now_us = 0
        self.wav = WavWriter.create(disk, self.folder / WAV, self.audio, ORIGIN)
        self.chain = Chain()
        self.line("announced", language=self.language, wording=WORDING.version, **self.now())
        shape: dict[str, Value] = {"rate": self.audio.rate, "bits": self.audio.bits, "channels": self.audio.channels}
        who: dict[str, Value] = {"confirmed": ["client", "professional"], "part_of": [], "language": self.language}
        when: dict[str, Value] = {"local": BEGAN.isoformat(timespec="seconds"), **self.now()}
        self.line("started", id="k7qm", wording=WORDING.version, frame=0, **shape, **who, **when)

    def now(self) -> dict[str, Value]:
        return {"mono_us": self.now_us, "wall": f"2026-11-23T13:00:{self.now_us // 1_000_000:02d}.000Z", "trust": "ntp"}

    def line(self, event: str, **fields: Value) -> None:
        text, self.chain = self.chain.line(event, fields)
        with (self.folder / JOURNAL).open("ab") as journal:
            journal.write(text)

    def say(self, pcm: bytes) -> None:
        begin = self.wav.frames
        self.wav.append(pcm)
        self.wav.sync()
        frames = self.wav.frames - begin
        self.now_us += frames * 1_000_000 // self.audio.rate
        stretch: dict[str, Value] = {"from": begin, "frames": frames, "sha256": hashlib.sha256(pcm).hexdigest()}
        self.line("audio", **stretch)

    def seal(self, papers: Papers | None = PAPERS, *, stopped: bool = True) -> Path:
        if stopped:
            self.line("stopped", by="room", frame=self.wav.frames, **self.now())
        self.wav.seal([Cue(self.audio.rate, "client")])
        self.wav.close()
        content = (self.folder / WAV).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        self.line("sealed", frames=self.wav.frames, bytes=len(content), sha256=digest)
        bag(self.folder, digest, self.audio, self.wav.frames, papers)
        return self.folder


def bag(folder: Path, digest: str, audio: PcmFormat, frames: int, papers: Papers | None) -> None:
    """What the appliance does at the end of a seal. digest: of the WAV."""
    levels.complete(RealDisk(), Recording("k7qm", folder), audio, frames)
    entries = check((folder / JOURNAL).read_bytes()).entries
    write_bag(
        RealDisk(),
        folder,
        known={WAV: digest},
        about={"External-Identifier": "k7qm"},
        sealed_at=BEGAN,
        beside=beside(folder, entries, digest, papers),
        signs=papers.key.signs if papers else None,
    )


def recorded(place: Path, seed: int = 7, audio: PcmFormat = MONO, papers: Papers | None = PAPERS, language: str = "nl") -> Path:
    """A sealed copy in `place`: eight stretches of a second, one of them cut in two by a pause."""
    dictation = Dictation(place / NAME, audio, language)
    for second in range(SECONDS):
        pcm = noise(audio.rate, seed * 100 + second, audio)
        half = len(pcm) // 2 // audio.frame_bytes * audio.frame_bytes
        if second == SECONDS // 2:
            dictation.say(pcm[:half])
            dictation.line("paused", frame=dictation.wav.frames, **dictation.now())
            dictation.now_us += 12_000_000
            dictation.line("resumed", frame=dictation.wav.frames, **dictation.now())
            pcm = pcm[half:]
        dictation.say(pcm)
    return dictation.seal(papers)


# ── what somebody does


def rewrite(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """A read-only file does not stop anybody who holds the stick."""
    path = folder / name
    path.chmod(0o644)
    path.write_bytes(change(path.read_bytes()))


def audio_at(second: float, audio: PcmFormat = MONO) -> int:
    return HEADER_BYTES + round(second * audio.rate) * audio.frame_bytes


def flip(at: int) -> Callable[[bytes], bytes]:
    return lambda content: content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def cut(begin: float, end: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: audio_at(begin)] + content[audio_at(end) :]


def put_in(second: float, pcm: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content[: audio_at(second)] + pcm + content[audio_at(second) :]


def replace_with(second: float, pcm: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content[: audio_at(second)] + pcm + content[audio_at(second) + len(pcm) :]


def swap(first: float, second: float) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        one = content[audio_at(first) : audio_at(first + 1)]
        other = content[audio_at(second) : audio_at(second + 1)]
        return replace_with(second, one)(replace_with(first, other)(content))

    return change


def with_a_header_that_fits(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """As an editor saves it: the sizes in the header fit what is left, and the marks behind the sound are gone."""

    def edited(content: bytes) -> bytes:
        sound = change(content[: audio_at(SECONDS)])[HEADER_BYTES:]
        return header(MONO, ORIGIN, MONO.frames(len(sound))) + sound

    return edited


def as_a_plain_wav(content: bytes) -> bytes:
    """As an editor saves what it opened: the same sound, behind a header of 44 bytes."""
    sound = content[HEADER_BYTES : audio_at(SECONDS)]
    size = (len(sound) + 36).to_bytes(4, "little")
    return b"RIFF" + size + b"WAVE" + content[48:72] + b"data" + len(sound).to_bytes(4, "little") + sound


def manifests_anew(folder: Path) -> None:
    """The totals and both manifests made to fit whatever lies there now; what is not there any more is not listed."""
    payload = list((folder / "data").iterdir())
    oxum = f"Payload-Oxum: {sum(path.stat().st_size for path in payload)}.{len(payload)}\n"
    rewrite(folder, "bag-info.txt", lambda c: re.sub(rb"Payload-Oxum: .*\n", oxum.encode(), c))
    for listing in (MANIFEST, TAG_MANIFEST):
        listed = [line.split("  ", 1)[1] for line in (folder / listing).read_text().splitlines()]
        names = [name for name in listed if (folder / name).exists()]
        lines = "".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
        rewrite(folder, listing, lambda _, lines=lines: lines.encode())  # type: ignore[misc]


def without_line(number: int) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        return b"".join(lines[:number] + lines[number + 1 :])

    return change


def lines_swapped(number: int) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        return b"".join([*lines[:number], lines[number + 1], lines[number], *lines[number + 2 :]])

    return change


def line_of(folder: Path, event: str, number: int = 0) -> int:
    """The number of the journal's line of an event, the first or a later one."""
    entries = check((folder / JOURNAL).read_bytes()).entries
    return [n for n, entry in enumerate(entries) if entry["event"] == event][number]


@dataclass(frozen=True)
class Kind:
    """`what`: the finding that must be there, `place`: where in the recording, in seconds, if it has a place."""

    does: Callable[[Path], None]
    what: str
    file: str
    place: tuple[float, float] | None = None


def in_wav(change: Callable[[bytes], bytes], *, rehash: bool = False) -> Callable[[Path], None]:
    def does(folder: Path) -> None:
        rewrite(folder, WAV, change)
        if rehash:
            manifests_anew(folder)

    return does


def in_journal(change: Callable[[Path], Callable[[bytes], bytes]], *, rehash: bool = False) -> Callable[[Path], None]:
    def does(folder: Path) -> None:
        rewrite(folder, JOURNAL, change(folder))
        if rehash:
            manifests_anew(folder)

    return does


def agreement_changed(folder: Path, *, rehash: bool = False) -> None:
    rewrite(folder, AGREEMENT, lambda text: text.replace(b"open", b"stil"))
    if rehash:
        manifests_anew(folder)


def another_meeting(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as elsewhere:
        other = recorded(Path(elsewhere), seed=8) / WAV
        rewrite(folder, WAV, lambda _: other.read_bytes())


def file_added(folder: Path, name: str) -> None:
    (folder / name).write_text("x")


def file_renamed(folder: Path) -> None:
    (folder / WAV).rename(folder / "data/opname.wav")


def link_elsewhere(folder: Path) -> None:
    (folder / WAV).rename(folder.parent / "elsewhere.wav")
    (folder / WAV).symlink_to(folder.parent / "elsewhere.wav")


def resampled(folder: Path) -> None:
    """By somebody else's program, which writes it anew at another rate."""
    with tempfile.TemporaryDirectory() as elsewhere:
        subprocess.run(["sox", folder / WAV, "-r", "44100", f"{elsewhere}/x.wav"], check=True, capture_output=True)
        rewrite(folder, WAV, lambda _: Path(elsewhere, "x.wav").read_bytes())


def made_anew(folder: Path, papers: Papers | None) -> None:
    """By somebody with all our code: other sound, its journal, its page, its manifests, under the same name."""
    with tempfile.TemporaryDirectory() as elsewhere:
        forged = recorded(Path(elsewhere), seed=9, papers=papers)
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            path.chmod(0o644)
            path.unlink()
        shutil.copytree(forged, folder, dirs_exist_ok=True)


def made_anew_without_a_key(folder: Path) -> None:
    """And with the signature that was there put back under it."""
    kept = {name: (folder / name).read_bytes() for name in (SIGNATURE, ALLOWED_SIGNERS)}
    made_anew(folder, PAPERS)
    for name, content in kept.items():
        rewrite(folder, name, lambda _, content=content: content)  # type: ignore[misc]


def signed_by_somebody(folder: Path) -> None:
    manifest = (folder / TAG_MANIFEST).read_bytes()
    rewrite(folder, SIGNATURE, lambda _: SOMEBODYS_KEY.signature(manifest))


def signers_replaced_too(folder: Path) -> None:
    """The agreement changed, and all that vouches for it made anew, with a key of one's own."""
    rewrite(folder, AGREEMENT, lambda text: text.replace(b"open", b"stil"))
    rewrite(folder, ALLOWED_SIGNERS, lambda _: SOMEBODYS_KEY.allowed_signers)
    manifests_anew(folder)
    signed_by_somebody(folder)
    request_anew(folder)


def request_anew(folder: Path) -> None:
    rewrite(folder, REQUEST, lambda _: KEY.signs((folder / TAG_MANIFEST).read_bytes())[".tsq"])


def signature_taken_off(folder: Path) -> None:
    """With all that says that there was one."""
    for name in (SIGNATURE, REQUEST, ALLOWED_SIGNERS):
        (folder / name).unlink()
    manifests_anew(folder)


def page_edited(folder: Path, *, rehash: bool = False) -> None:
    rewrite(folder, PAGE, lambda page: page.replace(b"</main>", b"<p>Bel ons: 0900-1234</p></main>"))
    if rehash:
        manifests_anew(folder)


def clock_edited(content: bytes) -> bytes:
    return content.replace(b'"wall":"2026-11-23T13:00:04.000Z"', b'"wall":"2026-11-24T09:00:04.000Z"', 1)


SILENCE = bytes(MONO.rate * MONO.frame_bytes)

KINDS: dict[str, Kind] = {
    "one bit flipped in the sound": Kind(in_wav(flip(audio_at(3.5))), "audio", WAV, (3.5, 3.5)),
    "one bit flipped in the first frame": Kind(in_wav(flip(audio_at(0))), "audio", WAV, (0, 0)),
    "one bit flipped in the header": Kind(in_wav(flip(100)), "header", WAV),
    "one bit flipped where the header says JUNK": Kind(in_wav(flip(17)), "header", WAV),
    "one bit flipped behind the sound": Kind(in_wav(flip(audio_at(SECONDS) + 30)), "header", WAV),
    "a second cut out": Kind(in_wav(cut(2, 3)), "audio-missing", WAV, (2, 3)),
    "half a second cut out": Kind(in_wav(cut(2.3, 2.8)), "audio-missing", WAV, (2.3, 2.8)),
    "a second cut out in an editor": Kind(in_wav(with_a_header_that_fits(cut(5.25, 6.25))), "audio-missing", WAV, (5.25, 6.25)),
    "a second cut out, all re-manifested": Kind(in_wav(cut(2, 3), rehash=True), "audio-missing", WAV, (2, 3)),
    "two seconds swapped": Kind(in_wav(swap(1, 5)), "audio", WAV, (1, 2)),
    "silence over a second": Kind(in_wav(replace_with(6, SILENCE)), "audio", WAV, (6, 7)),
    "silence pasted in": Kind(in_wav(put_in(3, SILENCE)), "audio-added", WAV, (3, 3)),
    "silence pasted in, in an editor": Kind(
        in_wav(with_a_header_that_fits(put_in(3.5, SILENCE))), "audio-added", WAV, (3.5, 3.5)
    ),
    "something said afterwards": Kind(in_wav(with_a_header_that_fits(lambda c: c + SILENCE)), "audio-added", WAV, (8, 8)),
    "the end truncated": Kind(in_wav(lambda c: c[: audio_at(6.5)]), "audio-missing", WAV, (6.5, 8)),
    "the end truncated in an editor": Kind(in_wav(with_a_header_that_fits(cut(6.5, 8))), "audio-missing", WAV, (6.5, 8)),
    "saved again by an editor": Kind(in_wav(as_a_plain_wav), "header", WAV),
    "the WAV of another meeting": Kind(another_meeting, "audio", WAV, (0, 8)),
    "the sound emptied": Kind(in_wav(lambda _: b""), "audio-missing", WAV, (0, 8)),
    "the sound re-manifested": Kind(in_wav(flip(audio_at(3.5)), rehash=True), "manifest", MANIFEST),
    "a journal line of sound removed": Kind(
        in_journal(lambda f: without_line(line_of(f, "audio", 3))), "journal", JOURNAL, (3, 4)
    ),
    "a journal line removed, all re-manifested": Kind(
        in_journal(lambda f: without_line(line_of(f, "audio", 3)), rehash=True), "journal", JOURNAL, (3, 4)
    ),
    "the pause removed from the journal": Kind(
        in_journal(lambda f: without_line(line_of(f, "paused")), rehash=True), "journal", JOURNAL, (4.5, 4.5)
    ),
    "two journal lines swapped": Kind(in_journal(lambda f: lines_swapped(line_of(f, "paused"))), "journal", JOURNAL, (4.5, 4.5)),
    "a journal line edited": Kind(
        in_journal(lambda _: lambda c: c.replace(b'"event":"paused"', b'"event":"mark-x"'), rehash=True),
        "journal",
        JOURNAL,
        (4.5, 4.5),
    ),
    "the journal's last line removed": Kind(
        in_journal(lambda f: without_line(line_of(f, "sealed")), rehash=True), "journal", JOURNAL
    ),
    "the journal's last line edited": Kind(
        in_journal(lambda _: lambda c: c.replace(b'"event":"sealed"', b'"event":"sealed","note":"x"')), "changed", JOURNAL
    ),
    "every digest in the journal edited": Kind(
        in_journal(lambda _: lambda c: c.replace(b'"sha256":"', b'"sha256":"0')), "changed", JOURNAL
    ),
    "the journal removed": Kind(lambda f: (f / JOURNAL).unlink(), "missing", JOURNAL),
    "the agreement changed": Kind(agreement_changed, "agreement", AGREEMENT),
    "the agreement changed, all re-manifested": Kind(lambda f: agreement_changed(f, rehash=True), "agreement", AGREEMENT),
    "a level made softer": Kind(
        lambda f: rewrite(f, str(LEVELS), lambda c: c.replace(b"\n3,-", b"\n3,-9")), "changed", str(LEVELS)
    ),
    "the levels removed": Kind(lambda f: (f / LEVELS).unlink(), "missing", str(LEVELS)),
    "the manifest rewritten": Kind(lambda f: rewrite(f, MANIFEST, lambda c: c.replace(b"a", b"b")), "changed", MANIFEST),
    "the tag manifest removed": Kind(lambda f: (f / TAG_MANIFEST).unlink(), "added", "bag-info.txt"),
    "a file added to the payload": Kind(lambda f: file_added(f, "data/meer.txt"), "added", "data/meer.txt"),
    "a file added beside it": Kind(lambda f: file_added(f, "uitleg.html"), "added", "uitleg.html"),
    "a folder added": Kind(lambda f: (f / "data/meer").mkdir(), "added", "data/meer"),
    "the recording renamed": Kind(file_renamed, "missing", WAV),
    "the recording a link elsewhere": Kind(link_elsewhere, "strange", WAV),
    "a clock line edited, all re-manifested": Kind(
        in_journal(lambda _: clock_edited, rehash=True), "journal", JOURNAL, (4.5, 4.5)
    ),
    "resampled": Kind(resampled, "audio", WAV, (0, 8)),
    "the page edited": Kind(page_edited, "changed", PAGE),
    "the page edited, all re-manifested": Kind(lambda f: page_edited(f, rehash=True), "signature", SIGNATURE),
    "made anew with all our code": Kind(made_anew_without_a_key, "signature", SIGNATURE),
    "made anew, with another key": Kind(lambda f: made_anew(f, Papers(SOMEBODYS_KEY)), "key", SIGNATURE),
    "made anew, without a signature": Kind(lambda f: made_anew(f, None), "missing", SIGNATURE),
    "signed by another appliance": Kind(signed_by_somebody, "signature", SIGNATURE),
    "the signers replaced as well": Kind(signers_replaced_too, "key", SIGNATURE),
    "the signature removed": Kind(lambda f: (f / SIGNATURE).unlink(), "missing", SIGNATURE),
    "the signature taken off without a trace": Kind(signature_taken_off, "missing", SIGNATURE),
    "one bit flipped in the signature": Kind(lambda f: rewrite(f, SIGNATURE, flip(200)), "signature", SIGNATURE),
    "the time-stamp request of another copy": Kind(
        lambda f: rewrite(f, REQUEST, lambda _: KEY.signs(b"another")[".tsq"]), "changed", REQUEST
    ),
    "bagit.txt edited": Kind(lambda f: rewrite(f, "bagit.txt", lambda c: c * 2), "changed", "bagit.txt"),
}


def located(verdict: Verdict, kind: Kind) -> bool:
    """Whether a finding names the place: it covers it, and reaches a second at most beyond it on either side."""
    for finding in verdict.findings:
        if (finding.what, finding.file) == (kind.what, kind.file):
            if kind.place is None:
                return True
            begin, end = kind.place
            if finding.from_seconds is None or finding.to_seconds is None:
                continue
            if begin - 1 <= finding.from_seconds <= begin and end <= finding.to_seconds <= end + 1:
                return True
    return False


@dataclass(frozen=True)
class Row:
    """One kind of the matrix, done to a copy and looked at."""

    kind: Kind
    outsiders: tuple[str, ...]
    verdict: Verdict

    @property
    def found(self) -> str:
        """Where ours says that it is, in the words of the table."""
        for finding in self.verdict.findings:
            if (finding.what, finding.file) == (self.kind.what, self.kind.file):
                at = f" {finding.from_seconds:g} - {finding.to_seconds:g} s" if finding.from_seconds is not None else ""
                return f"{finding.file}{at}"
        return "-"


def row(kind: Kind, whole: Path, place: Path) -> Row:
    """Do it to a fresh copy of `whole`, in the folder `place`, and let everybody look at it."""
    folder = Path(shutil.copytree(whole, place / NAME))
    kind.does(folder)
    return Row(kind, outsiders.found_by(folder, CARD), verify(folder, keys={CARD}))


def main() -> None:
    print(f"{'what was done':44} {'found by':42} {'ours':10} {'located at':38} true place")
    with tempfile.TemporaryDirectory() as place:
        whole = recorded(Path(place, "appliance"))
        for n, (name, kind) in enumerate(KINDS.items()):
            looked = row(kind, whole, Path(place, str(n)))
            true = f"{kind.place[0]:g} - {kind.place[1]:g} s" if kind.place else kind.file
            print(f"{name:44} {', '.join(looked.outsiders) or '-':42} {looked.verdict.verdict:10} {looked.found:38} {true}")


if __name__ == "__main__":
    main()
