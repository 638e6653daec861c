"""Figures of a run: which pixels were selected (the paper's Fig. 4) and what was predicted (Fig. 5)."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text

from hrs_keras.errors import printable
from hrs_keras.labels import IGNORE_LABEL, LabelSpace
from hrs_keras.media.painting import IGNORED_COLOUR, SELECTED_COLOUR, blend, colourise
from hrs_keras.system.files import write_whole

_CELL_WIDTH = 2.6  # inches
_LEGEND_COLUMNS = 6


@dataclass(frozen=True)
class Row:
    """A row of a panel.

    Attributes:
        pictures: one for each column, [H, W, 3] uint8.
        captions: one below each picture.
    """

    pictures: Sequence[np.ndarray]
    captions: Sequence[str]


@dataclass(frozen=True)
class Panel:
    """A grid of pictures with titles and captions, ready to be drawn.

    Attributes:
        columns: a title for each column.
        rows: at least one; all their pictures have the same size.
        legend: label -> colour, R, G, B in 0..255.
    """

    columns: Sequence[str]
    rows: Sequence[Row]
    legend: Sequence[tuple[str, Sequence[int]]] = ()

    def save(self, path: Path, heading: str, metadata: Mapping[str, str] | None = None) -> None:
        """Draw the panel as a PNG.

        Args:
            path: the file; its folder is made if need be.
            heading: stands above the pictures.
            metadata: see :func:`save_figure`.

        Raises:
            OSError: the file cannot be written.
        """
        height, width = self.rows[0].pictures[0].shape[:2]
        legend_rows = -(-len(self.legend) // _LEGEND_COLUMNS)
        row_height = _CELL_WIDTH * height / width + 0.3
        size = (_CELL_WIDTH * len(self.columns) + 0.4, row_height * len(self.rows) + 0.7 + 0.24 * legend_rows)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(self.rows), len(self.columns), squeeze=False)
        for r, row in enumerate(self.rows):
            for c, (picture, caption) in enumerate(zip(row.pictures, row.captions, strict=True)):
                axis = axes[r, c]
                axis.imshow(picture, interpolation="nearest")
                axis.set(xticks=[], yticks=[])
                axis.set_xlabel(caption, fontsize=6)
                if r == 0:
                    axis.set_title(self.columns[c], fontsize=9)
        figure.suptitle(heading, fontsize=10)
        if self.legend:
            patches = [Patch(color=_matplotlib_colour(colour), label=label) for label, colour in self.legend]
            columns = min(_LEGEND_COLUMNS, len(patches))
            figure.legend(handles=patches, loc="outside lower center", ncols=columns, fontsize=7)
        save_figure(figure, path, dpi=110, metadata=metadata)


def selection_panel(images: np.ndarray, maps: Mapping[str, np.ndarray], titles: Sequence[str]) -> Panel:
    """Fig. 4: each source image beside its maps, painted red where selected and dimmed where not.

    Args:
        images: [N, H, W, 3] uint8.
        maps: column title -> [N, H, W] float in [0, 1], the share of levels that select the pixel.
        titles: a name for each image.
    """
    rows = []
    for i, image in enumerate(images):
        chosen = [selected[i] for selected in maps.values()]
        dimmed = [(image * (0.35 + 0.65 * share[..., None])).astype(np.uint8) for share in chosen]
        painted = [blend(dim, SELECTED_COLOUR, 0.45 * share) for dim, share in zip(dimmed, chosen, strict=True)]
        rows.append(Row([image, *painted], [titles[i], *(f"mean {share.mean():.2f}" for share in chosen)]))
    note = "selected (strength = share of levels); dark = not selected"
    return Panel(["image", *maps], rows, [(note, SELECTED_COLOUR.tolist())])


def adapted_panel(images: np.ndarray, adapted: np.ndarray, titles: Sequence[str]) -> Panel:
    """Each source image beside what a generator made of it.

    Args:
        images, adapted: [N, H, W, 3] uint8.
        titles: a name for each image.
    """
    pairs = zip(images, adapted, titles, strict=True)
    return Panel(["image", "adapted"], [Row([image, other], [title, ""]) for image, other, title in pairs])


def prediction_panel(
    images: np.ndarray,
    labels: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    space: LabelSpace,
    titles: Sequence[str],
) -> Panel:
    """Fig. 5: each real image, its ground truth and predictions, with the classes as legend.

    Args:
        images: [N, H, W, 3] uint8.
        labels: [N, H, W] train ids, 255 = ignore.
        predictions: column title -> [N, H, W] train ids.
        space: the classes and their colours.
        titles: a name for each image.
    """
    rows = []
    for i, image in enumerate(images):
        predicted = [ids[i] for ids in predictions.values()]
        painted = [colourise(ids, space) for ids in (labels[i], *predicted)]
        rows.append(Row([image, *painted], [titles[i], "", *(_agreement(labels[i], ids) for ids in predicted)]))
    legend = [*zip(space.classes, space.palette, strict=True), ("ignored", IGNORED_COLOUR)]
    return Panel(["image", "ground truth", *predictions], rows, legend)


def save_figure(figure: Figure, path: Path, dpi: int, metadata: Mapping[str, str] | None = None) -> None:
    """Write a figure as a PNG, whole or not at all.

    Its texts are shown as they are: two dollar signs make no formula. What has no shape is shown as an escape, and
    letters that Matplotlib's font lacks as boxes.

    Args:
        figure: what to draw.
        path: the file; its folder is made if need be.
        dpi: dots an inch.
        metadata: texts that the file holds and no viewer shows.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for text in figure.findobj(Text):
        text.set(parse_math=False, usetex=False, text=printable(text.get_text()))
    # Some texts, such as those of ticks, come to be only when the figure is drawn.
    with rc_context({"text.parse_math": False, "text.usetex": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # it would be repeated at each picture
        write_whole(path, lambda file: figure.savefig(file, format="png", dpi=dpi, metadata=metadata))


def _agreement(label: np.ndarray, prediction: np.ndarray) -> str:
    valid = label != IGNORE_LABEL
    return f"{100 * (label == prediction)[valid].mean():.0f} % of pixels right" if valid.any() else "nothing labelled"


def _matplotlib_colour(colour: Sequence[int]) -> tuple[float, float, float]:
    red, green, blue = (channel / 255 for channel in colour)
    return red, green, blue
