"""The recipe: everything a run depends on, in one typed, validated tree.

A recipe is a YAML file. ``extends: other.yaml`` (relative to the file) takes another recipe as the starting
point; mappings are merged key by key, anything else is replaced. ``a.b=value`` on the command line replaces
one value last. ``recipes/base.yaml`` documents every key.
"""

import hashlib
import json
import re
import reprlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from hrs_keras.data.formats import FORMATS
from hrs_keras.errors import RecipeError, did_you_mean
from hrs_keras.labels import ID_TABLES, IGNORE, LABEL_SPACES, LabelSpace


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"wants a number, found {value!r}")
    return value


Level = Literal["pixel", "region", "image"]
_Number = BeforeValidator(_no_bool)  # pydantic would take true for 1
Index = Annotated[int, Field(ge=0, lt=2**31), _Number]
PositiveInt = Annotated[int, Field(gt=0, lt=2**31), _Number]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), _Number]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), _Number]
# Twice a seed must still fit into the 32 bits that TensorFlow's stateless random numbers are keyed by.
Seed = Annotated[int, Field(ge=0, lt=2**31), _Number]


class Section(BaseModel):
    """A mapping of a recipe: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", validate_default=True)


class Crop(Section):
    """The part of image and label that is used, in pixels of the file; ``[start, stop)``, null = to the border."""

    rows: tuple[Index, Index] | None = None
    columns: tuple[Index, Index] | None = None

    @field_validator("rows", "columns")
    @classmethod
    def _ascending(cls, bounds: tuple[int, int] | None) -> tuple[int, int] | None:
        if bounds and bounds[0] >= bounds[1]:
            raise ValueError(f"wants [start, stop] with start < stop, found {list(bounds)}, which leaves nothing")
        return bounds


class Dataset(Section):
    """One labelled set of images on disk: a folder pair and how its labels are to be read."""

    format: str = "folder"
    root: str = "."
    split: str = "train"
    images: str
    labels: str
    encoding: Literal["values", "palette", "colours"] = "values"
    bits: Literal[8, 16] = 8
    channel: Annotated[int, Field(ge=0, le=3), _Number] = 0
    ids: str | dict[int, str] | dict[str, str]
    crop: Crop = Crop()
    subset: int | float | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill_from_format(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        name = given.get("format", "folder")
        if not isinstance(name, str) or name not in {"folder", *FORMATS}:
            raise ValueError(f"unknown data set format {name!r}." + did_you_mean(str(name), ["folder", *FORMATS]))
        return FORMATS.get(name, {}) | given

    @field_validator("images", "labels")
    @classmethod
    def _below_root(cls, pattern: str, info: ValidationInfo) -> str:
        for field in re.findall(r"{[^{}]*}", pattern):
            if field != "{split}":
                raise ValueError(f"{pattern!r} has {field}, but only {{split}} is filled in")
        if "**" in pattern:
            raise ValueError(f"{pattern!r}: '**' is not supported; write one '*' for each folder level")
        path = PurePosixPath(pattern.replace("{split}", info.data.get("split", "train")))
        if path.is_absolute() or not path.parts:
            raise ValueError(f"wants a file pattern below the data set's root, found {pattern!r}")
        return pattern

    @field_validator("ids", mode="plain")
    @classmethod
    def _id_table(cls, ids: Any, info: ValidationInfo) -> str | dict[int, str] | dict[str, str]:
        colours = info.data.get("encoding") == "colours"
        if isinstance(ids, str) and not colours:
            if ids not in ID_TABLES:
                raise ValueError(f"unknown id table {ids!r}." + did_you_mean(ids, ID_TABLES))
            return ids
        if not isinstance(ids, dict) or not ids:
            form = '{"R,G,B": class name}' if colours else "the name of an id table or {raw id: class name}"
            raise ValueError(f"wants {form}, found {ids!r}")
        table: dict[Any, str] = {}
        for raw, name in ids.items():
            key = _colour_key(raw) if colours else _raw_id(raw, 2 ** info.data.get("bits", 16) - 1)
            if key in table:
                raise ValueError(f"names {key!r} twice")
            if not isinstance(name, str):
                raise ValueError(f"gives {raw!r} {name!r}; wants a class name (in quotes if YAML mistakes it)")
            table[key] = name
        return table

    @field_validator("subset", mode="plain")
    @classmethod
    def _fraction_or_count(cls, subset: Any) -> int | float | None:
        whole = isinstance(subset, int) and not isinstance(subset, bool) and subset > 0
        fraction = isinstance(subset, float) and 0 < subset <= 1
        if subset is not None and not whole and not fraction:
            raise ValueError(f"wants a fraction in (0, 1] or a whole count of at least 1, found {subset!r}")
        return subset

    @model_validator(mode="after")
    def _one_channel(self) -> "Dataset":
        if self.encoding != "values" and (self.bits != 8 or self.channel != 0):
            raise ValueError(f"bits and channel belong to encoding: values, not to encoding: {self.encoding}")
        return self

    def table(self) -> dict[int, str] | dict[str, str]:
        """Raw value (or ``"R,G,B"`` for ``encoding: colours``) -> class name or ``"ignore"``."""
        return ID_TABLES[self.ids] if isinstance(self.ids, str) else self.ids


def _raw_id(raw: Any, largest: int) -> int:
    # Keys come as strings from the command line and from JSON.
    if isinstance(raw, str) and re.fullmatch("[0-9]{1,9}", raw.strip()):
        raw = int(raw)
    if not isinstance(raw, int) or isinstance(raw, bool) or not 0 <= raw <= largest:
        raise ValueError(f"has the key {raw!r}; wants whole numbers from 0 to {largest}")
    return raw


def _colour_key(raw: Any) -> str:
    parts = [part.strip() for part in raw.split(",")] if isinstance(raw, str) else []
    if len(parts) != 3 or not all(re.fullmatch("[0-9]{1,3}", part) and int(part) <= 255 for part in parts):
        raise ValueError(f'has the key {raw!r}; wants "R,G,B" in quotes, each from 0 to 255')
    return ",".join(str(int(part)) for part in parts)


class Augment(Section):
    """Random changes to a training sample."""

    scale: tuple[Positive, Positive] = (1.0, 1.0)
    flip: StrictBool = False
    colour: Annotated[float, Field(ge=0, lt=1), _Number] = 0.0

    @field_validator("scale")
    @classmethod
    def _only_larger(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not 1 <= scale[0] <= scale[1]:
            raise ValueError(f"wants [low, high] with 1 <= low <= high (a crop is cut out of it), found {list(scale)}")
        return scale


class Data(Section):
    """What is trained and evaluated on."""

    root: str
    classes: str
    size: tuple[PositiveInt, PositiveInt]
    source: list[Dataset]
    target: Annotated[list[Dataset], Field(min_length=1)]
    validation: Annotated[list[Dataset], Field(min_length=1)]
    subset_seed: Seed
    augment: Augment
    on_bad: Literal["error", "skip"]

    @field_validator("classes")
    @classmethod
    def _known_space(cls, classes: str) -> str:
        if classes not in LABEL_SPACES:
            raise ValueError(f"unknown label space {classes!r}." + did_you_mean(classes, LABEL_SPACES))
        return classes

    @field_validator("size")
    @classmethod
    def _divisible(cls, size: tuple[int, int]) -> tuple[int, int]:
        if any(side % 32 for side in size):
            nearest = [max(32, round(side / 32) * 32) for side in size]
            raise ValueError(f"both sides must be divisible by 32, found {list(size)}; nearest: {nearest}")
        return size

    @model_validator(mode="after")
    def _known_classes(self) -> "Data":
        valid = {*self.label_space.classes, IGNORE}
        fitting = [name for name, table in ID_TABLES.items() if valid.issuperset(table.values())]
        for role in ("source", "target", "validation"):
            for position, dataset in enumerate(getattr(self, role)):
                foreign = {name: raw for raw, name in dataset.table().items() if name not in valid}
                if not foreign:
                    continue
                name, raw = next(iter(foreign.items()))
                what = f"{role}.{position}.ids{f' ({dataset.ids})' if isinstance(dataset.ids, str) else ''}"
                mend = f" Id tables that fit: {', '.join(fitting)}." if isinstance(dataset.ids, str) else ""
                raise ValueError(
                    f"{what} gives {raw!r} the class {name!r}, which is not in the label space {self.classes!r}."
                    + (mend or did_you_mean(name, valid))
                )
        return self

    @property
    def label_space(self) -> LabelSpace:
        """The classes the model predicts."""
        return LABEL_SPACES[self.classes]


class Encoder(Section):
    """The convolutional part of the segmentation network."""

    family: Literal["vgg16", "resnet"]
    width: Positive
    fc: PositiveInt
    dropout: Annotated[float, Field(ge=0, lt=1), _Number]
    blocks: Annotated[list[PositiveInt], Field(min_length=4, max_length=4)]
    weights: str | None
    preprocessing: Literal["caffe", "unit"]

    @model_validator(mode="after")
    def _weights_fit(self) -> "Encoder":
        if self.weights is None:
            return self
        if self.family != "vgg16":
            raise ValueError(f"weights={self.weights!r}: pretrained weights are read for vgg16 only; set weights: null")
        if self.width != 1 or self.fc != 4096:
            raise ValueError(
                f"weights={self.weights!r} needs the full network (width 1, fc 4096), found width {self.width:g} and"
                f" fc {self.fc}; set weights: null to train from scratch"
            )
        if self.preprocessing != "caffe":
            raise ValueError(f"weights={self.weights!r} were trained on caffe-style input: set preprocessing: caffe")
        return self


class Method(Section):
    """How source pixels teach: the choices in which all joint-training systems differ."""

    source_weighting: Literal["none", "plain", "learned"]
    levels: Annotated[list[Level], Field(min_length=1)]
    channels: Literal["shared", "per_class"]
    activation: Literal["sigmoid", "linear"]
    threshold: Literal["mean", "median"]
    gan: StrictBool
    lambda_adv: NonNegative
    lambda_rec: NonNegative
    label_noise: Annotated[float, Field(ge=0, lt=0.5), _Number]
    weighting_width: PositiveInt
    generator_channels: Annotated[list[PositiveInt], Field(min_length=6, max_length=6)]
    discriminator_channels: Annotated[list[PositiveInt], Field(min_length=6, max_length=6)]

    @field_validator("levels")
    @classmethod
    def _distinct(cls, levels: list[str]) -> list[str]:
        if len(set(levels)) != len(levels):
            raise ValueError(f"names a level twice: {levels}")
        return [level for level in get_args(Level) if level in levels]

    @model_validator(mode="after")
    def _gan_needs_source(self) -> "Method":
        if self.gan and self.source_weighting == "none":
            raise ValueError("gan: true aligns two domains, but source_weighting: none reads the target alone")
        return self


class LearningRate(Section):
    """Initial learning rate of each kind of player."""

    encoder: Positive
    weighting: Positive
    generator: Positive
    discriminator: Positive


class Train(Section):
    """The training loop."""

    steps: PositiveInt
    batch_size: PositiveInt
    learning_rate: LearningRate
    decay_power: NonNegative
    log_every: PositiveInt
    validate_every: PositiveInt
    checkpoint_every: PositiveInt
    keep_checkpoints: PositiveInt


class Recipe(Section):
    """A run, fully resolved. Build one with :func:`load_recipe`."""

    name: str
    seed: Seed
    deterministic: StrictBool
    precision: Literal["float32", "mixed_bfloat16"]
    runs: str
    saved_models: str
    data: Data
    encoder: Encoder
    method: Method
    train: Train

    @field_validator("name")
    @classmethod
    def _folder_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
            raise ValueError(
                f"names a folder: wants letters, digits, '_', '-' and (not first) '.', found {name!r}; set name=NAME"
            )
        return name

    @model_validator(mode="after")
    def _source_present(self) -> "Recipe":
        if self.method.source_weighting != "none" and not self.data.source:
            raise ValueError(
                f"method.source_weighting: {self.method.source_weighting} needs at least one data set in data.source"
            )
        return self

    @property
    def run_dir(self) -> Path:
        """Where the run keeps everything it writes."""
        return Path(self.runs) / self.name

    def to_dict(self) -> dict[str, Any]:
        """Plain data (str, int, float, bool, None, list, dict), as YAML and JSON take it."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """The resolved recipe as YAML text that :func:`load_recipe` reads back to an equal recipe."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False)

    def digest(self) -> str:
        """12 hexadecimal digits that stand for the resolved recipe."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:12]


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-4 as a string and lets a key's second value win; recipes want a number and an error."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} again", problem_mark=key.start_mark)
                seen.add((key.tag, key.value))
        return node


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def _parse_yaml(text: str, what: str) -> Any:
    try:
        return _unshared(yaml.load(text, _Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RecipeError(f"{what} is not valid YAML{where}: {error.problem or error.context}") from None
    # ValueError: such as the date 2024-13-01. RecursionError: an alias inside of its own anchor.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(f"{what} is not valid YAML: {error}") from None


def _unshared(tree: Any) -> Any:
    """A copy in which no two places are the same object (as YAML aliases are), so that one can be overridden."""
    if isinstance(tree, dict):
        return {key: _unshared(value) for key, value in tree.items()}
    return [_unshared(value) for value in tree] if isinstance(tree, list) else tree


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, merge and validate a recipe.

    Args:
        path: a YAML file.
        overrides: ``"dotted.key=value"`` strings; the value is YAML, list items are reached by number.

    Raises:
        RecipeError: naming the file or override, the key, what was found and the nearest valid key.
    """
    tree = _read(Path(path), seen=())
    for override in overrides:
        _override(tree, override)
    tree.setdefault("name", Path(path).stem)
    return parse_recipe(tree, str(path))


