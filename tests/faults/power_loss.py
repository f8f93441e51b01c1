"""Loses power: replays the system calls of a writing process up to an instant, and keeps what a disk may have kept.

A small ALICE. A child (``power_loads.py``) writes under strace (``record``); its trace becomes steps on files and
folders.
``lose_power`` makes the directory that a loss of power after one of the steps may leave:

* what a finished fsync or fdatasync of a file covers is there; so are the names that one of their folder covers;
* of later writes each sector of 512 bytes holds what it held after any of them, or before them all. A sector goes
  to the disk from one copy in memory: that it holds a later write but not an earlier one cannot be;
* a file has the length it had after any of those steps. A length from after a truncation comes with the truncation:
  both are in the inode, so what was cut off is not seen again;
* of later names each may be there or not; a rename happens wholly or not at all, as file systems promise. A rename from
  one folder to another is covered by a sync of the one that it leads to. A folder that holds something is not removed.

How much is kept is a row of VARIANTS. The log of the calls lies beside the database: what it said was said.
SQLite's ``-shm`` is written through a map and left out: whoever opens first makes it anew. Any other writing map, and
any system call that would escape the replay, is an error.
"""

from __future__ import annotations

import json
import os
import posixpath
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import power_loads
from child_process import PATHS
from power_loads import Load

SECTOR = 512
#: Other system calls than those asked for do not stop the process.
STRACE = ("strace", "-f", "--seccomp-bpf")
#: System calls that are replayed, ...
REPLAYED = (
    *("openat", "open", "creat", "close", "lseek", "write", "writev", "pwrite64", "ftruncate", "fallocate"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "fsync", "fdatasync"),
    *("link", "linkat", "copy_file_range"),
)
#: ... and those that would write or move something unseen.
UNSEEN = (*("truncate", "pwritev", "pwritev2", "symlink", "symlinkat", "sendfile", "mmap"),)


# --- Recording --------------------------------------------------------------------------------------------------


def why_not() -> str:
    """Why nothing can be recorded here; empty when it can."""
    try:
        tried = subprocess.run([*STRACE, "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "strace is not installed"
    return f"strace may not trace here: {tried.stderr.strip()[-200:]}" if tried.returncode else ""


def record(load: Load) -> list[Step]:
    """Run the child's sessions under strace, and give their steps."""
    disk = Disk(load.base)
    for session in range(load.sessions):
        with tempfile.NamedTemporaryFile("r", suffix=".strace") as trace:
            calls = ",".join((*REPLAYED, *UNSEEN))
            tracer = [*STRACE, "-qq", "-y", "-xx", "-s", str(1 << 26), "-o", trace.name, "-e", f"trace={calls}"]
            role = [power_loads.__file__, "--load", json.dumps(asdict(load)), "--session", str(session)]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), "PYTHONDONTWRITEBYTECODE": "1"}
            done = subprocess.run(
                [*tracer, sys.executable, *role], capture_output=True, text=True, env=environment, check=False
            )
            assert done.returncode == 0, done.stderr
            disk.process_starts()
            for line in trace:
                disk.read(line)
    return disk.steps


# --- Steps ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Write:
    """Bytes put into a file."""

    file: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Resize:
    """A file cut or extended."""

    file: int
    size: int


@dataclass(frozen=True)
class Name:
    """An entry of a folder made (``file``) or removed (None); ``source``: by a rename from that name."""

    folder: int
    name: str
    file: int | None
    source: str = ""
    is_folder: bool = False


@dataclass(frozen=True)
class Sync:
    """A finished sync; it covers the first ``steps`` steps, those that were over when it began."""

    file: int
    steps: int


@dataclass(frozen=True)
class Note:
    """What the log of calls said."""

    data: bytes


Step = Write | Resize | Name | Sync | Note

_NAMING = ("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat")
_LINE = re.compile(r"(\d+)\s+(.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|0x[0-9a-f]+)")
_DESCRIPTOR = re.compile(r"(\d+|AT_FDCWD)<([^>]*)>")
_ROOT = 0


