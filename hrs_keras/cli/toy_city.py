"""``hrs toy-city``."""

import argparse
import dataclasses

from hrs_keras.errors import HRSError

HELP = "Generate the toy city: a small two-domain data set in the real formats."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder")
    for name, text in (("gtav", "source images"), ("synthia", "source images"), ("train", "target"), ("val", "target")):
        parser.add_argument(f"--{name}", type=int, help=f"number of {text} ({name})")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of all images, in pixels")
    parser.add_argument("--seed", type=int)


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
