"""``hrs report``."""

import argparse
from pathlib import Path

HELP = "Write a page on a run: how good it is, where it fails, what was selected, what to do next."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run_folder", metavar="run", help="a run folder, such as runs/toy_city")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change the data, such as data.root=FOLDER")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="default: report.html in the run folder")
    parser.set_defaults(open_list="overrides")


def run(options: argparse.Namespace) -> int:
    """Write the page, and print its path."""
    from hrs_keras.errors import printable
    from hrs_keras.report.run import ReportOptions, report_run

    print(printable(report_run(options.run_folder, ReportOptions(options.out, options.overrides))))
    return 0