class Disk:
    """Files and folders below ``base`` as a trace goes on, and the steps it consists of.

    A call counts from its end: what began and did not end may be lost anyhow.
    """

    def __init__(self, base: str) -> None:
        self.steps: list[Step] = []
        self._base = base
        self._folders: dict[int, dict[str, int]] = {_ROOT: {}}
        self._sizes: dict[int, int] = {}
        self._next = _ROOT + 1
        self.process_starts()

    def process_starts(self) -> None:
        """No descriptors are open."""
        self._open: dict[int, int] = {}
        self._offsets: dict[int, int] = {}
        self._unfinished: dict[str, tuple[str, int]] = {}

    def read(self, line: str) -> None:
        """Go on by one line of strace's."""
        found = _LINE.match(line)
        assert found, line
        process, rest = found.groups()
        if rest.startswith(("---", "+++")):
            return
        begun = len(self.steps)
        if resumed := _RESUMED.match(rest):
            start, begun = self._unfinished.pop(process)
            rest = start + resumed[1]
        elif rest.endswith("<unfinished ...>"):
            start = rest.removesuffix("<unfinished ...>").rstrip()
            self._unfinished[process] = start, begun
            if start.startswith("close("):  # its number may be given away again before it ends
                self._closed(start)
            return
        call = _CALL.match(rest)
        if call is None:
            # The process ended in it; of a thread that dies strace may print a number that is no call (syscall_0x1000).
            name = rest.partition("(")[0]
            assert rest.endswith(("= ?", "= ? <unavailable>", "<detached ...>")) or name not in (*REPLAYED, *UNSEEN), (
                rest[:200]
            )
        elif not call[3].startswith("-") and not resumed_close(resumed, call[1]):
            self._call(call[1], call[2].split(", "), int(call[3], 0), begun)

    def _call(self, name: str, arguments: list[str], result: int, begun: int) -> None:
        if name in ("openat", "open", "creat"):
            [parts], rest = self._paths(arguments)
            self._opened(parts, rest, result)
        elif name == "copy_file_range":
            self._copied(arguments, result)
        elif name in _NAMING:
            self._named(name, self._paths(arguments)[0])
        elif name == "close":
            self._closed(arguments[0])
        elif name in UNSEEN and name != "mmap":
            escaping = [text for text in re.findall(r'[<"]([^>"]*)[>"]', ", ".join(arguments)) if self._holds(text)]
            assert not escaping, f"{name} below {self._base} would escape the replay"
        else:
            self._on_descriptor(name, arguments, result, begun)

    def _on_descriptor(self, name: str, arguments: list[str], result: int, begun: int) -> None:
        place = 4 if name == "mmap" else 0
        found = _DESCRIPTOR.match(arguments[place]) if len(arguments) > place else None
        inside = None if found is None else self._inside(_bytes(found[2]).decode())
        if found is None or inside is None:
            return
        if name == "mmap":
            written = "PROT_WRITE" in arguments[2] and "MAP_SHARED" in arguments[3]
            assert not written or inside[-1].endswith("-shm"), f"{inside} is written through a map"
            return
        number = int(found[1])
        if self._find(inside) in self._folders and name == "lseek":
            return  # a folder that is listed, by a copy of its descriptor
        file = self._open[number]
        if name in ("fsync", "fdatasync"):
            self.steps.append(Sync(file, begun))
        elif name == "lseek":
            self._offsets[number] = result
        elif name == "ftruncate":
            self._resized(file, int(arguments[1]))
        elif name == "fallocate":
            assert arguments[1] == "0", f"fallocate {arguments[1]} is not replayed"
            self._resized(file, max(self._sizes[file], int(arguments[2]) + int(arguments[3])))
        else:
            data = b"".join(_bytes(part) for part in re.findall(r'"([^"]*)"', ", ".join(arguments)))[:result]
            assert len(data) == result, f"strace has cut what was written to {inside}"
            if inside[-1].startswith("log."):
                self.steps.append(Note(data))
                return
            offset = int(arguments[3]) if name == "pwrite64" else self._offsets[number]
            self._offsets[number] += 0 if name == "pwrite64" else len(data)
            self._sizes[file] = max(self._sizes[file], offset + len(data))
            self.steps.append(Write(file, offset, data))

    def _copied(self, arguments: list[str], count: int) -> None:
        """Bytes of a file put into another, both at the offsets that the call names."""
        ends = [found for text in arguments if (found := _DESCRIPTOR.match(text))]
        inside = [self._inside(_bytes(found[2]).decode()) for found in ends]
        if inside == [None, None]:
            return
        assert None not in inside, f"copy_file_range into {self._base}, or out of it"
        source, target = (self._open[int(found[1])] for found in ends)
        first, to = (int(text.strip("[]").split(" ")[0]) for text in (arguments[1], arguments[3]))
        data = bytearray(self._sizes[source])
        for step in self.steps:
            if isinstance(step, Write) and step.file == source:
                data[step.offset : step.offset + len(step.data)] = step.data
            elif isinstance(step, Resize) and step.file == source:
                data[step.size :] = bytes(len(data) - min(step.size, len(data)))
        self._sizes[target] = max(self._sizes[target], to + count)
        self.steps.append(Write(target, to, bytes(data[first : first + count])))

    def _resized(self, file: int, size: int) -> None:
        self._sizes[file] = size
        self.steps.append(Resize(file, size))

    def _paths(self, arguments: list[str]) -> tuple[list[list[str] | None], list[str]]:
        """The paths that a call names, some of them relative to the folder before, and its other arguments."""
        paths, rest, base = list[list[str] | None](), list[str](), ""
        for argument in arguments:
            if argument.startswith('"'):
                paths.append(self._inside(posixpath.join(base, _bytes(argument.strip('"')).decode())))
            elif found := _DESCRIPTOR.match(argument):
                base = _bytes(found[2]).decode()
            else:
                rest.append(argument)
        return paths, rest

    def _opened(self, parts: list[str] | None, flags: list[str], number: int) -> None:
        if parts is None:
            return
        file = self._find(parts)
        if file is None:
            folder = self._find(parts[:-1])
            assert folder is not None, parts
            file = self._made(folder, parts[-1])
            self._sizes[file] = 0
        elif flags and "O_TRUNC" in flags[0] and self._sizes[file]:
            self._resized(file, 0)
        self._open[number], self._offsets[number] = file, 0

    def _closed(self, text: str) -> None:
        found = _DESCRIPTOR.search(text)
        if found:
            self._open.pop(int(found[1]), None)

    def _named(self, name: str, paths: list[list[str] | None]) -> None:
        places = [(self._find(parts[:-1]), parts[-1]) for parts in paths if parts is not None]
        if not places:
            return
        assert len(places) == len(paths), f"{name} into {self._base}, or out of it"
        (folder, last), (target, new) = places[0], places[-1]
        assert folder is not None, paths
        assert target is not None, paths
        if name.startswith("mkdir"):
            self._folders[self._made(folder, last, is_folder=True)] = {}
        elif name.startswith(("unlink", "rmdir")):
            del self._folders[folder][last]
            self.steps.append(Name(folder, last, None))
        elif name.startswith("link"):
            file = self._folders[target][new] = self._folders[folder][last]
            self.steps.append(Name(target, new, file))
        else:
            file = self._folders[target][new] = self._folders[folder].pop(last)
            self.steps.append(Name(target, new, file, source=last))

    def _made(self, folder: int, name: str, *, is_folder: bool = False) -> int:
        file, self._next = self._next, self._next + 1
        self._folders[folder][name] = file
        self.steps.append(Name(folder, name, file, is_folder=is_folder))
        return file

    def _inside(self, path: str) -> list[str] | None:
        """The parts of a path below the base; None for any other."""
        if path != self._base and not path.startswith(self._base + "/"):
            return None
        return [part for part in path.removesuffix(" (deleted)")[len(self._base) :].split("/") if part]

    def _holds(self, hexadecimal: str) -> bool:
        return hexadecimal.startswith("\\x") and _bytes(hexadecimal).decode(errors="replace").startswith(self._base)

    def _find(self, parts: Sequence[str]) -> int | None:
        file: int | None = _ROOT
        for part in parts:
            file = self._folders.get(-1 if file is None else file, {}).get(part)
        return file


