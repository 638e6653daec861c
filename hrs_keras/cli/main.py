"""The ``hrs`` command: one verb for each task, each in a module of this package.

Exit codes:

====  =================================================================================================================
0     done
1     a bug; its traceback is shown
2     something the user can fix; one message says what and how
3     done, except for inputs that could not be used; each is named
75    ended early with everything saved, because of SIGTERM or because another worker was lost; run the command again
130   interrupted
====  =================================================================================================================
"""

import argparse
import itertools
import re
import signal
import sys
from collections.abc import Sequence
from typing import Protocol

import hrs_keras
from hrs_keras.cli import (
    audit,
    evaluate,
    experiment,
    export,
    init,
    logs,
    look,
    predict,
    prepare,
    rank,
    recipes,
    report,
    request,
    toy_city,
    train,
)
from hrs_keras.errors import HRSError, RerunError
from hrs_keras.system.signals import breaking_off


class Verb(Protocol):
    """What a module offers to be a verb of the command line.

    Such modules import TensorFlow, Keras and all that needs them inside ``run``: they take seconds, and ``--help``
    and the refusal of a mistyped option should not.
    """

    HELP: str
    """One sentence that says what the command does."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments.

        Two defaults have a meaning of their own (``parser.set_defaults``): ``open_list`` names the argument that takes
        the words after an option, and ``after_interrupt`` ends the message that an interrupted command prints.
        """

    def run(self, options: argparse.Namespace) -> int:
        """Carry the command out; returns the exit code. An ``HRSError`` becomes a message and code 2."""


VERBS: dict[str, Verb] = {
    "init": init,
    "train": train,
    "audit": audit,
    "look": look,
    "prepare": prepare,
    "experiment": experiment,
    "evaluate": evaluate,
    "rank": rank,
    "predict": predict,
    "report": report,
    "export": export,
    "request": request,
    "recipes": recipes,
    "toy-city": toy_city,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the words after ``hrs``; default: those the process was started with.

    Returns:
        The exit code.

    Raises:
        SystemExit: the words are no valid command (code 2), or asked for help or the version (code 0).
    """
    logs.escape_what_cannot_be_shown()
    options = parse(arguments)
    with logs.shown(), breaking_off(signal.SIGINT) as interrupted:
        try:
            return options.run(options)
        except HRSError as error:
            if isinstance(error, RerunError):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)  # another one would hide the code that says "saved"
            print(f"hrs: {error}", file=sys.stderr)
            return 75 if isinstance(error, RerunError) else 2
        except KeyboardInterrupt:
            pass
        except Exception:
            if not interrupted():  # TensorFlow turns an interrupt that passes through it into errors of its own
                raise
    print(f"\nhrs: interrupted{getattr(options, 'after_interrupt', '')}", file=sys.stderr)
    return 130


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the words of a command.

    A list of words, such as inputs or overrides, may be interrupted by options: ``hrs train r.yaml a=1 --fresh b=2``.
    argparse hands back the words after the option as unknown; they are added to the verb's open list. Empty words are
    refused: they come from variables that are not set, and as a path would mean the working directory.

    Args:
        arguments: see :func:`main`.

    Returns:
        The verb's arguments, and its ``run``.

    Raises:
        SystemExit: see :func:`main`.
    """
    words = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    for before, word in itertools.pairwise(["hrs", *words]):
        if not word or re.fullmatch(r"--[\w-]+=", word):
            parser.error(f"the argument after {before} is empty ({word!r}): was a variable not set?")
    options, rest = parser.parse_known_args(words)
    open_list = getattr(options, "open_list", None)
    if open_list is None or any(word.startswith("-") for word in rest):
        if rest:
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
    else:
        getattr(options, open_list).extend(rest)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hrs", description="Semantic segmentation from few real and many synthetic labels."
    )
    parser.add_argument("--version", action="version", version=f"hrs-keras {hrs_keras.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, verb in VERBS.items():
        command = commands.add_parser(name, help=verb.HELP, description=verb.HELP)
        command.set_defaults(run=verb.run)
        verb.add_arguments(command)
    return parser
