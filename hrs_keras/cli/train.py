"""``hrs train``."""

import argparse
import gc
import logging
import re
import signal
from pathlib import Path

from hrs_keras.cli.words import add_recipe, read_recipe
from hrs_keras.errors import HRSError, PreemptedError, printable

log = logging.getLogger(__name__)

HELP = "Run a recipe: audit, train (or resume), evaluate, export, report."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_recipe(parser)
    parser.add_argument("--fresh", action="store_true", help="remove an earlier run of this name and start over")
    parser.add_argument(
        "--profile", metavar="FIRST:LAST", help="write a trace of these steps for TensorBoard's profiler"
    )
    parser.add_argument(
        "--devices",
        help="how many of the GPUs (default: all that are visible), or cpu, or cpu:N to take the CPU for N devices",
    )
    parser.add_argument("--no-export", action="store_true", help="write no SavedModel; `hrs export` can do so later")
    parser.add_argument("--no-report", action="store_true", help="write no report.html; `hrs report` can do so later")
    parser.set_defaults(after_interrupt="; the same command, without --fresh, goes on from the last checkpoint")


def run(options: argparse.Namespace) -> int:
    """Audit, train or resume, evaluate, export, report."""
    recipe = read_recipe(options)  # before TensorFlow is imported: a typo is reported at once
    profile = _steps(options.profile)

    from hrs_keras import train

    done = train(recipe, fresh=options.fresh, export=not options.no_export, profile=profile, devices=options.devices)
    if done and not options.no_report:
        _report(done.run_dir)
    return 0


def _report(run_dir: Path) -> None:
    """Write the run's page, unless it is there. The run is whole without it: what goes wrong is a warning.

    Raises:
        PreemptedError: SIGTERM came.
    """
    from hrs_keras.report.run import report_run
    from hrs_keras.runs.folder import RunFolder
    from hrs_keras.system.signals import breaking_off

    run = RunFolder(run_dir)
    page, result = run.report_file, run.result_file
    if page.is_file() and page.stat().st_mtime >= result.stat().st_mtime:
        return
    gc.collect()  # what was trained is not needed any more, and the page wants memory of the same size
    with breaking_off(signal.SIGTERM) as stop:
        try:
            log.info("page %s", printable(report_run(run_dir)))
        except HRSError as error:
            log.warning("no page of this run: %s\n`hrs report %s` tries again", error, printable(run_dir))
        except BaseException:
            if stop.raised:
                raise PreemptedError("when all was done but its page, report.html") from None
            raise


def _steps(text: str | None) -> range | None:
    """``FIRST:LAST`` as the steps from FIRST to LAST, both included."""
    if text is None:
        return None
    if not (steps := re.fullmatch(r"(\d{1,9}):(\d{1,9})", text)):
        raise HRSError(f"--profile wants FIRST:LAST, two step numbers such as 100:110, found {text!r}")
    return range(int(steps[1]), int(steps[2]) + 1)