def resumed_close(resumed: object, name: str) -> bool:
    """Whether this is the end of a close: it counted at its beginning."""
    return resumed is not None and name == "close"


def _bytes(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.replace("\\x", ""))


# --- Losing power -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """How much of what no sync covers is kept: a share of the writes, of which a share is torn, and of the names."""

    kept: tuple[float, ...]
    torn: float = 0.0
    #: Names are kept as a journal keeps them: none later than one that is lost.
    in_order: bool = False


VARIANTS = {
    "nothing": Variant(kept=(0.0,)),
    "everything": Variant(kept=(1.0,)),
    "data in any order, names in theirs": Variant(kept=(0.2, 0.5, 0.8), torn=0.3, in_order=True),
    "anything": Variant(kept=(0.2, 0.5, 0.8), torn=0.3),
}


def lose_power(
    steps: Sequence[Step],
    variant: Variant,
    chance: random.Random,
    target: Path,
    unsynced: Collection[int] = (),
) -> None:
    """Make in ``target`` what a loss of power after ``steps`` may leave; syncs of ``unsynced`` files do nothing."""
    covered: dict[int, int] = {}
    for step in steps:
        if isinstance(step, Sync) and step.file not in unsynced:
            covered[step.file] = max(covered.get(step.file, 0), step.steps)
    changes: dict[int, list[tuple[bool, Write | Resize]]] = {}
    for place, step in enumerate(steps):
        if isinstance(step, Write | Resize):
            changes.setdefault(step.file, []).append((place < covered.get(step.file, 0), step))
    folders = _names_left(steps, covered, variant, chance)
    inner = {step.file for step in steps if isinstance(step, Name) and step.is_folder}

    def put(folder: int, path: Path) -> None:
        path.mkdir(exist_ok=True)
        for name, file in folders.get(folder, {}).items():
            if file in inner:
                put(file, path / name)
            elif not name.endswith("-shm") and not name.startswith("log."):
                (path / name).write_bytes(_content_left(changes.get(file, []), variant, chance))

    put(_ROOT, target)
    (target / "log.0").write_bytes(said(steps))


