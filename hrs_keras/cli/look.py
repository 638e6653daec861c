"""``hrs look``."""

import argparse
from pathlib import Path

from hrs_keras.cli.words import add_recipe, read_recipe

HELP = "Draw a recipe's data: images, the classes of their labels over them, what is ignored, and the rarest class."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_recipe(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the pictures; default: looks/NAME")
    parser.add_argument("--images", type=int, default=6, metavar="N", help="images in a picture; default: 6")
    augmented = "also draw what the network gets in its first steps, cut, mirrored and recoloured as data.augment says"
    parser.add_argument("--after-augmentation", action="store_true", help=augmented)


def run(options: argparse.Namespace) -> int:
    """Print the files that were written."""
    from hrs_keras.errors import HRSError, printable

    if not 1 <= options.images <= 50:
        raise HRSError(f"--images {options.images}: wants a number from 1 to 50")
    recipe = read_recipe(options)

    from hrs_keras import audit
    from hrs_keras.media.contact_sheets import draw_augmented, draw_contact_sheets

    out = options.out or Path("looks") / recipe.name
    audited = audit(recipe, strict=False)
    written = draw_contact_sheets(recipe, audited, out, options.images)
    if options.after_augmentation:
        written += draw_augmented(recipe, audited.sets, out, options.images)
    print("\n".join(map(printable, written)))
    return 0
