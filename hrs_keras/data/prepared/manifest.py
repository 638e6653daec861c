"""The files that describe a prepared folder: its plan, its manifest, and a note for each finished shard.

All are JSON, with a hash by which an edited or damaged one is known. What is stored may not change its meaning, nor the
fields of these models their order: a preparation that goes on, or is repeated, writes the same bytes.
"""

import hashlib
import json
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from hrs_keras.data.files import File
from hrs_keras.data.report import DatasetAudit
from hrs_keras.system.files import parse_json

FORMAT = {"format": "hrs-prepared", "version": 1}
SEAL = "sha256_of_the_rest"

_Self = TypeVar("_Self", bound="Sealed")


class Sealed(BaseModel):
    """What is stored as JSON with a hash of the rest."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    def to_bytes(self) -> bytes:
        """The file's contents."""
        return sealed(self.model_dump())

    @classmethod
    def from_plain(cls: type[_Self], value: dict[str, Any]) -> _Self:
        """Read what :func:`unsealed` gave; raises ValueError, in one line, if it describes something else."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


class PlannedShard(Sealed):
    """A shard, which holds samples ``first`` to ``stop`` (exclusive) of its data set."""

    file: str
    first: int
    stop: int


class ShardNote(Sealed):
    """What is noted of a finished shard: its size and hash, and the length and CRC-32 of each record's data."""

    bytes: int
    sha256: str
    lengths: list[int]
    crc32: list[int]


class FinishedShard(ShardNote, PlannedShard):
    """A shard that was written and read back."""


class PlannedSet(Sealed):
    """The usable samples of one data set, and the shards they go into.

    The names of files are relative to ``data.root`` if they lie below it.
    """

    role: str
    position: int
    samples: int
    audit: DatasetAudit
    images: list[File]
    labels: list[File]
    shards: tuple[PlannedShard, ...]


class FinishedSet(PlannedSet):
    """The same with shards that were written."""

    shards: tuple[FinishedShard, ...]


class Plan(Sealed):
    """What a preparation will write; the recipe and the files alone decide it.

    Attributes:
        made_with: versions of the packages that decode files.
        conversion: everything of the recipe that decides what is stored, under the recipe's own keys.
        shard_mib: MiB that a shard may have; a whole number stays one, as the file's bytes have to stay the same.
        sets: the data sets, in the recipe's order.
    """

    format: Literal["hrs-prepared"] = "hrs-prepared"
    version: Literal[1] = 1
    made_with: dict[str, str]
    conversion: dict[str, Any]
    shard_mib: int | float
    sets: tuple[PlannedSet, ...]


class Manifest(Plan):
    """What a finished folder holds."""

    sets: tuple[FinishedSet, ...]


def shards_of(plan: Plan) -> dict[str, PlannedShard]:
    """File -> shard, for all shards of all data sets."""
    return {shard.file: shard for one in plan.sets for shard in one.shards}


def finished_shards_of(manifest: Manifest) -> dict[str, FinishedShard]:
    """The same of a finished folder."""
    return {shard.file: shard for one in manifest.sets for shard in one.shards}


def sealed(value: dict[str, Any]) -> bytes:
    """The contents of a JSON file, with a hash by which :func:`unsealed` knows that nothing was changed."""
    return (json.dumps(value | {SEAL: _hash(value)}) + "\n").encode()


def unsealed(contents: bytes) -> dict[str, Any]:
    """What :func:`sealed` was given; raises ValueError if the contents are anything else."""
    found = parse_json(contents)
    if not isinstance(found, dict) or found.pop(SEAL, None) != _hash(found):
        raise ValueError(f"{SEAL} does not fit the rest")
    return found


def _hash(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
