"""The pictures that a run leaves."""

import numpy as np
from PIL import Image


def test_a_run_leaves_its_pictures(finished):
    for folder in ("predictions", "selection"):
        files = sorted((finished / "figures" / folder).iterdir())
        assert [file.name for file in files] == [f"step_{step:07d}.png" for step in (4, 8)]
        for file in files:
            with Image.open(file) as image:
                assert min(image.size) > 200 and len(np.unique(np.asarray(image.convert("L")))) > 50
