"""``hrs prepare``."""

import argparse
import shlex

from hrs_keras.cli.words import add_recipe, read_recipe
from hrs_keras.errors import HRSError

HELP = "Convert a recipe's data sets to TFRecord shards, to train from those."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_recipe(parser)
    to = "the folder to fill, such as gs://bucket/folder; default: the recipe's data.prepared"
    parser.add_argument("--to", metavar="FOLDER", help=to)
    parser.add_argument("--jobs", type=int, help="samples converted at a time; default: one for each CPU")
    size = "largest size of a file; default: 256, or what FOLDER was begun with"
    parser.add_argument("--shard-size", type=float, metavar="MiB", help=size)
    parser.add_argument("--verify", action="store_true", help="convert nothing; read FOLDER and check its hashes")
    parser.set_defaults(after_interrupt="; the same command goes on with the shards that are missing")


def run(options: argparse.Namespace) -> int:
    """Convert a recipe's data, or check what was converted."""
    recipe = read_recipe(options)
    folder = options.to or recipe.data.prepared
    if not folder:
        raise HRSError("--to FOLDER is missing, and the recipe has no data.prepared: where should the data go?")

    from hrs_keras import prepare_data
    from hrs_keras.data.prepared.verify import verify_data

    if options.verify:
        count = verify_data(recipe, folder, jobs=options.jobs)
        print(f"all {count} shards in {folder} are as they were written")
    else:
        prepare_data(recipe, folder, jobs=options.jobs, shard_mib=options.shard_size)
        words = [options.recipe, *options.overrides, f"data.prepared={folder}"]
        print(f"train from it: hrs train {shlex.join(words)}")
    return 0
