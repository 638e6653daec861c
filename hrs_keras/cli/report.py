"""``hrs report``."""

import argparse
from pathlib import Path

from hrs_keras.errors import HRSError

HELP = "Write a page on a run, on two side by side, or on an experiment: how good, where it fails, what to do next."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    subject = "a run folder, such as runs/toy_city, or an experiment, such as camvid_table1.yaml"
    parser.add_argument("subject", metavar="RUN | EXPERIMENT.yaml", help=subject)
    words = "a second run folder; key=value changes the data, such as data.root=FOLDER"
    parser.add_argument("words", nargs="*", metavar="RUN | key=value", help=words)
    out = (
        "default: report.html in the run folder, FIRST-SECOND.html here, or EXPERIMENT.html in the folder of --results"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.html", help=out)
    results = "folder with the results of the experiment; default: results"
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help=results)
    parser.set_defaults(open_list="words")


def run(options: argparse.Namespace) -> int:
    """Write the page, and print its path."""
    from hrs_keras.errors import printable

    overrides = [word for word in options.words if "=" in word and not Path(word).is_dir()]
    others = [word for word in options.words if word not in overrides]
    print(printable(_write(options, others, overrides)))
    return 0


def _write(options: argparse.Namespace, others: list[str], overrides: list[str]) -> Path:
    if not Path(options.subject).is_dir() and _is_experiment(options.subject):
        if others:
            raise HRSError(f"an experiment has a page of its own: give {others[0]} to another `hrs report`")
        return _experiment(options, overrides)
    if len(others) > 1:
        raise HRSError(f"one run, or two side by side: found {1 + len(others)}; write an experiment to compare more")
    if not others:
        from hrs_keras.report.run import ReportOptions, report_run

        return report_run(options.subject, ReportOptions(options.out, overrides))

    from hrs_keras.report.pair import report_pair

    first, second = options.subject, others[0]
    return report_pair(first, second, options.out or _beside(first, second), overrides)


def _is_experiment(word: str) -> bool:
    """Whether a word names an experiment: a YAML file, or a packaged one, such as ``camvid_table1``."""
    from hrs_keras.recipe import packaged

    found = packaged.find(word, subfolder=packaged.EXPERIMENTS)
    return word.endswith((".yaml", ".yml")) or packaged.is_file(found)


def _beside(first: str, second: str) -> Path:
    """The default name of a page of two runs, which belongs to neither of their folders."""
    return Path(f"{Path(first).resolve().name}-{Path(second).resolve().name}.html")


def _experiment(options: argparse.Namespace, overrides: list[str]) -> Path:
    from hrs_keras.experiments.grid import load_experiments

    (experiment,) = load_experiments([options.subject], overrides)

    from hrs_keras.experiments.report.page import write_experiment_page
    from hrs_keras.experiments.result_files import read_results

    out = options.out or options.results / f"{experiment.path.stem}.html"
    runs = Path(experiment.cells()[0].recipe.runs)
    return write_experiment_page(experiment, read_results(options.results), out, runs)
