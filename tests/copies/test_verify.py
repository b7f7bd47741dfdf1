"""Whoever changes a copy is found, and where; whoever only looked at it on another computer is not accused."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tracemalloc
from pathlib import Path
from random import Random

import msgspec
import pytest

from appliance.audio.pcm import PcmFormat
from appliance.copies.names import AGREEMENT, JOURNAL, TAG_MANIFEST, WAV
from appliance.copies.verify import Comparison, NothingThereError, Signature, Verdict, compare, in_words, verify
from tests import outsiders, tamper
from tests.tamper import CARD, KINDS, Kind, audio_at, located, recorded, rewrite


@pytest.fixture(scope="module")
def sealed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("appliance"))


@pytest.fixture
def copy(sealed_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed_once, tmp_path / "stick" / tamper.NAME))


@pytest.fixture
def other_copy(sealed_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed_once, tmp_path / "other stick" / tamper.NAME))


WHOSE = "Whose key that is stands on the organisation's page and on the card of the room."


def whats(verdict: Verdict) -> list[tuple[str, str | None]]:
    return [(finding.what, finding.file) for finding in verdict.findings]


def test_a_copy_as_it_was_sealed_is_intact_and_other_peoples_tools_say_so_too(copy: Path) -> None:
    assert verify(copy) == Verdict("intact", (), (), Signature("good", key=CARD, known=None))
    assert verify(copy, keys={CARD}) == Verdict("intact", (), (), Signature("good", key=CARD, known=True))
    assert outsiders.found_by(copy, CARD) == ()


def test_the_answer_has_the_names_that_scripts_rely_on(copy: Path) -> None:
    tamper.file_added(copy, "uitleg.html")
    assert msgspec.to_builtins(verify(copy)) == {
        "verdict": "changed",
        "findings": (
            {"what": "added", "file": "uitleg.html", "from_seconds": None, "to_seconds": None, "says": "uitleg.html was added."},
        ),
        "forgiven": (),
        "signature": {"state": "good", "key": CARD, "known": None},
    }
    assert set(Comparison.__struct_fields__) - set(Verdict.__struct_fields__) == {"equal", "first_difference_seconds"}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_rule_5_what_was_done_to_a_copy_is_found_by_others_and_located_by_ours(
    kind: Kind, sealed_once: Path, tmp_path: Path
) -> None:
    row = tamper.row(kind, sealed_once, tmp_path / "stick")
    assert row.outsiders != ()
    assert row.verdict.verdict == "changed"
    assert located(row.verdict, kind), row.verdict.findings


def test_who_replaced_the_signers_too_is_found_by_whoever_holds_the_card_and_not_without(copy: Path) -> None:
    KINDS["made anew, with another key"].does(copy)
    theirs = tamper.SOMEBODYS_KEY.public.fingerprint
    assert outsiders.ssh_keygen(copy) == theirs
    assert verify(copy).signature == Signature("good", key=theirs, known=None)
    assert theirs in in_words(verify(copy))
    verdict = verify(copy, keys={CARD})
    assert (verdict.verdict, verdict.signature) == ("changed", Signature("good", key=theirs, known=False))
    assert whats(verdict) == [("key", tamper.SIGNATURE)]


def test_a_copy_without_any_signature_is_not_called_intact(tmp_path: Path) -> None:
    copy = recorded(tmp_path, papers=None)
    verdict = verify(copy)
    assert (verdict.verdict, whats(verdict)) == ("unknown", [("unsigned", None)])
    assert verdict.signature == Signature("missing", key=None, known=None)
    assert verify(copy, keys={CARD}).verdict == "changed"
    rewrite(copy, WAV, tamper.flip(audio_at(3.5)))
    assert verify(copy).verdict == "changed"


def test_a_signature_by_a_key_that_the_copy_does_not_list_is_bad_for_ssh_and_for_ours(copy: Path) -> None:
    tamper.signed_by_somebody(copy)
    assert outsiders.ssh_keygen(copy) is None
    verdict = verify(copy, keys={tamper.SOMEBODYS_KEY.public.fingerprint})
    assert (verdict.verdict, verdict.signature.state) == ("changed", "bad")


def test_one_of_several_expected_keys_is_enough(copy: Path) -> None:
    assert verify(copy, keys=[tamper.SOMEBODYS_KEY.public.fingerprint, CARD]).signature.known is True
    assert verify(copy, keys=[]).verdict == "changed"


def test_rule_5_one_bit_flipped_anywhere_in_any_file_is_found(copy: Path) -> None:
    luck = Random(5)  # noqa: S311 - no secret
    files = [path for path in copy.rglob("*") if path.is_file()]
    assert len(files) == 12
    for path in files:
        whole = path.read_bytes()
        path.chmod(0o644)
        for at in (0, len(whole) - 1, *(luck.randrange(len(whole)) for _ in range(25))):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << luck.randrange(8)]) + whole[at + 1 :])
            assert verify(copy).verdict == "changed", (path.name, at)
        path.write_bytes(whole)
    assert verify(copy).verdict == "intact"


@pytest.mark.parametrize("audio", [PcmFormat(8000, 24, 2), PcmFormat(44100, 16, 2), PcmFormat(11025, 24, 1)])
def test_rule_5_a_change_is_located_in_every_format(audio: PcmFormat, tmp_path: Path) -> None:
    copy = recorded(tmp_path, audio=audio)
    assert verify(copy).verdict == "intact"
    begin, end = audio_at(2.5, audio), audio_at(3.5, audio)
    rewrite(copy, WAV, lambda content: content[:begin] + content[end:])
    (finding,) = verify(copy).findings
    assert (finding.what, finding.from_seconds, finding.to_seconds) == ("audio-missing", 2.0, 4.0)
    assert finding.says == "Between 00:00:02 and 00:00:04 something was cut out: 1.0 seconds are missing."


def test_rule_5_two_places_are_two_findings(copy: Path) -> None:
    rewrite(copy, WAV, tamper.swap(1, 5))
    places = [(f.what, f.from_seconds, f.to_seconds) for f in verify(copy).findings]
    assert places == [("audio", 1.0, 2.0), ("audio", 5.0, 6.0)]


def test_rule_5_a_change_before_a_cut_is_told_apart_from_it(copy: Path) -> None:
    rewrite(copy, WAV, lambda content: tamper.cut(5, 6)(tamper.flip(audio_at(1.5))(content)))
    places = [(f.what, f.from_seconds, f.to_seconds) for f in verify(copy).findings]
    assert places == [("audio", 1.0, 2.0), ("audio-missing", 5.0, 6.0)]


def test_a_cut_in_silence_is_found_though_silence_fits_everywhere(tmp_path: Path) -> None:
    dictation = tamper.Dictation(tmp_path / tamper.NAME)
    for second in range(10):
        dictation.say(tamper.SILENCE if 3 <= second < 8 else tamper.noise(48_000, second))
    copy = dictation.seal()
    rewrite(copy, WAV, tamper.cut(4, 5))
    (finding,) = verify(copy).findings
    assert finding.what == "audio-missing"
    assert finding.from_seconds is not None
    assert finding.to_seconds is not None
    assert finding.from_seconds <= 4
    assert finding.to_seconds >= 5


def test_sound_and_manifests_made_anew_are_found_by_the_journal_and_the_signature(copy: Path) -> None:
    KINDS["the sound re-manifested"].does(copy)
    assert outsiders.bagit(copy)
    assert whats(verify(copy)) == [("signature", tamper.SIGNATURE), ("audio", WAV), ("manifest", "manifest-sha256.txt")]


def test_an_edited_journal_does_not_accuse_the_sound(copy: Path) -> None:
    KINDS["a journal line of sound removed"].does(copy)
    assert whats(verify(copy)) == [("journal", JOURNAL), ("changed", JOURNAL)]


def test_what_other_computers_leave_behind_is_named_and_forgiven(copy: Path) -> None:
    left = ["Thumbs.db", ".DS_Store", "desktop.ini", "ehthumbs.db", "._LEESMIJ.html", "data/Thumbs.db", "data/._gesprek.wav"]
    for name in left:
        (copy / name).write_bytes(b"\0\1")
    folders = ["System Volume Information", ".Spotlight-V100", ".Trashes", ".fseventsd", "data/.fseventsd"]
    for name in folders:
        (copy / name).mkdir()
        (copy / name / "x").write_bytes(b"x")
    verdict = verify(copy)
    assert (verdict.verdict, verdict.findings) == ("intact", ())
    assert set(verdict.forgiven) == {*left, *folders}
    assert not outsiders.bagit(copy), "a strict tool minds them; that is why ours names them"


def test_what_is_forgiven_hides_nothing_else(copy: Path) -> None:
    (copy / "data/Thumbs.db").write_bytes(b"\0")
    (copy / "data/Thumbs.db.exe").write_bytes(b"\0")
    assert whats(verify(copy)) == [("added", "data/Thumbs.db.exe")]
    (copy / "data/Thumbs.db.exe").unlink()
    (copy / ".DS_Store").symlink_to("/etc/passwd")
    assert whats(verify(copy)) == [("strange", ".DS_Store")]


def test_totals_that_do_not_fit_are_found_by_the_librarys_tool_where_every_digest_fits(copy: Path) -> None:
    rewrite(copy, "bag-info.txt", lambda content: re.sub(rb"Oxum: \d+", b"Oxum: 1", content))
    lines = (copy / TAG_MANIFEST).read_text().splitlines()
    names = [line.split("  ")[1] for line in lines]
    digests = subprocess.run(["sha256sum", *names], cwd=copy, capture_output=True, check=True).stdout
    rewrite(copy, TAG_MANIFEST, lambda _: digests)
    rewrite(copy, tamper.SIGNATURE, lambda _: tamper.KEY.signature(digests))
    tamper.request_anew(copy)
    (finding,) = verify(copy).findings
    assert finding.what == "bag"
    assert "Payload-Oxum" in finding.says


@pytest.mark.parametrize("leaves", ["no bagit.txt", "a name"])
def test_a_copy_under_way_is_unfinished_and_not_accused(leaves: str, copy: Path) -> None:
    """As a mirror leaves it when the stick is pulled: the sound ends before the journal does, and the journal in half a line."""
    for path in copy.iterdir():
        if path.name != "data":
            path.unlink()
    journal, wav = (copy / JOURNAL).read_bytes(), audio_at(5.2)
    lines = journal.splitlines(keepends=True)
    rewrite(copy, JOURNAL, lambda _: b"".join(lines[:-2]) + lines[-2][:20])
    rewrite(copy, WAV, lambda content: content[:wav])
    if leaves == "a name":
        copy = copy.rename(f"{copy} (onvolledig)")
    verdict = verify(copy)
    assert (verdict.verdict, whats(verdict)) == ("unfinished", [("unfinished", None)])
    assert verify(copy / WAV) == verdict if leaves == "a name" else True
    rewrite(copy, WAV, tamper.flip(audio_at(3.5)))
    verdict = verify(copy)
    assert (verdict.verdict, whats(verdict)) == ("changed", [("unfinished", None), ("audio", WAV)])


def test_a_whole_copy_that_still_bears_the_name_of_an_unfinished_one_is_unfinished(copy: Path) -> None:
    assert verify(copy.rename(f"{copy} (onvolledig)")).verdict == "unfinished"


def test_after_a_power_cut_what_the_journal_took_back_is_not_missed(tmp_path: Path) -> None:
    dictation = tamper.Dictation(tmp_path / tamper.NAME)
    for second in range(3):
        dictation.say(tamper.noise(48_000, second))
    dictation.line("audio", **{"from": 144_000, "frames": 48_000, "sha256": "0" * 64})  # type: ignore[arg-type]
    dictation.line("interrupted", frame=144_000)
    assert verify(dictation.seal()).verdict == "intact"


def test_a_journal_that_does_not_vouch_for_every_second_is_found(tmp_path: Path) -> None:
    dictation = tamper.Dictation(tmp_path / tamper.NAME)
    dictation.say(tamper.noise(48_000))
    dictation.wav.append(tamper.noise(24_000))
    dictation.say(tamper.noise(48_000))
    (finding,) = verify(dictation.seal()).findings
    assert (finding.what, finding.file, finding.from_seconds, finding.to_seconds) == ("journal", JOURNAL, 1.0, 1.5)


def test_a_wav_is_judged_with_the_bag_around_it(copy: Path) -> None:
    assert verify(copy / WAV).verdict == "intact"
    rewrite(copy, AGREEMENT, lambda text: text + b"!")
    assert verify(copy / WAV) == verify(copy)


def test_a_wav_is_judged_with_the_journal_beside_it(copy: Path, tmp_path: Path) -> None:
    taken_out = tmp_path / "opname.wav"
    shutil.copy(copy / WAV, taken_out)
    shutil.copy(copy / JOURNAL, tmp_path / "journal.jsonl")
    assert (verify(taken_out).verdict, verify(taken_out).findings) == ("intact", ())
    taken_out.chmod(0o644)
    taken_out.write_bytes(tamper.cut(2, 3)(taken_out.read_bytes()))
    (finding,) = verify(taken_out).findings
    assert (finding.what, finding.file, finding.from_seconds, finding.to_seconds) == ("audio-missing", "opname.wav", 2.0, 3.0)


def test_a_wav_alone_is_unknown_and_its_digest_is_said(copy: Path, tmp_path: Path) -> None:
    alone = tmp_path / "opname.wav"
    shutil.copy(copy / WAV, alone)
    verdict = verify(alone)
    assert (verdict.verdict, whats(verdict)) == ("unknown", [("no-journal", "opname.wav")])
    assert (
        subprocess.run(["sha256sum", alone], capture_output=True, text=True, check=True).stdout[:64] in verdict.findings[0].says
    )


def test_a_folder_of_something_else_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "vakantie.jpg").write_bytes(b"x")
    assert (verify(tmp_path).verdict, whats(verify(tmp_path))) == ("unknown", [("not-ours", None)])


def test_what_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to("round")
    os.mkfifo(tmp_path / "fifo")
    for name in ("nothing", "round", "fifo"):
        with pytest.raises(NothingThereError, match=rf"{name} (cannot be looked into: .+|is neither a folder nor a file)\."):
            verify(tmp_path / name)


@pytest.mark.timeout(10)
def test_a_fifo_where_a_file_should_be_is_named_and_not_waited_for(copy: Path) -> None:
    for name in ("bag-info.txt", "data/journal.jsonl"):
        (copy / name).unlink()
        os.mkfifo(copy / name)
    assert ("strange", "bag-info.txt") in whats(verify(copy))
    assert ("strange", JOURNAL) in whats(verify(copy))


def test_names_from_a_stick_cannot_write_on_the_screen(copy: Path) -> None:
    (copy / "data/\x1b[2Jx\u202egpj.exe").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(copy) + b"/\xff")).write_bytes(b"")
    verdict = verify(copy)
    assert verdict.verdict == "changed"
    assert b"\x1b" not in msgspec.json.encode(verdict)
    assert all(finding.says.isprintable() for finding in verdict.findings)


@pytest.mark.parametrize(
    "line",
    [b'{"event":"audio","from":-5,"frames":1,"sha256":""}', b'{"event":"audio","from":9007199254740999,"frames":1}', b"[" * 500],
)
def test_nonsense_in_a_journal_is_a_finding_and_not_a_crash(line: bytes, copy: Path) -> None:
    rewrite(copy, JOURNAL, lambda content: content + line + b"\n")
    assert ("journal", JOURNAL) in whats(verify(copy))


def test_a_sector_that_cannot_be_read_is_located(sealed_once: Path, image_stick: tuple[Path, Path]) -> None:
    """A medium that fails for real: the image under the file system ends in the middle of the WAV."""
    stick, image = image_stick
    copy = Path(shutil.copytree(sealed_once, stick / tamper.NAME))
    subprocess.run(["sync", "-f", stick], check=True)
    extents = subprocess.run(["filefrag", "-v", "-b4096", copy / WAV], capture_output=True, text=True, check=True).stdout
    logical, physical, length = (
        int(n) for n in re.findall(r"^ *\d+: +(\d+)\.\. *\d+: +(\d+)\.\. *\d+: +(\d+)", extents, re.MULTILINE)[-1]
    )
    lost = logical + length // 2
    os.truncate(image, (physical + length // 2) * 4096)
    with (copy / WAV).open("rb") as wav:
        os.posix_fadvise(wav.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    found = [finding for finding in verify(copy).findings if finding.what == "unreadable"]
    first = max(0, (lost * 4096 - 1024) // 96_000)
    assert [finding.file for finding in found] == [WAV]
    assert found[0].from_seconds is not None
    assert first - 1 <= found[0].from_seconds <= first
    assert found[0].to_seconds == tamper.SECONDS


def test_rule_4_two_copies_are_equal(copy: Path, other_copy: Path) -> None:
    both = compare(copy, other_copy)
    assert (both.verdict, both.equal, both.first_difference_seconds, both.findings) == ("intact", True, None, ())
    (other_copy / ".DS_Store").write_bytes(b"x")
    both = compare(copy, other_copy)
    assert (both.verdict, both.equal, both.forgiven) == ("intact", True, (str(other_copy / ".DS_Store"),))


def test_rule_4_the_first_difference_of_two_copies_is_told_in_seconds(copy: Path, other_copy: Path) -> None:
    rewrite(other_copy, WAV, tamper.flip(audio_at(6.25)))
    both = compare(copy, other_copy)
    assert (both.verdict, both.equal, both.first_difference_seconds) == ("changed", False, 6.25)
    assert {finding.file for finding in both.findings} == {str(other_copy / WAV)}
    rewrite(copy, WAV, lambda content: content[: audio_at(4)])
    assert compare(copy, other_copy).first_difference_seconds == 4.0


def test_rule_4_copies_that_differ_only_beside_the_sound_are_not_equal(copy: Path, other_copy: Path) -> None:
    rewrite(other_copy, AGREEMENT, lambda text: text + b"!")
    both = compare(copy, other_copy)
    assert (both.equal, both.first_difference_seconds) == (False, None)
    rewrite(copy, AGREEMENT, lambda text: text + b"!")
    assert compare(copy, other_copy).equal
    (copy / "leeg").mkdir()
    assert not compare(copy, other_copy).equal


def test_a_wav_alone_is_compared_with_the_one_in_a_copy(copy: Path, tmp_path: Path) -> None:
    alone = tmp_path / "opname.wav"
    shutil.copy(copy / WAV, alone)
    both = compare(copy, alone)
    assert (both.verdict, both.equal) == ("unknown", True)


def test_two_folders_of_something_else_are_not_called_equal_for_lack_of_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert not compare(tmp_path / "a", tmp_path / "b").equal


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    audio = PcmFormat(192_000, 24, 2)
    dictation = tamper.Dictation(tmp_path / tamper.NAME, audio)
    second = tamper.noise(audio.rate, 1, audio)
    for _ in range(30):
        dictation.say(second)
    copy = dictation.seal()
    tracemalloc.start()
    try:
        assert verify(copy).verdict == "intact"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20, "of 34 MB of sound never more than some pieces of 1 MiB"


def test_the_sentences_are_said_in_the_callers_language(copy: Path) -> None:
    tamper.file_added(copy, "x")
    verdict = verify(copy, lambda text: {"{file} was added.": "{file} is toegevoegd."}.get(text, text))
    assert verdict.findings[0].says == "x is toegevoegd."


def test_a_verdict_is_said_in_sentences(copy: Path, other_copy: Path) -> None:
    (copy / "Thumbs.db").write_bytes(b"x")
    assert in_words(verify(copy)).splitlines() == [
        "The recording is intact.",
        "Left there by a computer, and no part of the recording: Thumbs.db.",
        f"The signature is good, and of this key: {CARD}. {WHOSE}",
    ]
    assert (
        in_words(verify(copy, keys={CARD})).splitlines()[-1] == f"The signature is good, and of the key that you expect: {CARD}."
    )
    assert in_words(compare(copy, other_copy)).splitlines()[:2] == ["The recording is intact.", "The two are equal."]
    rewrite(other_copy, WAV, tamper.flip(audio_at(6.25)))
    assert in_words(compare(copy, other_copy)).splitlines()[:3] == [
        "This is not the recording as it was sealed.",
        "The two are not equal. The first difference in the sound is at 00:00:06.",
        "The sound from 00:00:06 to 00:00:07 is not as it was recorded.",
    ]
