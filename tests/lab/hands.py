"""Hands on the machine from outside, by QEMU's monitor (QMP): sticks that go in and are pulled out, the display, keys, touch.

A stick may be slow, write-protected, or broken at a sector (EIO on every write there): as sticks on a table are.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from pathlib import Path
from typing import Any, Self

from appliance import protocol


class HandsError(Exception):
    """QEMU does not do that, and says why."""


class Hands:
    """One connection to QEMU's monitor, which takes one at a time: `close` it, or use it in a `with`."""

    def __init__(self, qmp: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        with protocol.address(qmp) as address:
            self._socket.connect(address)
        self._lines = self._socket.makefile("rwb")
        self._lines.readline()
        self.command("qmp_capabilities")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def command(self, name: str, **arguments: Any) -> Any:
        """One QMP command and its answer; HandsError with QEMU's words."""
        self._lines.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        self._lines.flush()
        while answer := json.loads(self._lines.readline()):
            if "error" in answer:
                raise HandsError(f"{name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        return None

    # ── sticks ──

    def plug(
        self,
        name: str,
        image: Path,
        *,
        bytes_a_second: int | None = None,
        readonly: bool = False,
        broken_sector: int | None = None,
    ) -> None:
        """A stick goes in; `name` is its serial number. The image must not be that of a stick that is in."""
        medium: dict[str, Any] = {"driver": "file", "filename": str(image.resolve()), "cache": {"direct": True}}
        if broken_sector is not None:
            error = {"event": "none", "iotype": "write", "errno": 5, "sector": broken_sector, "once": False}
            medium = {"driver": "blkdebug", "image": medium, "inject-error": [error]}
        medium = {"driver": "raw", "file": medium, "read-only": readonly}
        if bytes_a_second is not None:
            self.command(
                "object-add", **{"qom-type": "throttle-group", "id": f"{name}-speed", "limits": {"bps-total": bytes_a_second}}
            )
            medium = {"driver": "throttle", "throttle-group": f"{name}-speed", "file": medium}
        self.command("blockdev-add", **{"node-name": f"{name}-disk", **medium})
        self.command("device_add", driver="usb-storage", id=name, bus="xhci.0", drive=f"{name}-disk", removable=True, serial=name)

    def pull(self, name: str) -> None:
        """It is pulled out, without a warning."""
        self.command("device_del", id=name)
        until = time.monotonic() + 10
        while True:
            try:
                self.command("blockdev-del", **{"node-name": f"{name}-disk"})
                break
            except HandsError:  # QEMU lets go of a device some moments later
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        with contextlib.suppress(HandsError):  # it was not a slow one
            self.command("object-del", id=f"{name}-speed")

    # ── the display ──

    def photograph(self, picture: Path) -> None:
        """What the display shows, as PNG."""
        self.command("screendump", filename=str(picture.resolve()), format="png")

    def type(self, *keys: str) -> None:
        """Somebody types: QEMU's names of keys ('ret', 'a'), with '-' between those that are held together ('ctrl-c')."""
        for key in keys:
            self.command("send-key", keys=[{"type": "qcode", "data": part} for part in key.split("-")])
            time.sleep(0.1)

    def touch(self, x: float, y: float) -> None:
        """Somebody touches the display there, in hundredths of its width and height."""
        place = [
            {"type": "abs", "data": {"axis": axis, "value": int(part / 100 * 0x7FFF)}} for axis, part in (("x", x), ("y", y))
        ]
        for down in (True, False):
            self.command("input-send-event", events=[*place, {"type": "btn", "data": {"down": down, "button": "left"}}])
            time.sleep(0.1)
