"""The two folders that data_prep/image_split.py writes, and what it remembers of them.

Every file is written whole or not at all. A manifest, <split>.image_split.jsonl, has one line of
JSON for every pair, announced before its files are written: so whatever an interruption leaves
behind is known to be the tool's own, and everything else to be the user's, never to be touched.
"""

import contextlib
import hashlib
import json
import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TypeVar

from data_prep.split_images import Format, Pair
from gans.command_line.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows: two runs into one folder at the same time are not noticed there.
    fcntl = None

Item, Result = TypeVar("Item"), TypeVar("Result")
Record = dict[str, Any]  # A line of the manifest; `Outputs.write` makes it.

TEMPORARY = ".image_split.tmp"
_BATCH = 16  # Items that a thread takes at a time: a future for each would cost a tenth.


@contextlib.contextmanager
def open_outputs(root: Path, split: str) -> Iterator["Outputs"]:
    """Opens the two folders of a split for writing, and keeps other runs out of them.

    Args:
        root: Folder that holds both; made if it is missing.
        split: Name of the folder that is split.

    Raises:
        UsageError: The folders cannot be written, or another run writes to them.
    """
    folders = (root / f"{split}A", root / f"{split}B")
    manifest = root / f"{split}.image_split.jsonl"
    with contextlib.ExitStack() as stack:
        try:
            manifest.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(manifest.open("a+b"))
            _lock(file)
            for folder in folders:
                folder.mkdir(exist_ok=True)
                (folder / TEMPORARY).write_bytes(b"")
                (folder / TEMPORARY).unlink()
        except OSError as error:
            raise UsageError(f"expected to write to {root}. Received: {error}") from None
        yield Outputs(folders, file, root / f"{split}.image_split_bad.txt")


