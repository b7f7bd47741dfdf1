"""A mirror: the child process that makes one copy of one recording on one stick, while the meeting is still going on.

    python -m appliance.copies.mirror --original FOLDER --stick DIR --lock FILE
    python -m appliance.copies.mirror --note FOLDER-NAME --stick DIR --lock FILE

What it promises:
- A byte counts as verified when it was written, synced, read back past the page cache and found equal to the
  original's. Not before.
- Nothing of the sound is written or read twice, but the first 4096 bytes: what was verified during the meeting is not
  touched after it. That holds for a copy made in one go; see below.
- The folder gets its name as the last step, when every file in it was verified; until then it is called '…
  (onvolledig)', and its WAV plays up to where the copy is. Nothing that was there before is ever overwritten, but an
  unfinished copy of this very recording.
- The original is only read. Whatever becomes of this process, the next one goes on from what is on the stick.

Why a process: a thread that hangs in a dying stick's fsync can be neither ended nor left behind, and would hold up the
service's own end. So one child a stick, small (few imports; 16 MB at its peak, 7 of them its own), and what it knows
is on the stick. It ends when its standard input does.

Control on standard input and reports on standard output are newline-delimited JSON:

    {"do":"follow","durable":N}     the first N bytes of data/gesprek.wav are synced; the newest counts
    {"do":"seal"}                   the original is a whole bag: copy all of it and come to an end
    {"do":"note","file":NAME,"text":TEXT,"at":SECONDS}     with --note: that one file, with that modification time
    {"is":"copying","folder":PATH,"bytes":N,"verified_bytes":N,"bytes_a_second":N}
    {"is":"verified","folder":PATH,"method":"direct"|"fadvise","bytes":N,"verified_bytes":N}
    {"is":"failed","code":"full"|"foreign"|"different"|"broken"|"busy"|"readonly"|"gone"|"original","detail":TEXT}

`bytes` is how much there is to copy as far as is known. While following, `verified_bytes` is the offset in the WAV up
to which the copy is verified, the first 4096 bytes apart; after the seal it counts every file. `bytes_a_second` is what
the stick does while it works.

The first 4096 bytes. The sizes in a WAV's header change with every second. A copy is behind its original, so at each
sync the mirror puts in front the header for *its own* length; the original's final one comes at the seal. Until then
only whole blocks of 4096 are copied.

The last look. FAT has no journal, and Linux writes a file's entry before the table that says whose its clusters are: after
a power cut or a pull the table may call clusters free that a file is in, and the next file gets them too. What was right
when it was verified is another file's then. So when all is written, and before the folder gets its name, every
small file and the sound's first 4096 bytes are read past the cache once more; and if anything of the copy was there before
this process began, all of it is. That costs a pass over the stick after the stop, only then.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import select
import sys
import time

from appliance.copies.medium import BLOCK, CHUNK, CopyError, Medium, code_of
from appliance.copies.names import (
    AGREEMENT,
    GROWING,
    JOURNAL,
    PAYLOAD,
    UNFINISHED,
    WAV,
    WHOLE,
    StrangeFolderError,
    file_names,
    is_a_computers,
)

_REPORT_EVERY = 0.25
_SPEED_OVER = 4.0
_HEADER, _ELSEWHERE = 1024, 0xFFFF_FFFF


class NothingMoreError(Exception):
    """The parent closed its end, or is no more: so is this process."""


def own_head(head: bytes, length: int) -> bytes:
    """The WAV's first bytes, for a copy that is `length` bytes long so far: what `audio.wav.resized` makes of the header.

    It is said twice because that module would make this process half as large again (a test holds the two together).
    The sizes stand in three places: EBU 3285's RIFF and data, and past 4 GiB EBU 3306's ds64, which takes the place of JUNK.
    """
    frame = int.from_bytes(head[68:70], "little")
    frames = (length - _HEADER) // frame
    riff, audio = _HEADER + frames * frame - 8, frames * frame
    if riff < _ELSEWHERE:
        front = b"RIFF" + riff.to_bytes(4, "little") + b"WAVEJUNK\x1c\0\0\0" + bytes(28)
    else:
        sizes = b"".join(size.to_bytes(8, "little") for size in (riff, audio, frames))
        front = b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0" + sizes + bytes(4)
    size = audio if riff < _ELSEWHERE else _ELSEWHERE
    return front + head[48:1020] + size.to_bytes(4, "little") + head[_HEADER:]


# What is copied.


class Original:
    """A recording's folder on the appliance. Trouble in here is never the stick's: CopyError (original)."""

    payload = True

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.name = folder.rstrip("/").rpartition("/")[2]

    def names(self) -> list[str]:
        """Every file there is now, `bagit.txt` last."""
        try:
            return file_names(self._folder)
        except (OSError, StrangeFolderError) as error:
            raise CopyError("original", str(error)) from error

    def all_names(self) -> list[str]:
        """Every file of the whole bag."""
        names = self.names()
        if WHOLE not in names:
            raise CopyError("original", f"{WHOLE} is missing in {self._folder}")
        return names

    def stamp(self, name: str) -> tuple[int, int] | None:
        """Size in bytes and modification time in nanoseconds; of a folder too. None if it is not there."""
        try:
            found = os.lstat(f"{self._folder}/{name}")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CopyError("original", str(error)) from error
        return found.st_size, found.st_mtime_ns

    def size(self, name: str) -> int:
        """Bytes; 0 if it is not there."""
        stamp = self.stamp(name)
        return stamp[0] if stamp else 0

    def piece(self, name: str, offset: int, length: int) -> bytes:
        """Exactly these bytes. What was promised and is not there: it shrank, which cannot be."""
        got = self._read(name, offset, length)
        if len(got) < length:
            raise CopyError("original", f"{name} ends at byte {offset + len(got)}, before {offset + length}")
        return got

    def beginning(self, name: str) -> bytes:
        """All of a small file that may be replaced at any moment; of a larger one the first chunk."""
        return self._read(name, 0, CHUNK)

    def _read(self, name: str, offset: int, length: int) -> bytes:
        try:
            fd = os.open(f"{self._folder}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                return os.pread(fd, length, offset)
            finally:
                os.close(fd)
        except OSError as error:
            raise CopyError("original", str(error)) from error

    def first_line(self) -> bytes:
        """Of the journal, with its newline: which recording this is. Empty if there is none yet."""
        content = self.beginning(JOURNAL) if self.stamp(JOURNAL) else b""
        return content[: content.find(b"\n") + 1]


class Note:
    """A few words that were agreed on instead of a recording: one file, which no disk but the sticks ever has."""

    payload = False

    def __init__(self, folder_name: str, file: str, text: str, at: int) -> None:
        self.name = folder_name
        self._file, self._content, self._at = file, text.encode(), at

    def names(self) -> list[str]:
        return [self._file]

    all_names = names

    def stamp(self, name: str) -> tuple[int, int]:
        return len(self._content) if name else 0, self._at * 10**9

    def size(self, name: str) -> int:
        return self.stamp(name)[0]

    def piece(self, _name: str, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]

    def beginning(self, _name: str) -> bytes:
        return self._content

    def first_line(self) -> bytes:
        return b""


# What it becomes on the stick.


class FileCopy:
    """One file of the copy: how long it is, and up to where it was read back and found equal to the original (`verified`).

    `found` bytes lay there already when this copy was taken up again: they are compared first, and only the equal part stays.
    What was written and not yet read back is kept in memory, to be compared with.
    """

    def __init__(self, medium: Medium, name: str, fd: int, start: int = 0) -> None:
        self.fd = fd
        self.name = name
        self.found = os.fstat(fd).st_size
        self.verified = start
        self.end = max(start, self.found)
        self._medium = medium
        self._written = b""

    def recall(self, ours: bytes) -> None:
        """Compare the next of what was found with the original's bytes; at the first difference, cut it off there."""
        theirs = self._medium.reader.read(self.fd, self.verified, len(ours))
        if theirs == ours:
            self.verified += len(ours)
        else:
            self.cut(self.verified + _first_difference(ours, theirs))

    def cut(self, length: int) -> None:
        """Let go of what was found behind `length`."""
        os.ftruncate(self.fd, length)
        self.found = self.end = length

    def append(self, piece: bytes) -> None:
        _write(self.fd, piece, self.end)
        self.end += len(piece)
        self._written += piece

    def check(self, *, whole: bool) -> None:
        """Read back what was written and synced; of the last block only if `whole`, as it will still be written to otherwise."""
        upto = self.end if whole else max(self.verified, self.end // BLOCK * BLOCK)
        while self.verified < upto:
            length = min(CHUNK, upto - self.verified)
            _must_equal(self._medium, self.fd, self.name, self.verified, self._written[:length])
            self.verified += length
            self._written = self._written[length:]


def _must_equal(medium: Medium, fd: int, name: str, offset: int, ours: bytes) -> None:
    theirs = medium.reader.read(fd, offset, len(ours))
    if theirs != ours:
        at = offset + _first_difference(ours, theirs)
        raise CopyError("different", f"{name} was read back different at byte {at} ({medium.reader.method})")


def _first_difference(ours: bytes, theirs: bytes) -> int:
    """The first byte in which they differ, or where the shorter one ends."""
    low, high = 0, min(len(ours), len(theirs))
    while low < high:
        middle = (low + high + 1) // 2
        if ours[low:middle] == theirs[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _write(fd: int, content: bytes, offset: int) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest, offset = rest[written:], offset + written


class Control:
    """What the parent said last."""

    def __init__(self) -> None:
        self.durable = 0
        self.sealed = False
        self.note: tuple[str, str, int] | None = None
        self._rest = b""

    def look(self, *, wait: bool = False) -> None:
        """Take in what there is to read, or wait for something. NothingMoreError at the end of it."""
        while select.select([sys.stdin.fileno()], [], [], None if wait else 0)[0]:
            got = os.read(sys.stdin.fileno(), 1 << 16)
            if not got:
                raise NothingMoreError
            *lines, self._rest = (self._rest + got).split(b"\n")
            for line in lines:
                self._obey(json.loads(line))
            wait = wait and not lines

    def _obey(self, said: dict[str, object]) -> None:
        match said:
            case {"do": "follow", "durable": int(durable)}:
                self.durable = durable
            case {"do": "seal"}:
                self.sealed = True
            case {"do": "note", "file": str(file), "text": str(text), "at": int(at)}:
                self.note = (file, text, at)
                self.sealed = True
            case _:
                raise ValueError(f"not a thing to do: {said!r}")


def say(**report: object) -> None:
    """One report to the parent."""
    try:
        os.write(sys.stdout.fileno(), json.dumps(report).encode() + b"\n")
    except BrokenPipeError as gone:
        raise NothingMoreError from gone


class Mirror:
    """One copy: `follow` while the recording grows, `finish` when it is sealed.

    After any error a new one takes up what is there.
    """

    def __init__(self, source: Original | Note, medium: Medium, control: Control) -> None:
        self._source = source
        self._medium = medium
        self._control = control
        self._folder: int | None = None
        self._data: int | None = None
        self._growing: dict[str, FileCopy] = {}
        self._was_there = False
        self._agreement: tuple[int, int] | None = None
        self._verified: dict[str, int] = {}
        self._sealed = False
        self._total = 0
        self._busy = self._moved = 0.0
        self._reported = 0.0

    # While the meeting goes on.

    def follow(self, durable: int) -> bool:
        """Bring the copy one piece further towards the original's synced bytes; False if there is nothing to do yet."""
        limit = durable // BLOCK * BLOCK
        if limit <= BLOCK or not (self._growing or self._begin()):
            return False
        wav = self._growing[WAV]
        if wav.verified >= limit:
            return False
        since, before = time.monotonic(), wav.verified
        self._must_be_there()
        if wav.verified < wav.found:
            self._recall(wav, limit)
        else:
            self._add_audio(wav, limit)
            self._take_along()
        self._total, self._verified[WAV] = durable, wav.verified
        self._worked(since, wav.verified - before, now=wav.verified >= limit)
        return True

    def _add_audio(self, wav: FileCopy, limit: int) -> None:
        wav.append(self._source.piece(WAV, wav.end, min(CHUNK, limit - wav.end)))
        _write(wav.fd, own_head(self._source.piece(WAV, 0, BLOCK), wav.end), 0)
        os.fdatasync(wav.fd)
        wav.check(whole=True)

    def _take_along(self) -> None:
        """The journal's lines up to now, and the agreement if it is new: a copy that breaks off here tells what it is."""
        journal = self._growing[JOURNAL]
        if self._source.size(JOURNAL) < journal.verified:
            raise CopyError("original", f"{JOURNAL} has become shorter")
        upto = self._whole_lines(journal.end)
        if upto > journal.end:
            journal.append(self._source.piece(JOURNAL, journal.end, upto - journal.end))
            os.fdatasync(journal.fd)
            journal.check(whole=False)
        agreement = self._source.stamp(AGREEMENT)
        if agreement and agreement != self._agreement:
            self._lay(AGREEMENT, self._source.beginning(AGREEMENT))
            self._agreement = agreement

    def _lay(self, name: str, content: bytes) -> None:
        """A small file, as it is now; `finish` looks again."""
        file = self._open(name)
        if file.found:
            file.recall(content[: file.found])
        if file.found > file.verified:
            file.cut(file.verified)
        file.append(content[file.end :])
        os.fdatasync(file.fd)
        file.check(whole=True)
        os.close(file.fd)

    def _whole_lines(self, start: int) -> int:
        """Up to where the original's journal has whole lines, looking at most one chunk behind `start`."""
        new = self._source.piece(JOURNAL, start, max(0, min(CHUNK, self._source.size(JOURNAL) - start)))
        return start + new.rfind(b"\n") + 1

    def _begin(self) -> bool:
        """Make the folder, or take up the one that is there: journal first, so that whatever is in there is known to be ours."""
        if not self._source.first_line():
            return False
        if self._medium.exists(self._source.name, self._medium.root):
            raise CopyError("foreign", f"{self._source.name} is on the stick already")
        self._enter()
        journal = self._open(JOURNAL)
        while journal.verified < journal.found:
            self._recall(journal, self._whole_lines(journal.verified))
        self._growing[JOURNAL] = journal
        self._take_along()
        self._growing[WAV] = self._open(WAV, BLOCK)
        os.fsync(self._place(WAV)[1])
        self._report(now=True)
        return True

    def _recall(self, file: FileCopy, limit: int) -> None:
        if file.verified >= limit:
            file.cut(file.verified)
        else:
            upto = min(file.found, limit, file.verified + CHUNK)
            file.recall(self._source.piece(file.name, file.verified, upto - file.verified))

    # When it is sealed.

    def finish(self) -> None:
        """Bring every file to its end, verify it, and give the folder its name."""
        names = self._source.all_names()
        self._sealed = True
        self._total = sum(map(self._source.size, names))
        root, final = self._medium.root, self._source.name
        if self._folder is None and self._medium.exists(final, root):
            self._compare(names)
        else:
            self._enter()
            self._report(now=True)
            for name in sorted(names, key=JOURNAL.__ne__):  # first what says whose the rest is
                self._complete(name)
            self._settle_folders(names)
            self._look_once_more(names)
            if self._medium.exists(final, root):
                raise CopyError("foreign", f"{final} is on the stick already")
            # Were somebody to make that name just now: rename(2) replaces a folder only if it is empty.
            os.rename(final + UNFINISHED, final, src_dir_fd=root, dst_dir_fd=root)
        # On FAT the new name tells where the folder lies only when the folder itself is synced; the root's sync leaves that out.
        if self._folder is not None:
            os.fsync(self._folder)
        os.fsync(root)
        self._must_be_there()
        self._say_verified()

    def _complete(self, name: str) -> None:
        """Bring one file to its end; whatever of it was verified before is not read or written again."""
        start = BLOCK if name == WAV else 0
        file = self._growing.get(name) or self._open(name, start)
        size = self._source.size(name)
        if file.found > size and file.verified <= max(size, start):
            file.cut(size)
        elif file.end > max(size, start):
            raise CopyError("original", f"{name} has become shorter: {size} bytes")
        while file.verified < size:
            since, before = time.monotonic(), file.verified
            self._must_be_there()
            if file.verified < file.found:
                self._recall(file, size)
            else:
                file.append(self._source.piece(name, file.end, min(CHUNK, size - file.end)))
                os.fdatasync(file.fd)
                file.check(whole=True)
            self._count(name, file.verified)
            self._worked(since, file.verified - before)
            self._control.look()
        head = self._source.piece(name, 0, min(start, size))
        if self._medium.reader.read(file.fd, 0, len(head)) != head:
            _write(file.fd, head, 0)
        self._set_time(file.fd, name)
        os.fsync(file.fd)
        _must_equal(self._medium, file.fd, name, 0, head)
        self._count(name, size)
        if name not in self._growing:
            os.close(file.fd)

    def _set_time(self, fd: int, name: str) -> None:
        stamp = self._source.stamp(name)
        if stamp:
            os.utime(fd, ns=(stamp[1], stamp[1]))

    def _settle_folders(self, names: list[str]) -> None:
        for fd, name in ((self._data, PAYLOAD), (self._folder, "")):
            if fd is not None:
                self._set_time(fd, name)
                os.fsync(fd)
        there = self._listing()
        wanted = {name: self._source.size(name) for name in names}
        if there != wanted:
            odd = min(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))
            raise CopyError("foreign", f"{odd} has {there.get(odd)} bytes on the stick and {wanted.get(odd)} here")

    def _look_once_more(self, names: list[str]) -> None:
        for name in names:
            size = self._source.size(name)
            end = size if self._was_there or name != WAV else min(BLOCK, size)
            fd = self._medium.open_file(*self._place(name), writing=False)
            self._read_again(fd, name, end)
            os.close(fd)

    def _read_again(self, fd: int, name: str, end: int) -> None:
        for offset in range(0, end, CHUNK):
            since = time.monotonic()
            self._must_be_there()
            piece = self._source.piece(name, offset, min(CHUNK, end - offset))
            _must_equal(self._medium, fd, name, offset, piece)
            self._worked(since, len(piece))
            self._control.look()

    def _compare(self, names: list[str]) -> None:
        """A folder of that name is there: ours, whole and equal, or a failure. Nothing is written."""
        self._folder = self._medium.open_folder(self._source.name, self._medium.root)
        there = self._listing()
        if there.keys() != set(names) or not self._starts_as_ours(there):
            raise CopyError("foreign", f"another {self._source.name} is on the stick")
        for name in names:
            size = self._source.size(name)
            if there[name] != size:
                raise CopyError("different", f"{name} has {there[name]} bytes on the stick and {size} here")
            fd = self._medium.open_file(*self._place(name), writing=False)
            for offset in range(0, size, CHUNK):
                since = time.monotonic()
                piece = self._source.piece(name, offset, min(CHUNK, size - offset))
                _must_equal(self._medium, fd, name, offset, piece)
                self._count(name, offset + len(piece))
                self._worked(since, len(piece))
                self._control.look()
            os.close(fd)

    # The folder on the stick.

    def _enter(self) -> None:
        if self._folder is not None:
            return
        root, name = self._medium.root, self._source.name + UNFINISHED
        if self._medium.exists(name, root):
            self._folder = self._medium.open_folder(name, root)
            self._was_there = True
            self._must_be_ours()
        else:
            self._folder = self._medium.make_folder(name, root)
        if self._source.payload and self._data is None:
            self._data = self._medium.make_folder(PAYLOAD, self._folder)

    def _must_be_ours(self) -> None:
        """Only our names, and the journal of this recording; or nothing of worth yet."""
        there = self._listing()
        if strange := there.keys() - set(self._source.names()) - (set(GROWING) if self._source.payload else set()):
            raise CopyError("foreign", f"{min(strange)} in {self._source.name}{UNFINISHED} is not ours")
        if not self._starts_as_ours(there):
            raise CopyError("foreign", f"{self._source.name}{UNFINISHED} is not of this recording")

    def _starts_as_ours(self, there: dict[str, int]) -> bool:
        first, theirs = self._source.first_line(), b""
        if JOURNAL in there:
            fd = self._medium.open_file(*self._place(JOURNAL), writing=False)
            theirs = self._medium.reader.read(fd, 0, min(len(first), CHUNK))
            os.close(fd)
        nothing_else = not any(size for name, size in there.items() if name != JOURNAL)
        return theirs == first or (nothing_else and first.startswith(theirs))

    def _listing(self) -> dict[str, int]:
        """Names and sizes of what is in the folder; anything but regular files and `data` is foreign.

        What a computer left there in passing, while it was out, is neither: it is not even opened.
        """
        sizes: dict[str, int] = {}
        folder = self._folder if self._folder is not None else -1
        for name in _names_in(folder):
            if name == PAYLOAD and self._source.payload:
                if self._data is None:
                    self._data = self._medium.open_folder(PAYLOAD, folder)
                sizes |= {f"{PAYLOAD}/{inner}": self._file_size(inner, self._data) for inner in _names_in(self._data)}
            else:
                sizes[name] = self._file_size(name, folder)
        return sizes

    def _file_size(self, name: str, at: int) -> int:
        fd = self._medium.open_file(name, at, writing=False)
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def _place(self, name: str) -> tuple[str, int]:
        """A relative name as a plain one and the open folder it is in."""
        inner = name.removeprefix(f"{PAYLOAD}/")
        at = self._data if inner != name else self._folder
        if at is None or "/" in inner:
            raise CopyError("original", f"{name} has no place in a recording's folder")
        return inner, at

    def _open(self, name: str, start: int = 0) -> FileCopy:
        inner, at = self._place(name)
        there = self._medium.exists(inner, at)
        fd = self._medium.open_file(inner, at, writing=True) if there else self._medium.create_file(inner, at)
        return FileCopy(self._medium, name, fd, start)

    def _must_be_there(self) -> None:
        if not self._medium.is_there():
            raise CopyError("gone", f"{self._medium.path} is no longer there")

    # Saying so.

    def _count(self, name: str, verified: int) -> None:
        self._verified[name] = max(verified, self._verified.get(name, 0))

    def _worked(self, since: float, moved: int, *, now: bool = False) -> None:
        self._busy += time.monotonic() - since
        self._moved += moved
        if self._busy > _SPEED_OVER:
            self._busy, self._moved = self._busy / 2, self._moved / 2
        self._report(now=now)

    def _report(self, *, now: bool = False) -> None:
        if now or time.monotonic() - self._reported >= _REPORT_EVERY:
            self._reported = time.monotonic()
            say(
                **{"is": "copying"},
                folder=f"{self._medium.path}/{self._source.name}{UNFINISHED}",
                bytes=self._total,
                verified_bytes=sum(self._verified.values()) if self._sealed else self._verified.get(WAV, 0),
                bytes_a_second=round(self._moved / self._busy) if self._busy else 0,
            )

    def _say_verified(self) -> None:
        say(
            **{"is": "verified"},
            folder=f"{self._medium.path}/{self._source.name}",
            method=self._medium.reader.method,
            bytes=self._total,
            verified_bytes=sum(self._verified.values()),
        )


def _names_in(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if not is_a_computers(entry.name, entry.stat(follow_symlinks=False).st_mode)]


# The process.


def _copy(options: argparse.Namespace, medium: Medium) -> None:
    control = Control()
    control.look(wait=True)
    if options.original:
        source: Original | Note = Original(options.original)
    else:
        while control.note is None:
            control.look(wait=True)
        source = Note(options.note, *control.note)
    mirror = Mirror(source, medium, control)
    while not control.sealed:
        if not mirror.follow(control.durable):
            control.look(wait=True)
        control.look()
    mirror.finish()
    while True:
        control.look(wait=True)


def _take_lock(path: str) -> int:
    """Held until this process is no more: also while it hangs in the kernel and its parent is long gone."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as held:
        raise CopyError("busy", f"{path} is held by a mirror of before") from held
    return fd


def _run(options: argparse.Namespace) -> None:
    _take_lock(options.lock)
    try:
        medium = Medium(options.stick)
    except OSError as error:
        raise CopyError(code_of(error, otherwise="gone"), str(error)) from error
    try:
        _copy(options, medium)
    except OSError as error:
        raise medium.failure(error) from error


def main(arguments: list[str] | None = None) -> int:
    """0: the parent ended it; 1: it failed, and said why."""
    parser = argparse.ArgumentParser(prog="mirror", description="One copy of one recording on one stick.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--original", metavar="FOLDER", help="the recording's folder")
    what.add_argument("--note", metavar="FOLDER-NAME", help="the folder to make for a note")
    parser.add_argument("--stick", metavar="DIR", required=True, help="where the stick is mounted")
    parser.add_argument("--lock", metavar="FILE", required=True, help="held while this process lives")
    options = parser.parse_args(arguments)
    try:
        _run(options)
    except NothingMoreError:
        return 0
    except CopyError as failed:
        try:
            say(**{"is": "failed"}, code=failed.code, detail=failed.detail)
        except NothingMoreError:
            return 0
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