def said(steps: Sequence[Step]) -> bytes:
    """The log of the calls after some steps."""
    return b"".join(step.data for step in steps if isinstance(step, Note))


def _names_left(
    steps: Sequence[Step], covered: dict[int, int], variant: Variant, chance: random.Random
) -> dict[int, dict[str, int]]:
    """The entries of each folder."""
    names = [(place, step) for place, step in enumerate(steps) if isinstance(step, Name)]
    safe = [place < covered.get(step.folder, 0) for place, step in names]
    share = chance.choice(variant.kept)
    if variant.in_order:
        first = max((number for number, is_safe in enumerate(safe, 1) if is_safe), default=0)
        end = first + round(share * (len(names) - first))
        kept = [number < end for number in range(len(names))]
    else:
        kept = [is_safe or chance.random() < share for is_safe in safe]
    folders: dict[int, dict[str, int]] = {}
    for (_, step), is_kept in zip(names, kept, strict=True):
        entries = folders.setdefault(step.folder, {})
        if not is_kept:
            continue
        if step.file is None:
            if step.name in entries and not folders.get(entries[step.name]):  # a file, or an empty folder
                del entries[step.name]
            continue
        if step.source:
            for inside in folders.values():  # where an earlier rename, if that is lost, has left it
                for name in [name for name, file in inside.items() if file == step.file]:
                    del inside[name]
        entries[step.name] = step.file
    return folders


def _content_left(changes: Sequence[tuple[bool, Write | Resize]], variant: Variant, chance: random.Random) -> bytes:
    """The bytes of a file after ``changes``, each with whether a sync covers it."""
    content = bytearray()
    for is_safe, change in changes:
        if is_safe:
            _apply(content, change)
    pending = [change for is_safe, change in changes if not is_safe]
    left = bytearray(content)
    lengths, cuts = [len(content)], []
    versions: dict[int, list[tuple[int, bytes]]] = {}  # of a sector, each with the number of its change
    for number, change in enumerate(pending, 1):
        sectors, before = _sectors(change, len(content)), len(content)
        for sector in sectors:
            versions.setdefault(sector, [(0, _sector(content, sector))])
        _apply(content, change)
        for sector in sectors:
            versions[sector].append((number, _sector(content, sector)))
        lengths.append(len(content))
        if len(content) < before:
            cuts.append(number)
    share = chance.choice(variant.kept)
    kept = {0} | {number for number in range(1, len(lengths)) if chance.random() < share}
    torn = {number for number in kept if number and chance.random() < variant.torn}
    length_of = chance.randrange(len(lengths)) if torn and chance.random() < 0.5 else max(kept)
    end = min((cut for cut in cuts if cut > length_of), default=len(lengths))
    for sector, contents in sorted(versions.items()):
        first = max((number for number, _ in contents if number in cuts and number <= length_of), default=0)
        possible = [
            bytes_there
            for number, bytes_there in contents
            if number == first
            or (first < number < end and number in kept and (number not in torn or chance.random() < 0.5))
        ]
        start = sector * SECTOR
        left.extend(bytes(max(0, start + SECTOR - len(left))))
        left[start : start + SECTOR] = possible[-1]
    _apply(left, Resize(0, lengths[length_of]))
    return bytes(left)


def _apply(content: bytearray, change: Write | Resize) -> None:
    end = change.size if isinstance(change, Resize) else change.offset + len(change.data)
    content.extend(bytes(max(0, end - len(content))))
    if isinstance(change, Resize):
        del content[change.size :]
    else:
        content[change.offset : end] = change.data


def _sectors(change: Write | Resize, length: int) -> range:
    if isinstance(change, Resize):
        return range(change.size // SECTOR, -(-length // SECTOR))
    return range(change.offset // SECTOR, -(-(change.offset + len(change.data)) // SECTOR))


def _sector(content: bytearray, sector: int) -> bytes:
    return bytes(content[sector * SECTOR : (sector + 1) * SECTOR]).ljust(SECTOR, b"\0")


def instants(steps: Sequence[Step], amount: int, chance: random.Random) -> list[int]:
    """Numbers of steps after which the power goes: a third anywhere, a third beside syncs, a third beside names."""
    chosen: list[int] = []
    for kinds in (Sync, Name, Write | Resize | Note):
        places = [place for place, step in enumerate(steps) if isinstance(step, kinds)]
        share = (amount - len(chosen)) // (3 if kinds is Sync else 2 if kinds is Name else 1)
        chosen += [place + chance.randint(0, 1) for place in chance.sample(places, min(share, len(places)))]
    return sorted(chosen)