def parse_recipe(tree: dict[str, Any], origin: str = "recipe") -> Recipe:
    """Validate a recipe given as plain data.

    Raises:
        RecipeError: one line for each thing wrong.
    """
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        lines = [f"  {_explain(problem)}" for problem in error.errors()]
        raise RecipeError(f"{origin} is not a valid recipe:\n" + "\n".join(lines)) from None


def differences(one: Recipe, other: Recipe) -> list[str]:
    """``key: a -> b`` for every leaf in which two recipes differ."""
    a, b = _leaves(one.to_dict()), _leaves(other.to_dict())
    return [f"{k}: {a.get(k, '(absent)')} -> {b.get(k, '(absent)')}" for k in {**a, **b} if a.get(k) != b.get(k)]


def _leaves(tree: Any, prefix: str = "") -> dict[str, Any]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if items is None:
        return {prefix: tree}
    return {k: v for key, sub in items for k, v in _leaves(sub, f"{prefix}.{key}" if prefix else str(key)).items()}


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    by = f" (extended by {seen[-1]})" if seen else ""
    try:
        resolved = path.resolve()
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise RecipeError(f"{path} is not a text file; a recipe is YAML in UTF-8") from None
    # ValueError: a name that no file can have. RuntimeError: symbolic links in a circle.
    except (OSError, ValueError, RuntimeError) as error:
        raise RecipeError(f"cannot read the recipe {path}{by}: {getattr(error, 'strerror', None) or error}") from None
    if resolved in seen:
        circle = [*seen[seen.index(resolved) :], resolved]
        raise RecipeError(f"{path}: recipes extend each other in a circle: {' -> '.join(p.name for p in circle)}")
    tree = _parse_yaml(text, str(path))
    if not isinstance(tree, dict):
        found = "is empty" if tree is None else f"holds {reprlib.repr(tree)}"
        raise RecipeError(f"{path} {found}; a recipe is a mapping of keys to values")
    parent = tree.pop("extends", None)
    if parent is None:
        return tree
    if not isinstance(parent, str):
        raise RecipeError(f"{path}: extends wants the file name of a recipe, found {parent!r}")
    return _merge(_read(path.parent / parent, (*seen, resolved)), tree)


