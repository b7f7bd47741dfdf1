"""The appliance's own copy is erased, whole and for good, and that can be shown afterwards.

One deletion is a transaction over two lines of the register, and whatever happens in between, the next start ends it:

    deleting     durable before anything is touched: what, why, who
    (the folder gets a name that no recording has, in one step; its files are emptied and removed)
    (a receipt, signed with the appliance's key, lies in `receipts/`)
    deleted      with the receipt's digest

So there is never half a recording, and never a deletion that the register does not know. What software can erase is erased: the
files, what was set aside of the journal, the names. Flash memory may keep old blocks until it needs them; `docs/administration.md`
says what helps against that.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.clock import Clock, rfc3339, stamp
from appliance.disk import Disk, write_whole
from appliance.journal import Value, canonical
from appliance.register import Register
from appliance.store import Recording, Store

RECEIPTS = "receipts"
GOING = ".erasing "
"""Before the id: no recording's name."""

Sign = Callable[[bytes], bytes]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Eraser:
    """All that a deletion needs. For the disk's thread. `receipts` is made when it is needed; `sign` gives an SSHSIG."""

    disk: Disk
    clock: Clock
    store: Store
    register: Register
    receipts: Path
    sign: Sign

    def erase(self, recording: Recording, why: str, by: str) -> None:
        """OSError: what is not done yet is done at the next start."""
        kept = self.register.of(recording.id)
        kept.folder = kept.folder or recording.folder.name
        self._enter("deleting", {"id": recording.id, "folder": recording.folder.name, "why": why, "by": by})
        self._go_on(recording.id, why, by)

    def finish(self) -> None:
        """At a start: what a kill left half done. What the disk refuses is left for the next start."""
        for which in self.register.being_deleted:
            began = self.register.of(which).deletion
            try:
                self._go_on(which, began.why if began else "", began.by if began else "")
            except OSError:
                log.exception("%s could not be erased; the next start tries again", which)

    def _go_on(self, which: str, why: str, by: str) -> None:
        folder = self.store.folder / self.register.of(which).folder
        going = self.store.folder / f"{GOING}{which}"
        if folder.is_dir() and not going.exists():
            self.disk.rename(folder, going)
        self.disk.sync_folder(self.store.folder)
        self._empty(going)
        self._empty(Recording(which, folder).set_aside)
        self.disk.sync_folder(self.store.folder)
        receipt = self._receipt(which, why, by)
        self._enter("deleted", {"id": which, "receipt": hashlib.sha256(receipt).hexdigest()})

    def _empty(self, folder: Path) -> None:
        """Every file to nothing, then without a name: a file that somebody holds open gives up its blocks, too."""
        if not folder.is_dir():
            return
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                self.disk.sync_folder(path)
                path.rmdir()
                continue
            if path.is_file() and not path.is_symlink():
                self._to_nothing(path)
            self.disk.remove(path)
        self.disk.sync_folder(folder)
        folder.rmdir()
        self.disk.sync_folder(folder.parent)

    def _to_nothing(self, path: Path) -> None:
        path.chmod(0o600)
        fd = self.disk.open(path)
        try:
            self.disk.truncate(fd, 0)
            self.disk.sync(fd)
        finally:
            self.disk.close(fd)

    def _receipt(self, which: str, why: str, by: str) -> bytes:
        """What the organisation once had, and that it is gone: times and digests, no names of the people at the table, no sound.

        Written once: what a kill left whole stands as it is.
        """
        path = self.receipts / f"{which}.json"
        if path.exists() and path.with_suffix(".json.sig").exists():
            return path.read_bytes()
        kept = self.register.of(which)
        times = {"begun": kept.begun_at, "sealed": kept.sealed_at, "handed_over": kept.handed_over_at}
        said: dict[str, Value] = {
            "id": which,
            "sha256": kept.sha256,
            "journal": kept.journal_head,
            "milliseconds": int(kept.seconds * 1000),
            "why": why,
            "by": by,
            "deleted": stamp(self.clock, self.clock.monotonic_ns()),
            **{name: rfc3339(time) if time else None for name, time in times.items()},
        }
        receipt = canonical(said) + b"\n"
        if not self.receipts.is_dir():
            self.disk.make_folder(self.receipts)
            self.disk.sync_folder(self.receipts.parent)
        write_whole(self.disk, path, receipt)
        write_whole(self.disk, path.with_suffix(".json.sig"), self.sign(receipt))
        return receipt

    def _enter(self, event: str, fields: Mapping[str, Value]) -> None:
        now = stamp(self.clock, self.clock.monotonic_ns())
        self.register.add(event, {**fields, **now, "boot": self.clock.boot()})
