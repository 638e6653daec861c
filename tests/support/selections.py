"""What a run selected, image by image, and how the images are marked."""

from hrs_keras.experiments.sections import SelectionCheck

CHECK = SelectionCheck(marks="game/meta.jsonl", id="name", flag="odd")
# Means of H and H_p by image; which of them are odd.
SELECTED = {"a": (0.5, 0.1), "b": (0.25, 0.2), "c": (0.75, 0.3), "d": (0.5, 0.4), "e": (0.0, 0.5)}
ODD = {"a": False, "b": True, "c": False, "d": True, "e": True, "unused": False}
