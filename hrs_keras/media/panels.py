"""Figures of a run: what was selected (the paper's Fig. 4) and what was predicted (Fig. 5)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hrs_keras.labels import IGNORE_LABEL, LabelSpace
from hrs_keras.media.painting import IGNORED_COLOUR, SELECTED_COLOUR, blend, colourise
from hrs_keras.system.files import write_whole


def selection_panel(
    path: Path, images: np.ndarray, maps: dict[str, np.ndarray], titles: Sequence[str], heading: str
) -> None:
    """Fig. 4: each source image beside its maps, painted red where selected and dimmed where not.

    Args:
        path: the PNG to write.
        images: [N, H, W, 3] uint8.
        maps: column title -> [N, H, W] float in [0, 1]; the share of levels that select the pixel.
        titles: a name for each row.
        heading: above the picture.
    """
    columns = ["image", *maps]
    rows = []
    for i, image in enumerate(images):
        dimmed = [(image * (0.35 + 0.65 * chosen[i][..., None])).astype(np.uint8) for chosen in maps.values()]
        painted = [
            blend(dim, SELECTED_COLOUR, 0.45 * chosen[i]) for dim, chosen in zip(dimmed, maps.values(), strict=True)
        ]
        means = [f"mean {chosen[i].mean():.2f}" for chosen in maps.values()]
        rows.append(([image, *painted], [titles[i], *means]))
    note = [Patch(color=SELECTED_COLOUR / 255, label="selected (strength = share of levels); dark = not selected")]
    _panel(path, columns, rows, note, heading)


def adapted_panel(path: Path, images: np.ndarray, adapted: np.ndarray, titles: Sequence[str], heading: str) -> None:
    """Each source image beside what a generator made of it.

    Args:
        path: the PNG to write.
        images, adapted: [N, H, W, 3] uint8.
        titles: a name for each row.
        heading: above the picture.
    """
    rows = [([image, other], [title, ""]) for image, other, title in zip(images, adapted, titles, strict=True)]
    _panel(path, ["image", "adapted"], rows, [], heading)


def prediction_panel(
    path: Path,
    images: np.ndarray,
    labels: np.ndarray,
    predictions: dict[str, np.ndarray],
    space: LabelSpace,
    titles: Sequence[str],
    heading: str,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Fig. 5: each real image, its ground truth and predictions, with the class legend.

    Args:
        path: the PNG to write.
        images: [N, H, W, 3] uint8.
        labels: [N, H, W] train ids, 255 = ignore.
        predictions: column title -> [N, H, W] train ids.
        titles: a name for each row.
        heading: above the picture.
        metadata: see :func:`save_figure`.
    """
    rows = []
    for i, image in enumerate(images):
        painted = [colourise(labels[i], space), *(colourise(p[i], space) for p in predictions.values())]
        right = [_agreement(labels[i], p[i]) for p in predictions.values()]
        rows.append(([image, *painted], [titles[i], "", *right]))
    legend = [Patch(color=np.array(c) / 255, label=n) for n, c in zip(space.classes, space.palette, strict=True)]
    legend.append(Patch(color=np.array(IGNORED_COLOUR) / 255, label="ignored"))
    _panel(path, ["image", "ground truth", *predictions], rows, legend, heading, metadata)


def _agreement(label: np.ndarray, prediction: np.ndarray) -> str:
    valid = label != IGNORE_LABEL
    return f"{100 * (label == prediction)[valid].mean():.0f} % of pixels right" if valid.any() else "nothing labelled"


def _panel(
    path: Path,
    columns: Sequence[str],
    rows: Sequence[tuple],
    legend: list[Patch],
    heading: str,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """A grid of pictures: (pictures, captions below them) for each row."""
    height, width = rows[0][0][0].shape[:2]
    cell = 2.6  # inches wide
    legend_columns = 6
    legend_rows = -(-len(legend) // legend_columns)
    figure = Figure(
        figsize=(cell * len(columns) + 0.4, (cell * height / width + 0.3) * len(rows) + 0.7 + 0.24 * legend_rows),
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for r, (pictures, captions) in enumerate(rows):
        for c, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
            axis = axes[r, c]
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.set_xlabel(caption, fontsize=6, parse_math=False)  # a file's name may hold dollar signs
            if r == 0:
                axis.set_title(columns[c], fontsize=9)
    figure.suptitle(heading, fontsize=10)
    if legend:
        figure.legend(handles=legend, loc="outside lower center", ncols=min(legend_columns, len(legend)), fontsize=7)
    save_figure(figure, path, dpi=110, metadata=metadata)


def save_figure(figure: Figure, path: Path, dpi: int, metadata: Mapping[str, str] | None = None) -> None:
    """Write a figure as a PNG, whole or not at all; ``metadata`` are texts that it holds unseen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda file: figure.savefig(file, format="png", dpi=dpi, metadata=metadata))
