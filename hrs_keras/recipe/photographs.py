"""Images without labels: the entries of ``data.unlabelled``."""

from typing import Any, ClassVar

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from hrs_keras.recipe.dataset import Dataset
from hrs_keras.recipe.ids import Ids
from hrs_keras.recipe.known_data_sets import OWN
from hrs_keras.recipe.plugins import DATA_SETS


class Photographs(Dataset):
    """A data set of images alone.

    A recipe may give a folder in its place, whose images are meant, or a file pattern. ``format`` fills in where the
    images of a known data set lie. A data set's keys that speak of labels are refused.
    """

    OF_LABELS: ClassVar[tuple[str, ...]] = ("labels", "encoding", "bits", "channel", "raw", "ids")

    images: str = "*"
    labels: None = None
    ids: Ids = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _fill_from_format(cls, given: Any) -> Any:
        if isinstance(given, str):
            given = _described(given)
        if not isinstance(given, dict):
            return given
        if found := [key for key in cls.OF_LABELS if key in given]:
            raise ValueError(
                f"{', '.join(found)}: images of data.unlabelled have no labels; list a data set with labels in"
                " data.target, where data.labelled can hide them"
            )
        known = DATA_SETS.load_instance(given.get("format", OWN), dict)
        return {key: value for key, value in known.items() if key not in cls.OF_LABELS} | given

    @field_validator("ids", mode="plain")
    @classmethod
    def _id_table(cls, ids: Any, info: ValidationInfo) -> Ids:
        return {}

    @model_serializer(mode="wrap")
    def _as_recipes_have_it(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        whole = {"except" if key == "left_out" else key: value for key, value in serialise(self).items()}
        return {key: value for key, value in whole.items() if key not in self.OF_LABELS}


def _described(text: str) -> dict[str, str]:
    """A folder, or a file pattern, as the mapping that stands for it."""
    star = text.find("*")
    if star < 0:
        return {"root": text}
    folder, slash, _ = text[:star].rpartition("/")
    return {"root": folder or (slash or "."), "images": text[len(folder) + len(slash) :]}
