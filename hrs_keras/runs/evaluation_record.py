"""The record of an evaluation, which a run folder keeps and an export carries with it."""

from typing import Annotated

from pydantic import BaseModel, Field

_Share = Annotated[float, Field(ge=0, le=1)]


class EvaluationRecord(BaseModel):
    """What an evaluation is recorded as, as far as that is relied on; :mod:`hrs_keras.evaluation.metrics` makes it."""

    images: int
    mean_iou: Annotated[dict[str, _Share | None], Field(min_length=1)]
    pixel_accuracy: _Share | None
    iou: dict[str, _Share | None]
    rule: str
