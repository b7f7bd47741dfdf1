"""FOLDER [FINGERPRINT]: a verifier of copies by somebody else, from docs/formats.md alone, with Python's standard library only."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

Point = tuple[int, int]
Found = tuple[str, str, "tuple[float, float] | None"]  # what, file, from which second to which
TAG, WAV, JOURNAL, AGREEMENT = "tagmanifest-sha256.txt", "data/gesprek.wav", "data/journal.jsonl", "data/agreement.txt"
FORGIVEN = re.compile(
    r"(?i)(eh)?thumbs\.db|\.ds_store|desktop\.ini|\._.*|/system volume information|/\.(spotlight-v100|trashes|fseventsd)"
)
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493  # Ed25519, RFC 8032, 5.1
D = -121665 * pow(121666, -1, P) % P


def add(p: Point, q: Point) -> Point:
    t = D * p[0] * q[0] * p[1] * q[1] % P
    return (p[0] * q[1] + q[0] * p[1]) * pow(1 + t, -1, P) % P, (p[1] * q[1] + p[0] * q[0]) * pow(1 - t, -1, P) % P


def times(s: int, p: Point) -> Point:
    half = times(s >> 1, p) if s > 1 else (0, 1)
    twice = add(half, half)
    return add(twice, p) if s & 1 else twice


def point(b: bytes) -> Point:
    y = int.from_bytes(b, "little") & ~(1 << 255)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    roots = [
        x for turn in (1, pow(2, (P - 1) // 4, P)) if ((x := pow(square, (P + 3) // 8, P) * turn % P) ** 2 - square) % P == 0
    ]
    return next((x if x & 1 == b[31] >> 7 else P - x) for x in roots), y


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    s, h = (int.from_bytes(b, "little") for b in (signature[32:], hashlib.sha512(signature[:32] + key + message).digest()))
    return s < L and times(s, point(b"\x58" + b"\x66" * 31)) == add(point(signature[:32]), times(h % L, point(key)))


def string(b: bytes) -> bytes:
    return len(b).to_bytes(4, "big") + b


def digest(content: Path | bytes) -> str:
    return hashlib.sha256(content if isinstance(content, bytes) else content.read_bytes()).hexdigest()


def look_at_signature(folder: Path, expected: str | None) -> list[Found]:
    signature, tag, signers = folder / f"{TAG}.sig", folder / TAG, folder / "allowed_signers"
    if not signature.is_file() or not tag.is_file():
        return [("missing" if expected or signers.exists() else "unsigned", signature.name, None)]
    asked = bytes.fromhex(f"30390201013031300d060960864801650304020105000420{digest(tag)}0101ff")
    found: list[Found] = [] if (folder / f"{TAG}.tsq").read_bytes() == asked else [("changed", f"{TAG}.tsq", None)]
    key, ours = base64.b64decode(signers.read_text("latin-1").split()[-1])[-32:], (b"meeting-recorder", b"", b"sha512")
    blob, given = string(b"ssh-ed25519") + string(key), signature.read_text("latin-1")
    message = b"SSHSIG" + b"".join(map(string, (*ours, hashlib.sha512(tag.read_bytes()).digest())))
    try:
        signed = base64.b64decode("".join(given.splitlines()[1:-1]), validate=True)[-64:]
        whole = b"SSHSIG\0\0\0\1" + b"".join(map(string, (blob, *ours, string(b"ssh-ed25519") + string(signed))))
        lines = re.findall(".{1,70}", base64.b64encode(whole).decode())
        armour = "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])
        good = given == armour and is_signed(key, message, signed)
    except (ValueError, StopIteration):
        good = False
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    if not good or expected not in {None, fingerprint}:
        found.append(("key" if good else "signature", signature.name, None))
    return found


def look_at_files(folder: Path) -> list[Found]:
    found, listed = list[Found](), dict[str, str]()
    for manifest in [name for name in ("manifest-sha256.txt", TAG) if (folder / name).is_file()]:
        content = (folder / manifest).read_bytes()
        if not re.fullmatch(rb"([0-9a-f]{64}  [^\r\n]+\n)+", content):
            found.append(("changed", manifest, None))
        listed |= {line[66:]: line[:64] for line in content.decode("utf-8", "replace").splitlines()}
    for path in sorted([*folder.iterdir(), *(folder / "data").iterdir()]):
        name, is_folder = str(path.relative_to(folder)), path.is_dir() and not path.is_symlink()
        if path.is_symlink() or not (path.is_file() or is_folder):
            found.append(("strange", name, None))
        elif name in listed and not is_folder:
            found += [("changed", name, None)] if digest(path) != listed[name] else []
        elif name not in {"data", TAG, f"{TAG}.sig", f"{TAG}.tsq"} and not FORGIVEN.fullmatch("/" * is_folder + path.name):
            found.append(("added", name, None))
    return found + [("missing", name, None) for name in listed if not (folder / name).is_file()]


def read_journal(path: Path) -> tuple[list[Found], list[dict[str, Any]]]:
    found, lines, head, sure, rate = list[Found](), list[dict[str, Any]](), "0" * 64, 0.0, 1
    for n, line in enumerate(path.read_bytes().split(b"\n")[:-1] if path.is_file() else ()):
        entry = json.loads(line)
        rate, is_sound = entry.get("rate", rate), entry["event"] == "audio"
        here = entry["from"] / rate if is_sound else entry.get("frame", sure * rate) / rate
        if not found and (entry["n"], entry["prev"]) != (n, head):
            found.append(("journal", JOURNAL, (sure, max(sure, here))))
        sure, head, lines = here if is_sound else sure, digest(line), [*lines, entry]
    return found if found or (lines and lines[-1]["event"] == "sealed") else [("journal", JOURNAL, None)], lines


def look_at_sound(content: bytes, lines: list[dict[str, Any]]) -> list[Found]:
    started, sealed = ({**next((x for x in lines if x["event"] == event), {})} for event in ("started", "sealed"))
    if not started or not sealed or digest(content) == sealed["sha256"]:
        return []
    size, header = started["bits"] // 8 * started["channels"], content.find(b"data") + 8
    second, end, sizes = size * started["rate"], sealed["frames"] * size, int.from_bytes(content[header - 4 : header], "little")
    parts = [(x["from"] * size, (x["from"] + x["frames"]) * size, x["sha256"]) for x in lines if x["event"] == "audio"]

    def fits(n: int, at: int) -> bool:
        return bool(at + parts[n][0] >= 0 and parts[n][2] == digest(content[at + parts[n][0] : at + parts[n][1]]))

    at = header if not fits(0, 1024) and fits(0, header) else 1024
    bad = [n for n in range(len(parts)) if not fits(n, at)]
    if not bad:
        return [("audio-added", WAV, (end / second, end / second)) if sizes > end else ("header", WAV, None)]
    for shift in {len(content) - sealed["bytes"], sizes - end} - {0}:
        moved = next((n for n in reversed(range(len(parts))) if not fits(n, at + shift)), -1) + 1
        if moved < len(parts) and bad[-1] == len(parts) - 1:
            here = parts[bad[0]][0] / second, parts[max(moved, bad[0])][0] / second
            return [("audio-missing" if shift < 0 else "audio-added", WAV, here)]
    if len(content) < at + end and (len(bad) < len(parts) or len(content) <= at):
        return [("audio-missing", WAV, (max(0, len(content) - at) / second, end / second))]
    return [("audio", WAV, (parts[n][0] / second, parts[n][1] / second)) for n in bad]


def verify(folder: Path, expected: str | None = None) -> tuple[str, list[Found]]:
    if not (folder / "bagit.txt").is_file():
        return "unfinished", []
    declared = (folder / "bagit.txt").read_bytes() == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    found: list[Found] = [] if declared else [("changed", "bagit.txt", None)]
    found += look_at_files(folder) + look_at_signature(folder, expected)
    wrong, lines = read_journal(folder / JOURNAL)
    wording = next((x["wording"] for x in lines if x["event"] == "started"), None)
    if (folder / AGREEMENT).is_file() and digest(folder / AGREEMENT) != wording:
        found.append(("agreement", AGREEMENT, None))
    accused = (folder / WAV).is_file() and (not wrong or ("changed", WAV, None) in found)
    found += wrong + (look_at_sound((folder / WAV).read_bytes(), lines) if accused else [])
    return "intact" if not found else "unknown" if [what for what, _, _ in found] == ["unsigned"] else "changed", found


if __name__ == "__main__":
    print(*verify(Path(sys.argv[1]), *sys.argv[2:3]), sep="\n")