def _merge(base: Any, change: Any) -> Any:
    if isinstance(base, dict) and isinstance(change, dict):
        return base | {key: _merge(base.get(key), value) for key, value in change.items()}
    return change


def _override(tree: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise RecipeError(f"override {text!r} wants the form key=value, for example train.steps=1000")
    parsed = _parse_yaml(value, f"override {text!r}: the value")
    *parents, last = key.split(".")
    node: Any = tree
    for part in parents:
        if isinstance(node, dict) and node.get(part) is None:
            node[part] = {}
        node = node[_index(node, part, text)]
    node[_index(node, last, text)] = parsed


def _index(node: Any, part: str, text: str) -> Any:
    number = int(part) if re.fullmatch("[0-9]{1,9}", part) else None
    if isinstance(node, dict):
        return number if part not in node and number in node else part  # the keys of `ids` are numbers
    if isinstance(node, list):
        if number is not None and number < len(node):
            return number
        raise RecipeError(f"override {text!r}: {part!r} is no position in a list of {len(node)} items (0 is the first)")
    raise RecipeError(f"override {text!r}: {part!r} lies below a plain value ({node!r})")


def _explain(problem: dict[str, Any]) -> str:
    """One problem that pydantic found, in a recipe's terms."""
    *parents, last = problem["loc"] or ("recipe",)
    where = ".".join(map(str, (*parents, last)))
    match problem["type"]:
        case "extra_forbidden":
            return f"{where}: unknown key." + did_you_mean(str(last), _keys_at(parents))
        case "missing" if isinstance(last, int):
            return f"{where}: missing; the list has too few items."
        case "missing":
            return f"{where}: missing. Extend recipes/base.yaml or give a value."
        case "value_error":
            return f"{where}: {problem['msg'].removeprefix('Value error, ')}"
        case "model_type":
            return f"{where}: wants a mapping of keys to values, found {reprlib.repr(problem['input'])}"
        case _:
            return f"{where}: {problem['msg']} (found {reprlib.repr(problem['input'])})"


def _keys_at(path: Sequence[str | int]) -> list[str]:
    """The valid keys of the section at ``path``, found by walking the schema."""
    section: Any = Recipe
    for part in path:
        if isinstance(part, int):
            continue  # a list's items share one schema
        annotation = section.model_fields[part].annotation
        section = get_args(annotation)[0] if get_origin(annotation) else annotation
    return list(section.model_fields)
