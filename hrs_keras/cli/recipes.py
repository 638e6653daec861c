"""``hrs recipes``."""

import argparse
from pathlib import Path

HELP = "List the recipes that come with the package, or copy one to change it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(metavar="[copy]")
    copy = actions.add_parser("copy", help="copy one into a folder", description="Copy a packaged recipe.")
    copy.add_argument("name", metavar="NAME", help="as in the list, such as toy_city or systems/joint")
    folder = "where the copy goes; default: the working directory"
    copy.add_argument("folder", nargs="?", metavar="FOLDER", type=Path, default=Path(), help=folder)
    parser.set_defaults(name=None)


def run(options: argparse.Namespace) -> int:
    """Print a line for each recipe, or the path of the copy."""
    from hrs_keras.recipe import packaged

    if options.name is not None:
        print(packaged.copy(options.name, options.folder))
        return 0
    width = max(map(len, packaged.names()))
    print("\n".join(f"{name:{width}}  {packaged.summary(name)}" for name in packaged.names()))
    return 0