class Outputs:
    """The two folders of a split, and the manifest of what this tool wrote there.

    Args:
        folders: Those of A and B.
        manifest: Open for reading and appending.
        report: File for the names of bad images.

    Attributes:
        history: Key of a pair to its records in the manifest, the last one last.
    """

    def __init__(self, folders: tuple[Path, Path], manifest: BinaryIO, report: Path) -> None:
        self.folders = folders
        self.report = report
        self.history: dict[str, list[Record]] = {}
        self._manifest = manifest
        manifest.seek(0)
        content = manifest.read()
        if content and not content.endswith(b"\n"):
            manifest.write(b"\n")  # A kill cut the last line; what it announced was not written.
        for line in content.splitlines():
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                self.history.setdefault(record["key"], []).append(record)

    def unfinished(
        self, folder: Path, sources: dict[str, str], format: Format, overwrite: bool, workers: int
    ) -> list[str]:
        """Finds what is to be done, by the SHA-256 of all that was written earlier.

        Args:
            folder: Folder of the sources.
            sources: Key (name of the pair's files without suffix) to path relative to folder.
            format: Format asked for.
            overwrite: Count pairs as unfinished whose source or format has changed.
            workers: Number of threads.

        Returns:
            Keys of the pairs that are not there whole.

        Raises:
            UsageError: The folders hold files that this tool did not write, or that were changed
                since, or, without `overwrite`, pairs whose source or format has changed.
        """
        self._expect_own_files()

        def state(key: str) -> str | Path:
            return self._state(key, folder / sources[key], format)

        keys = [key for key in sources if key in self.history]
        states = dict(zip(keys, in_order(state, keys, workers), strict=True))
        changed = [state for state in states.values() if isinstance(state, Path)]
        if changed:
            raise UsageError(
                f"expected the files as this tool wrote them. Received: {len(changed)} that were "
                f"changed since: {', '.join(map(str, changed[:5]))}; move them away"
            )
        outdated = [key for key, state in states.items() if state == "outdated"]
        if outdated and not overwrite:
            raise UsageError(
                f"expected the sources and the --format of the earlier run. Received: "
                f"{len(outdated)} pairs in {self.folders[0]} and B that were made from other ones, "
                f"such as {outdated[0]!r}; --overwrite replaces them"
            )
        return [key for key in sources if states.get(key) != "done"]

    def write(self, key: str, source: str, digest: str, format: Format, pair: Pair) -> None:
        """Writes the files of a pair, and removes the earlier ones of another suffix.

        Args:
            key: Name of the files without suffix, `/` between its parts.
            source: Relative path of the source.
            digest: SHA-256 of the source.
            format: Format asked for.
            pair: The halves.
        """
        name = key + pair.suffix
        record: Record = {
            "key": key,
            "name": name,
            "sha256_a": hashlib.sha256(pair.a).hexdigest(),
            "sha256_b": hashlib.sha256(pair.b).hexdigest(),
            "size_a": len(pair.a),
            "size_b": len(pair.b),
            "width": pair.width,
            "height": pair.height,
            "format": format,
            "source": source,
            "source_sha256": digest,
        }
        self._manifest.write(json.dumps(record).encode() + b"\n")
        self._manifest.flush()
        earlier = {record["name"] for record in self.history.get(key, [])} - {name}
        for folder, data in zip(self.folders, (pair.a, pair.b), strict=True):
            if "/" in name:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
            _replace(f"{folder}/{name}", data)
            for other in earlier:
                (folder / other).unlink(missing_ok=True)

    def _expect_own_files(self) -> None:
        """Refuses folders with files of others; removes what a kill left of the tool's own."""
        own = {record["name"] for records in self.history.values() for record in records}
        for folder in self.folders:
            names = set(files_below(folder))
            stale = {name for name in names if PurePosixPath(name).name == TEMPORARY}
            foreign = sorted(names - own - stale)
            if foreign:
                raise UsageError(
                    f"expected {folder} to hold only what this tool wrote. Received: "
                    f"{len(foreign)} other files, such as {foreign[0]!r}; give another --output"
                )
            for name in stale:
                (folder / name).unlink()

    def _state(self, key: str, source: Path, format: Format) -> str | Path:
        """Returns "done", "missing" or "outdated", or a file that is not as it was written."""
        written: dict[Path, set[str]] = defaultdict(set)
        for record in self.history[key]:
            for file, digest in self._digests(record).items():
                written[file].add(digest)
        found = {file: _sha256(file) for file in written if file.exists()}
        for file, digest in found.items():
            if digest not in written[file]:
                return file
        last = self.history[key][-1]
        if found != self._digests(last):
            return "missing"
        same = last["format"] == format and last["source_sha256"] == _sha256(source)
        return "done" if same else "outdated"

    def _digests(self, record: Record) -> dict[Path, str]:
        """The SHA-256 of the two files of a record."""
        a, b = (folder / record["name"] for folder in self.folders)
        return {a: record["sha256_a"], b: record["sha256_b"]}


def in_order(
    function: Callable[[Item], Result], items: list[Item], workers: int
) -> Iterator[Result]:
    """Yields `function(item)` for every item, in order; threads run ahead by a few batches."""
    if workers == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers)
    pending: deque[Future[list[Result]]] = deque()
    try:
        for start in range(0, len(items), _BATCH):
            pending.append(pool.submit(list, map(function, items[start : start + _BATCH])))
            if len(pending) > 2 * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def files_below(folder: Path) -> list[str]:
    """Relative paths of all files in a folder and its sub-folders, `/` between the parts, sorted.

    Raises:
        UsageError: A folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise UsageError(f"expected a folder that can be read. Received: {error}")

    names = []
    for directory, folders, files in os.walk(folder, onerror=refuse):
        # Links to folders are not followed: they count as files.
        files += [name for name in folders if os.path.islink(os.path.join(directory, name))]
        relative = Path(directory).relative_to(folder).as_posix()
        names += files if relative == "." else [f"{relative}/{name}" for name in files]
    return sorted(names)


def _lock(file: BinaryIO) -> None:
    """Locks a file until it is closed, where the file system knows locks."""
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"expected no other run that writes to {file.name}") from None
    except OSError:
        pass


def _replace(file: str, data: bytes) -> None:
    """Writes a file whole or not at all."""
    temporary = os.path.join(os.path.dirname(file), TEMPORARY)
    with open(temporary, "wb") as stream:
        stream.write(data)
    os.replace(temporary, file)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
