"""The bag: every file against the manifests, and what the Library of Congress's own library says of them."""

from __future__ import annotations

import hashlib
import logging
import re
from typing import TYPE_CHECKING

from appliance.copies.bag import DECLARATION
from appliance.copies.names import PAYLOAD, SIGNATURES, TAG_MANIFEST, WHOLE
from appliance.copies.verify.case import ADDED, FILE, LARGEST_TEXT, MISSING, TOO_LARGE, Case
from appliance.words import N_

if TYPE_CHECKING:
    import bagit

_AS_WE_WRITE_IT = re.compile(rb"([0-9a-f]{64}  [^\r\n]+\n)+")
"""What reads this file reads capitals and tabs as well; we write neither."""
_OTHER_MANIFEST = re.compile(r"(tag)?manifest-(?!sha256\.txt).*", re.IGNORECASE)
"""A second list in another algorithm might list fewer files (RFC 8493 forbids that in 1.0); we write none."""
_BAG = N_("The list of files is not in order: {why}.")


def read_bag(case: Case) -> bagit.Bag | None:
    """None where there is no whole bag, or one that a library should not be sent into."""
    if case.alone or WHOLE not in case.files or case.found("strange"):
        return None
    if case.digests.get(WHOLE) != hashlib.sha256(DECLARATION).hexdigest():
        case.find("changed", WHOLE, FILE)
        return None
    if large := [name for name in case.files if "/" not in name and (case.top / name).stat().st_size > LARGEST_TEXT]:
        case.find("bag", large[0], TOO_LARGE)
        return None
    import bagit

    logging.getLogger(bagit.__name__).disabled = True  # what it logs stands in what it raises
    try:
        return bagit.Bag(str(case.top))
    except (bagit.BagError, OSError, ValueError) as error:
        case.find("bag", None, _BAG, why=error)
        return None


def manifest_digest(bag: bagit.Bag | None, name: str) -> str | None:
    return str(bag.entries[name].get("sha256", "")).lower() if bag and name in bag.entries else None


def judge_files(case: Case, bag: bagit.Bag) -> None:
    """Every file but the WAV against its digest in the manifests; what they do not list was added."""
    outside = {TAG_MANIFEST, *SIGNATURES}
    for name in sorted(set(bag.entries) - set(case.files)):
        case.find("missing", name, MISSING)
    if TAG_MANIFEST in case.files and not _AS_WE_WRITE_IT.fullmatch((case.top / TAG_MANIFEST).read_bytes()):
        case.find("changed", TAG_MANIFEST, FILE)
    for name in case.files:
        if (name not in bag.entries and name not in outside) or _OTHER_MANIFEST.fullmatch(name):
            case.find("added", name, ADDED)
        elif name in bag.entries and name != case.wav_name and case.digests.get(name, "") not in {"", manifest_digest(bag, name)}:
            case.find("changed", name, FILE)


def second_opinion(case: Case, bag: bagit.Bag) -> None:
    """What the Library of Congress's library says of structure, totals and completeness. The digests are compared already."""
    import bagit

    if any(name.startswith(f"{PAYLOAD}/") for name in case.forgiven):
        bag.info.pop("Payload-Oxum", None)  # its totals cannot know what is forgiven
    try:
        bag.validate(completeness_only=True)
    except (bagit.BagError, OSError, ValueError) as error:
        details = getattr(error, "details", [])
        beside = [one for one in details if not any(f"{one.path}/".startswith(f"{name}/") for name in case.forgiven)]
        if beside or not details:
            case.find("bag", None, _BAG, why=error)
