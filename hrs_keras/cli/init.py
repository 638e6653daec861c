"""``hrs init``."""

import argparse
from pathlib import Path
from typing import Any

HELP = "Write a recipe for your own folders of images and labels."

_FOLDERS = {
    "source": "synthetic images and their labels",
    "target": "real images and their labels, to train on; folders in it called train, val and test are told apart",
    "validation": "other real images and their labels, by which the weights are chosen",
    "test": "others again, for the number to report",
    "unlabelled": "real images without labels, at any depth; they show the method what is real",
}


class _Once(argparse.Action):
    """An option that is refused a second time: the last alone would count, without a word."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, *_: object) -> None:
        if (before := getattr(namespace, self.dest)) is not None:
            once = "give it once; folders of several kinds can be put into one"
            raise argparse.ArgumentError(self, f"is there twice ({before}, {value}); {once}")
        setattr(namespace, self.dest, value)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("recipe", metavar="NAME.yaml", type=Path, help="the file to write; never overwritten")
    for role, what in _FOLDERS.items():
        parser.add_argument(f"--{role}", metavar="DIR", type=Path, action=_Once, required=role == "target", help=what)
    names = "the classes to predict: one a line, or lines of 'R G B name', or CVAT's labelmap.txt"
    parser.add_argument("--classes", metavar="FILE", type=Path, action=_Once, help=names)


def run(options: argparse.Namespace) -> int:
    """Print what was found, and what is left to do."""
    from hrs_keras.errors import printable
    from hrs_keras.starting.run import start_recipe

    folders = {role: getattr(options, role) for role in _FOLDERS if getattr(options, role) is not None}
    started = start_recipe(options.recipe, folders, options.classes)
    print("\n".join(started.summary))
    if started.lists:
        print(f"lists of images: {', '.join(map(printable, started.lists))}")
    file = printable(started.path)
    if started.todo:
        count = f"{len(started.todo)} name{'s'[: len(started.todo) != 1]}"
        print(f"{file} is written, with {count} to fill in: {', '.join(started.todo)}")
    else:
        print(f"{file} is written; look it through, then: hrs audit {file}")
    return 0
