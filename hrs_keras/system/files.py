"""Files and folders that appear whole or not at all.

What is written gets its name only once it has reached the disk: after a power cut there is the old file or the new one,
never half of one. Nothing here needs TensorFlow.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from hrs_keras.errors import CheckpointError, HRSError, printable, reason

LONGEST_NAME = 255
"""Bytes that a file's name may have on nearly all file systems."""

# ---- appearing whole ---------------------------------------------------------------------------------------------


def partial_path(path: Path) -> Path:
    """Where a file is written before it is whole: beside it, by its own name unless that leaves no room for more."""
    name = f"{path.name}.partial"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f"{hashlib.sha256(os.fsencode(path.name)).hexdigest()}.partial"
    return path.with_name(name)


def publish(partial: Path, path: Path) -> None:
    """Give a finished file or folder its name, when all of it has reached the disk.

    An older file of that name is replaced; so is an empty folder, but not one that holds anything.

    Raises:
        OSError: it cannot be written.
    """
    inside = (Path(folder) / file for folder, _, files in os.walk(partial) for file in files)
    for file in inside if partial.is_dir() else [partial]:
        with open(file, "rb+") as opened:
            os.fsync(opened)
    for folder, _, _ in os.walk(partial):
        _sync_folder(Path(folder))
    partial.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Have the names of a folder's files reach the disk."""
    # Windows opens no folders, and some network file systems cannot do this for one: names are theirs to look after.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_whole(path: Path, write: Callable[[BinaryIO], object], *, durable: bool = True) -> None:
    """Have ``write`` fill a file, which appears under its name when it is done.

    Args:
        path: the file.
        write: is given the open file.
        durable: wait until the file has reached the disk. Without that, the file is whole for every other process,
            but a power cut within the next seconds may leave it empty; only for what can be made again.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    partial = partial_path(path)
    try:
        with open(partial, "wb") as file:
            write(file)
        if durable:
            publish(partial, path)
        else:
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file whole or not at all; raises OSError."""
    write_whole(path, lambda file: file.write(text.encode()))


def write_json(path: Path, value: object) -> None:
    """Write JSON whole or not at all, and make the folders for it; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path, shape: Any = Any) -> Any:
    """What :func:`write_json` wrote, or None if there is no such file.

    Args:
        path: the file.
        shape: a type that the contents must fit, as pydantic knows them: ``dict[str, int]``, or a model that names what
            is relied on.

    Raises:
        CheckpointError: it cannot be read, is damaged, or does not fit.
    """
    from pydantic import TypeAdapter  # not above: `hrs --help` is quick without it

    with opening(path):
        contents = path.read_bytes() if path.is_file() else None
    if contents is None:
        return None
    try:
        found = parse_json(contents)
        # Names may hold bytes that are not UTF-8, which pydantic takes for damage: it need not see what they are.
        readable = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
        TypeAdapter(shape).validate_json(readable, strict=True)
        return found
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {_wrong(error)}; remove it, or bring it back") from None


def parse_json(text: str | bytes) -> Any:
    """What JSON says; raises ValueError, also for lists within lists without an end, and for NaN and Infinity."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON's")


def _wrong(error: Exception) -> str:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))


@contextmanager
def folder_to_publish(parent: Path) -> Iterator[Path]:
    """An empty folder in ``parent``, which is made if need be, to fill and :func:`publish`.

    It is hidden, and removed when the context is left, however that is.
    """
    if not parent.exists():  # a file of that name is told by what follows
        parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=parent))
    try:
        partial.chmod(0o755)
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


# ---- errors ------------------------------------------------------------------------------------------------------


def file_errors() -> tuple[type[BaseException], ...]:
    """What failing to read or write a file raises: OSError, and TensorFlow's errors if TensorFlow is loaded."""
    tensorflow = sys.modules.get("tensorflow")
    return (OSError, tensorflow.errors.OpError) if tensorflow else (OSError,)


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Turn failures to write below ``path`` into an :class:`HRSError` that says where and why."""
    try:
        yield
    except file_errors() as error:
        file = getattr(error, "filename", None)
        elsewhere = f" ({file})" if file and not str(file).startswith(str(path)) else ""
        raise HRSError(f"cannot write {printable(Path(path))}: {reason(error)}{elsewhere}") from None


def refuse_unwritable(folder: Path, what: str, key: str) -> None:
    """See that a folder, which need not exist yet, can be written to: before the work whose outcome is to go there.

    Args:
        folder: its path.
        what: how the message calls it.
        key: of the recipe, by which it is chosen.

    Raises:
        HRSError: there is no permission, or a file in its place, or the system takes no such name.
    """
    there = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "may not be written to" if there.is_dir() else "is not a folder"
        raise HRSError(
            f"cannot write the {what} {printable(folder)}: {printable(there)} {why}; set {key}=FOLDER to one that"
            " can be written"
        )
    for name in folder.parts[len(there.parts) :]:
        try:
            os.lstat(there / name)  # of a name in a folder that is missing the system says only that it is missing
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HRSError(f"cannot write the {what} {printable(folder)}: {reason(error)}") from None


@contextmanager
def opening(path: Path | str) -> Iterator[None]:
    """Turn failures to look at or read ``path``, or what is below it, into a :class:`CheckpointError`.

    ``Path.is_file`` and its like say False where nothing is there, and raise where the system refuses to look: without
    the permission, or if a name is too long.
    """
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"cannot open {printable(Path(path))}: {reason(error)}") from None


def list_folder(path: Path) -> list[str]:
    """Names of what a folder holds, in any order; none if there is no such folder.

    ``Path.glob`` will not do: of a folder that it may not read it says that it is empty.

    Raises:
        CheckpointError: it cannot be read.
    """
    with opening(path):
        try:
            return os.listdir(path)
        except (FileNotFoundError, NotADirectoryError):
            return []
