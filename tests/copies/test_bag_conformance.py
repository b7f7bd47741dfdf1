"""The Library of Congress's conformance cases for BagIt, each done to a copy of ours, as if our own writer had made it so.

The cases' names and defects are those of its bagit-conformance-suite (public domain), the invalid ones of versions 1.0 and 0.97 that
a bag on Linux can have; without missing-baginfo, which is no defect in 1.0. Whatever can be made to fit is: the tag manifest, the
signature, the time-stamp request. So what is found, is found by the rules of a bag.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.copies.names import AGREEMENT, TAG_MANIFEST, WHOLE
from appliance.copies.verify import verify
from tests import tamper
from tests.tamper import CARD, MANIFEST, rewrite

INFO = "bag-info.txt"


@pytest.fixture(scope="module")
def sealed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tamper.recorded(tmp_path_factory.mktemp("appliance"))


@pytest.fixture
def copy(sealed_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed_once, tmp_path / "stick" / tamper.NAME))


def add(name: str, line: bytes) -> Callable[[Path], None]:
    return lambda folder: rewrite(folder, name, lambda content: content + line)


def fetched(url: str, name: str) -> Callable[[Path], None]:
    def does(folder: Path) -> None:
        (folder / "fetch.txt").write_text(f"{url} 1 {name}\n")

    return does


def listed_twice(*, same: bool) -> Callable[[Path], None]:
    def does(folder: Path) -> None:
        line = next(line for line in (folder / MANIFEST).read_bytes().splitlines(keepends=True) if AGREEMENT.encode() in line)
        rewrite(folder, MANIFEST, lambda content: content + (line if same else b"0" * 64 + line[64:]))

    return does


def second_manifest(folder: Path) -> None:
    """notAllManifestsListAllFiles: one of sha512 that lists a single file."""
    content = (folder / AGREEMENT).read_bytes()
    (folder / "manifest-sha512.txt").write_text(f"{hashlib.sha512(content).hexdigest()}  {AGREEMENT}\n")


CASES: dict[str, Callable[[Path], None]] = {
    "bagit-with-invalid-whitespace": lambda f: rewrite(f, WHOLE, lambda c: c.replace(b": ", b" : ")),
    "bom-in-bagit.txt": lambda f: rewrite(f, WHOLE, lambda c: b"\xef\xbb\xbf" + c),
    "baginfo-missing-encoding": lambda f: rewrite(f, WHOLE, lambda c: c.splitlines(keepends=True)[0]),
    "invalid-version-number": lambda f: rewrite(f, WHOLE, lambda c: c.replace(b"1.0", b"0.x")),
    "missing-bagit.txt": lambda f: (f / WHOLE).unlink(),
    "corrupt-data-file": lambda f: rewrite(f, AGREEMENT, lambda c: c + b"!"),
    "corrupt-tag-file": lambda f: rewrite(f, INFO, lambda c: re.sub(rb"Oxum: \d+", b"Oxum: 1", c)),
    "extra-file-in-bag": lambda f: tamper.file_added(f, "data/extra.txt"),
    "notAllManifestsListAllFiles": second_manifest,
    "same-filename-listed-twice-with-different-hashes": listed_twice(same=False),
    "same-filename-listed-twice-with-the-same-hash": listed_twice(same=True),
    "out-of-scope-file-paths-using-dot-notation": add(MANIFEST, b"0" * 64 + b"  data/../../elsewhere\n"),
    "out-of-scope-file-paths-using-absolute-path": add(MANIFEST, b"0" * 64 + b"  /etc/hostname\n"),
    "out-of-scope-file-paths-using-shortcut": add(MANIFEST, b"0" * 64 + b"  ~/elsewhere\n"),
    "out-of-scope-file-paths-using-dot-notation-for-fetch": fetched("file:///etc/hostname", "../elsewhere"),
    "out-of-scope-file-paths-using-absolute-path-for-fetch": fetched("file:///etc/hostname", "/tmp/elsewhere"),
}


def made_to_fit(folder: Path) -> None:
    """The tag manifest lists what lies there now; signed by the appliance's own key."""
    there = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(TAG_MANIFEST))
    lines = "".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in there)
    rewrite(folder, TAG_MANIFEST, lambda _: lines.encode())
    for ending, content in tamper.KEY.signs(lines.encode()).items():
        rewrite(folder, TAG_MANIFEST + ending, lambda _, content=content: content)  # type: ignore[misc]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_bag_that_breaks_a_rule_is_not_called_intact(case: Callable[[Path], None], copy: Path) -> None:
    case(copy)
    made_to_fit(copy)
    verdict = verify(copy, keys={CARD})
    assert verdict.verdict in {"changed", "unfinished"}, verdict
    assert not (copy.parent / "elsewhere").exists()


def test_made_to_fit_without_any_case_it_is_intact(copy: Path) -> None:
    made_to_fit(copy)
    assert verify(copy, keys={CARD}).verdict == "intact"
