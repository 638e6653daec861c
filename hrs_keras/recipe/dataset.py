"""One labelled data set of a recipe: its files, and how its labels are read."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from hrs_keras.errors import did_you_mean
from hrs_keras.labels import ID_TABLES
from hrs_keras.recipe.class_names import TODO
from hrs_keras.recipe.ids import Ids, Notation, Table, forward_table, read_ids
from hrs_keras.recipe.known_data_sets import OWN
from hrs_keras.recipe.plugins import DATA_SETS
from hrs_keras.recipe.raw_value import RawValue, parse_raw_value
from hrs_keras.recipe.types import Index, Number, Section, fraction_or_count

Weight = Annotated[float, Field(ge=0.001, le=1000), Number]


class Crop(Section):
    """The part of an image and its label that is used.

    Attributes:
        rows: [start, stop) in pixels of the upright image; None for all.
        columns: likewise.
    """

    rows: tuple[Index, Index] | None = None
    columns: tuple[Index, Index] | None = None

    @field_validator("rows", "columns")
    @classmethod
    def _ascending(cls, bounds: tuple[int, int] | None) -> tuple[int, int] | None:
        if bounds and bounds[0] >= bounds[1]:
            raise ValueError(f"wants [start, stop] with start < stop, found {list(bounds)}, which leaves nothing")
        return bounds


class Dataset(Section):
    """One labelled set of images on disk: where its files are, and how its labels are read.

    Attributes:
        format: the name of a known layout, whose values the fields below have as defaults; see
            :mod:`hrs_keras.recipe.known_data_sets`.
        root: folder, relative to ``data.root``.
        split: fills ``{split}`` in the patterns.
        images, labels: file patterns below ``root``; what their ``*`` match is the sample's name. Only images without
            labels (:class:`hrs_keras.recipe.photographs.Photographs`) have no pattern for them.
        encoding: what a label pixel holds: the id, an index into the file's palette (which is the id), or a colour.
        bits: of a label's channel; with less than 8 the values are 0 to 1, 3 or 15.
        channel: which one holds the id; 0 = red or grey.
        raw: a formula that makes the value which ``ids`` maps of the number ``id`` in the file, such as ``id // 1000``;
            of a colour, ``id`` is R + 256 G + 65536 B. None: the number itself.
        ids: the name of an id table, or raw id (``"R,G,B"`` for colours) -> class name, or class name -> its raw ids;
            see :mod:`hrs_keras.recipe.ids`.
        crop: the part of image and label that is used.
        only, left_out: lists of the images that are used, and (``except``) of those that are not; see
            :mod:`hrs_keras.data.lists`.
        subset: a fraction in (0, 1] or a count of the samples; None for all.
        weight: how often it is drawn from, in proportion to the weights of the other sets of its list; None for its
            number of samples.
    """

    format: str = OWN
    root: str = "."
    split: str = "train"
    images: str
    labels: str | None
    encoding: Literal["values", "palette", "colours"] = "values"
    bits: Literal[1, 2, 4, 8, 16] = 8
    channel: Annotated[int, Field(ge=0, le=3), Number] = 0
    raw: str | None = None
    ids: Ids
    crop: Crop = Crop()
    only: str | None = None
    left_out: str | None = Field(default=None, alias="except")  # a word of Python's
    subset: int | float | None = None
    weight: Weight | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill_from_format(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return DATA_SETS.load_instance(given.get("format", OWN), dict) | given

    @field_validator("images", "labels")
    @classmethod
    def _below_root(cls, pattern: str | None, info: ValidationInfo) -> str | None:
        if pattern is None:
            return None
        for field in re.findall(r"{[^{}]*}", pattern):
            if field != "{split}":
                raise ValueError(f"{pattern!r} has {field}, but only {{split}} is filled in")
        if "**" in pattern:
            raise ValueError(f"{pattern!r}: '**' is not supported; write one '*' for each folder level")
        path = PurePosixPath(pattern.replace("{split}", info.data.get("split", "train")))
        if path.is_absolute() or not path.parts:
            raise ValueError(f"wants a file pattern below the data set's root, found {pattern!r}")
        return pattern

    @field_validator("raw")
    @classmethod
    def _formula(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None:
            parse_raw_value(text, _largest_id(info.data))
        return text

    @field_validator("ids", mode="plain")
    @classmethod
    def _id_table(cls, ids: Any, info: ValidationInfo) -> Ids:
        formula = info.data.get("raw")
        colours = info.data.get("encoding") == "colours" and formula is None
        if isinstance(ids, str) and not colours:
            if ids.startswith(TODO):
                raise ValueError(f"{ids} is still to be filled in: write the name of the id table that fits the files")
            if ids not in ID_TABLES:
                raise ValueError(f"unknown id table {ids!r}." + did_you_mean(ids, ID_TABLES))
            return ids
        if not isinstance(ids, dict) or not ids:
            form = '{"R,G,B": class name}' if colours else "the name of an id table or {raw id: class name}"
            raise ValueError(f"wants {form}, found {ids!r}")
        largest = _largest_id(info.data)
        return read_ids(ids, Notation(colours, parse_raw_value(formula, largest).largest if formula else largest))

    @field_validator("only", "left_out")
    @classmethod
    def _list_file(cls, file: str | None) -> str | None:
        return file if file is None else at_home(file)

    @field_validator("subset", mode="plain")
    @classmethod
    def _fraction_or_count(cls, subset: Any) -> int | float | None:
        return None if subset is None else fraction_or_count(subset)

    @field_validator("weight")
    @classmethod
    def _three_decimals(cls, weight: float | None) -> float | None:
        if weight is not None and round(weight, 3) != weight:
            raise ValueError(f"wants at most 3 decimals, found {weight!r}; 1 and 2 share as 0.3333 and 0.6667 do")
        return weight

    @model_validator(mode="after")
    def _one_channel(self) -> "Dataset":
        if self.encoding != "values" and (self.bits != 8 or self.channel != 0):
            raise ValueError(f"bits and channel belong to encoding: values, not to encoding: {self.encoding}")
        return self

    @model_serializer(mode="wrap")
    def _as_recipes_have_it(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"except" if key == "left_out" else key: value for key, value in serialise(self).items()}

    def table(self) -> Table:
        """Raw value, range of them, or ``"R,G,B"`` for ``encoding: colours`` -> class name or ``"ignore"``."""
        return forward_table(ID_TABLES[self.ids] if isinstance(self.ids, str) else self.ids)

    def raw_value(self) -> RawValue | None:
        """The formula of ``raw``; None without one: then the table maps what the files hold."""
        return parse_raw_value(self.raw, _largest_id(dict(self))) if self.raw else None


def at_home(path: str) -> str:
    """A path with ``~`` written out; URLs stay as they are."""
    # pathlib would make gs:/ of gs://
    return path if "://" in path else str(Path(path).expanduser())


def _largest_id(fields: Mapping[str, Any]) -> int:
    """The largest value that a label pixel can have, by the data set's fields."""
    if fields.get("encoding") == "colours":
        return 2**24 - 1
    return int(2 ** fields.get("bits", 16)) - 1
