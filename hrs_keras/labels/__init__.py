"""Label spaces and id tables: facts about classes and data sets, no code that acts on them.

A *label space* is the ordered list of classes a model predicts; the position in it is the train id.
An *id table* maps the raw values found in a data set's label files to class names (or to ``IGNORE``).
"""

from hrs_keras.labels.id_tables import ID_TABLES, SYNTHIA_IDS
from hrs_keras.labels.spaces import (
    CAMVID,
    CITYSCAPES,
    CITYSCAPES_IDS,
    CITYSCAPES_PALETTE,
    IDD_LITE,
    IGNORE,
    IGNORE_LABEL,
    LABEL_SPACES,
    NOT_IN_SYNTHIA,
    LabelSpace,
    own_label_space,
)

__all__ = [
    "CAMVID",
    "CITYSCAPES",
    "CITYSCAPES_IDS",
    "CITYSCAPES_PALETTE",
    "IDD_LITE",
    "ID_TABLES",
    "IGNORE",
    "IGNORE_LABEL",
    "LABEL_SPACES",
    "NOT_IN_SYNTHIA",
    "SYNTHIA_IDS",
    "LabelSpace",
    "own_label_space",
]
