"""The building blocks of all sections of a recipe."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"wants a number, found {value!r}")
    return value


Number = BeforeValidator(_no_bool)  # pydantic would take true for 1

Index = Annotated[int, Field(ge=0, lt=2**31), Number]
PositiveInt = Annotated[int, Field(gt=0, lt=2**31), Number]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), Number]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), Number]
Share = Annotated[float, Field(ge=0, lt=1), Number]
Probability = Annotated[float, Field(ge=0, le=1), Number]
# Twice a seed must still fit into the 32 bits that TensorFlow's stateless random numbers are keyed by.
Seed = Index


def fraction_or_count(given: Any, wanted: str = "") -> int | float:
    """How many of a set's samples are meant: a share of them in (0, 1] (float), or a count of at least 1 (int).

    Args:
        given: what a recipe says.
        wanted: what it may be besides, as the message says it, such as ``"all or "``.

    Raises:
        ValueError: it is neither.
    """
    whole = isinstance(given, int) and not isinstance(given, bool) and given > 0
    if not whole and not (isinstance(given, float) and 0 < given <= 1):
        raise ValueError(f"wants {wanted}a fraction in (0, 1] or a whole count of at least 1, found {given!r}")
    return given


STORED = "stored"
"""Key of the validation's context that is true for recipes which an earlier version may have stored: what is refused
since then, but did no harm to what was made with it, is taken from them."""


class Section(BaseModel):
    """A mapping of a recipe: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", validate_default=True)

    @classmethod
    def variant(cls, given: Any) -> "type[Section]":
        """The class whose keys are valid in a section; one that depends on what is given overrides this.

        Args:
            given: the section as plain data, not validated yet.
        """
        return cls
