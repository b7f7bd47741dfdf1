"""What tools that are not ours say of a copy: whoever distrusts us has these, and needs nothing else.

Each looks at a copy's folder and finds it in order, or not. They run as a person would run them, by the commands that stand in the
copy's own page and in docs/formats.md.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path


def _runs(folder: Path, *command: str, stdin: Path | None = None) -> subprocess.CompletedProcess[str]:
    given = stdin.read_bytes().decode("latin-1") if stdin is not None and stdin.is_file() else ""
    return subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True, encoding="latin-1", check=False)


def sha256sum(folder: Path) -> bool:
    """Both manifests are in its own form."""
    return all(
        _runs(folder, "sha256sum", "--strict", "--quiet", "-c", manifest).returncode == 0
        for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt")
    )


def bagit(folder: Path) -> bool:
    """The Library of Congress's own; as a command: `python3 -m bagit --validate .`"""
    import bagit as theirs

    logging.getLogger("bagit").disabled = True
    try:
        theirs.Bag(str(folder)).validate()
    except (
        theirs.BagError,
        OSError,
        ValueError,
        AttributeError,
    ):  # the last: it stumbles over a bagit.txt that says things twice
        return False
    return True


def diff(folder: Path) -> bool:
    """find and diff: the names that lie there are those that the manifests list, with the few that no manifest can list."""
    names = "manifest-sha256.txt tagmanifest-sha256.txt"
    outside = "tagmanifest-sha256.txt tagmanifest-sha256.txt.sig tagmanifest-sha256.txt.tsq data"
    listed = f"(cut -c67- {names}; printf '%s\\n' {outside}) | LC_ALL=C sort"
    lying = "find . -mindepth 1 | cut -c3- | LC_ALL=C sort"
    return _runs(folder, "bash", "-c", f"diff <({listed}) <({lying})").returncode == 0


def ssh_keygen(folder: Path) -> str | None:
    """The fingerprint of the key whose good signature the copy bears; None if it bears none."""
    words = ("-Y", "verify", "-f", "allowed_signers", "-I", "meeting-recorder", "-n", "meeting-recorder")
    manifest = folder / "tagmanifest-sha256.txt"
    said = _runs(folder, "ssh-keygen", *words, "-s", "tagmanifest-sha256.txt.sig", stdin=manifest)
    return said.stdout.split()[-1] if said.returncode == 0 else None


def openssl(folder: Path) -> bool:
    """The time-stamp request is over this tag manifest."""
    said = _runs(folder, "openssl", "ts", "-query", "-in", "tagmanifest-sha256.txt.tsq", "-text").stdout
    dump = [line[11:58] for line in said.splitlines() if line.startswith("    00")]
    asked = "".join(dump).replace("-", "").replace(" ", "")
    return asked != "" and asked == _runs(folder, "sha256sum", "tagmanifest-sha256.txt").stdout[:64]


def found_by(folder: Path, card: str) -> tuple[str, ...]:
    """The tools that find something wrong. card: the fingerprint from the card of the room, which nobody at a desk can change."""
    tools: Mapping[str, Callable[[], bool]] = {
        "sha256sum": lambda: sha256sum(folder),
        "bagit.py": lambda: bagit(folder),
        "diff": lambda: diff(folder),
        "openssl": lambda: openssl(folder),
    }
    found = [name for name, fine in tools.items() if not fine()]
    match ssh_keygen(folder):
        case None:
            found.append("ssh-keygen")
        case key if key != card:
            found.append("ssh-keygen + card")
    return tuple(found)
