"""``hrs rank``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hrs_keras.cli.words import add_checkpoint, tell_skipped
from hrs_keras.errors import printable

if TYPE_CHECKING:
    from hrs_keras.ranking.options import Ranking

HELP = (
    "This describes images; it does not say which will help. A table with a row an image: how well its layout matches"
    " real ones, how far it looks from them, whether its gradient agrees with theirs, and whether its label is"
    " contradicted, by a finished run."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run_folder", metavar="run", help="the folder of a run that has ended, such as runs/toy_city")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change the data, such as data.root=FOLDER")
    data = "the images: the recipe's source or target, or those of a folder, without labels; default: source"
    parser.add_argument("--data", default="source", metavar="source|target|FOLDER", help=data)
    parser.add_argument(
        "--out", type=Path, default=Path("rank.csv"), metavar="CSV", help="the table; default: rank.csv"
    )
    keep = "write a list of the best images, this share of all, for `only:` of a recipe, beside the table"
    parser.add_argument("--keep", type=float, metavar="SHARE", help=keep)
    by = "the columns by which the best are found, a list for each; give it after key=value"
    parser.add_argument("--by", nargs="+", default=[], metavar="COLUMN", help=by)
    join = "a renderer's parameters of each image, CSV or JSON lines: also tell each column's mean by them"
    parser.add_argument("--join", type=Path, metavar="FILE", help=join)
    parser.add_argument("--id", default="id", metavar="NAME", help="what names the image in that file; default: id")
    add_checkpoint(parser)
    parser.set_defaults(open_list="overrides")


def run(options: argparse.Namespace) -> int:
    """Write the table, and print what was written; code 3 if files were skipped."""
    from hrs_keras import RankOptions, rank_images

    chosen = RankOptions(
        data=options.data,
        overrides=tuple(options.overrides),
        which=options.checkpoint,
        out=options.out,
        keep=options.keep,
        by=tuple(options.by),
        join=options.join,
        id=options.id,
        on_skipped=tell_skipped,
    )
    found = rank_images(options.run_folder, chosen)
    for column, why in found.columns.left_out.items():
        print(f"no {column}: {why}")
    if found.means:
        _print_means(found)
    print(f"{printable(found.table)}: {found.images} images. It describes them; it does not say which will help")
    _print_lists(found)
    return 3 if found.skipped else 0


def _print_means(found: "Ranking") -> None:
    """The means of the main columns; the file has all."""
    from tabulate import tabulate

    from hrs_keras.ranking.columns import AGREEMENT, CONFIDENCE, DISTANCE, MATCH, QUALITY

    shown = [name for name in (MATCH, DISTANCE, AGREEMENT, QUALITY, CONFIDENCE) if name in found.columns.scores]
    header = ["parameter", "value", "images", *shown]
    rows = [
        ["-" if row[name] is None else f"{row[name]:.4g}" if name in shown else str(row[name]) for name in header]
        for row in found.mean_rows
    ]
    print(tabulate(rows, header, disable_numparse=True))
    if found.ungrouped:
        print(f"not grouped by, because of too many different values: {', '.join(found.ungrouped)}")
    assert found.means is not None
    print(f"{printable(found.means)}: these means, and those of the other columns")


def _print_lists(found: "Ranking") -> None:
    for column, lists in found.lists.items():
        print(f"{found.kept} of {found.images} images by {column}:")
        for data_set in range(found.data_sets):
            key = f"data.{found.role}.{data_set}.only=" if found.role else "only: "
            if data_set in lists:
                print(f"  {key}{printable(lists[data_set])}")
            else:
                print(f"  none of data.{found.role}.{data_set}: leave that data set out")
