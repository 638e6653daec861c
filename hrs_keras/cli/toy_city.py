"""``hrs toy-city``."""

import argparse
import dataclasses

from hrs_keras.errors import HRSError

# Where recipes/toy_city.yaml reads it.
_FOLDER = "data/toy_city"

HELP = "Generate the toy city: a small two-domain data set in the real formats."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    folder = f"folder to create, one that holds the same data set already is left alone; default: {_FOLDER}"
    parser.add_argument("folder", nargs="?", default=_FOLDER, help=folder)
    sets = {
        "gtav": "synthetic images in GTAV's format; default: 160",
        "synthia": "synthetic images in SYNTHIA's format; default: 80",
        "train": "real images to train on, in Cityscapes' format; default: 48",
        "val": "real images to validate on, in Cityscapes' format; default: 24",
    }
    for name, text in sets.items():
        parser.add_argument(f"--{name}", type=int, metavar="NUMBER", help=text)
    size = "of all images, in pixels; default: 128 256"
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help=size)
    parser.add_argument("--unreal", type=float, metavar="SHARE", help="share of unreal synthetic images; default: 0.3")
    parser.add_argument("--seed", type=int, help="another seed gives other images; default: 0")


def run(options: argparse.Namespace) -> int:
    """Generate the images, and print the folder."""
    from hrs_keras.toy_city import ToyCity, generate

    names = {field.name for field in dataclasses.fields(ToyCity)}
    given = {name: value for name, value in vars(options).items() if name in names and value is not None}
    try:
        print(generate(options.folder, ToyCity(**given)))
    except (ValueError, OSError) as error:
        raise HRSError(str(error)) from None
    return 0
