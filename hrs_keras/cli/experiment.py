"""``hrs experiment``."""

import argparse
from pathlib import Path

from hrs_keras.errors import HRSError

HELP = "Run a table of systems, settings and seeds, and report on it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    words = "experiments, such as recipes/experiments/camvid_table1.yaml; key=value changes all their recipes"
    parser.add_argument("words", nargs="+", metavar="FILE.yaml | key=value", help=words)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, which share the CPUs evenly; default: 1")
    parser.add_argument("--only", nargs="+", default=[], metavar="SYSTEM", help="run these systems; default: all")
    results = "one JSON file for each run; runs that have theirs are not made again; default: results"
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help=results)
    parser.add_argument("--report", action="store_true", help="run nothing; report on the results that are there")
    out = "where FILE.md, the report, and its pictures go; default: the folder of --results"
    parser.add_argument("--out", type=Path, metavar="DIR", help=out)
    into = "also put the report between the lines <!-- begin: FILE --> and <!-- end: FILE --> of this file"
    parser.add_argument("--into", type=Path, metavar="PAGE.md", help=into)
    parser.set_defaults(open_list="words", after_interrupt="; the same command goes on")


def run(options: argparse.Namespace) -> int:
    """Make the runs that are missing, and report on all."""
    from hrs_keras.experiments.grid import load_experiments

    overrides = [word for word in options.words + options.only if "=" in word]  # --only takes all words after it
    experiments = load_experiments([word for word in options.words if "=" not in word], overrides)

    from hrs_keras.experiments.report.gate import verdict
    from hrs_keras.experiments.report.report import check_report, write_report
    from hrs_keras.experiments.result_files import read_results
    from hrs_keras.experiments.runner import FailedRunsError, run_experiments
    from hrs_keras.experiments.statistics import Measurements

    out = options.out or options.results
    for experiment in experiments:  # now, and not after hours of runs
        check_report(experiment, out, options.into)
    failed = None
    if not options.report:
        only = [word for word in options.only if "=" not in word]
        try:
            run_experiments(experiments, options.results, jobs=options.jobs, only=only)
        except FailedRunsError as error:
            failed = error  # the results that there are get their report nevertheless
    try:
        results = read_results(options.results)
        for experiment in experiments:
            runs = Path(experiment.cells()[0].recipe.runs)
            print(write_report(experiment, results, out, options.into, runs))
            if said := verdict(Measurements(experiment, results)):
                print(said)
    except HRSError as error:
        raise HRSError(f"{failed}\nand no report: {error}") if failed else error from None
    if failed:
        raise failed
    return 0
