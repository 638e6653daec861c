"""The commands of ``hrs``: each takes parsed options and returns an exit code."""

import argparse
import dataclasses
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hrs_keras.errors import HRSError, printable

if TYPE_CHECKING:
    from hrs_keras.recipe.schema import Recipe

# TensorFlow takes seconds to import: each command imports what it needs, so that --help does not.


def read_recipe(options: argparse.Namespace) -> "Recipe":
    """The recipe that the options name, with its parts and overrides."""
    from hrs_keras import load_recipe

    parts = [word for word in options.overrides if "=" not in word and word.endswith((".yaml", ".yml"))]
    return load_recipe([options.recipe, *parts], [word for word in options.overrides if word not in parts])


def run_train(options: argparse.Namespace) -> int:
    """Audit, train or resume, evaluate, export."""
    recipe = read_recipe(options)  # before the wait: a typo is told at once
    profile = None
    if options.profile is not None:
        if not (steps := re.fullmatch(r"(\d{1,9}):(\d{1,9})", options.profile)):
            raise HRSError(f"--profile wants FIRST:LAST, two step numbers such as 100:110, found {options.profile!r}")
        profile = range(int(steps[1]), int(steps[2]) + 1)

    from hrs_keras import train

    train(recipe, fresh=options.fresh, export=not options.no_export, profile=profile, devices=options.devices)
    return 0


def run_audit(options: argparse.Namespace) -> int:
    """Check a recipe's data."""
    recipe = read_recipe(options)

    from hrs_keras import audit

    result = audit(recipe, strict=False)
    print(result.table())
    _write_json(options.json, result.to_dict())
    empty = any(not len(pairs) for sets in result.sets.values() for pairs in sets)
    if result.errors and (empty or recipe.data.on_bad == "error"):
        count = len(result.errors)
        print(f"hrs: {count} error{'s'[: count > 1]}; training would refuse this data", file=sys.stderr)
        return 2
    return 0


def run_prepare(options: argparse.Namespace) -> int:
    """Convert a recipe's data, or check what was converted."""
    recipe = read_recipe(options)
    folder = options.to or recipe.data.prepared
    if not folder:
        raise HRSError("--to FOLDER is missing, and the recipe has no data.prepared: where should the data go?")

    from hrs_keras.data.prepared.prepare import prepare_data, verify_data

    if options.verify:
        count = verify_data(recipe, folder, jobs=options.jobs)
        print(f"all {count} shards in {folder} are as they were written")
    else:
        prepare_data(recipe, folder, jobs=options.jobs, shard_mib=options.shard_size)
        print(f"train from it: python train.py {options.recipe} data.prepared={folder}")
    return 0


def run_experiment(options: argparse.Namespace) -> int:
    """Make the runs of experiments that are missing, and report."""
    from hrs_keras.experiments.grid import load_experiments

    overrides = [word for word in options.words + options.only if "=" in word]  # --only takes all that follows it
    experiments = load_experiments([word for word in options.words if "=" not in word], overrides)

    from hrs_keras.experiments.report.report import check_report, write_report
    from hrs_keras.experiments.results import read_results
    from hrs_keras.experiments.runner import FailedRunsError, run_experiments

    out = options.out or options.results
    for experiment in experiments:  # not after hours of runs
        check_report(experiment, out, options.into)
    failed = None
    if not options.report:
        only = [word for word in options.only if "=" not in word]
        try:
            run_experiments(experiments, options.results, jobs=options.jobs, only=only)
        except FailedRunsError as error:
            failed = error  # what there is is reported nevertheless
    try:
        results = read_results(options.results)
        for experiment in experiments:
            runs = Path(experiment.cells()[0].recipe.runs)
            print(write_report(experiment, results, out, options.into, runs))
    except HRSError as error:
        raise HRSError(f"{failed}\nand no report: {error}") if failed else error from None
    if failed:
        raise failed
    return 0


def run_evaluate(options: argparse.Namespace) -> int:
    """Evaluate a run."""
    from hrs_keras import evaluate_run

    result = evaluate_run(
        options.run, which=options.checkpoint, overrides=options.overrides, write_ids=options.write_ids
    )
    print(result.table())
    _write_json(options.json, result.to_dict())
    return 0


def run_predict(options: argparse.Namespace) -> int:
    """Segment images and videos; 3 if some were skipped."""
    from hrs_keras.media.inputs import find_inputs

    # Before the wait: a typo is told at once.
    find_inputs(options.inputs)
    if options.overlap is not None and not options.sliding:
        raise HRSError("--overlap is of windows: it goes with --sliding")

    from hrs_keras import View, predict_files

    mode = "sliding" if options.sliding else "pad" if options.pad else "resize"
    try:
        overlap = 0.5 if options.overlap is None else options.overlap
        view = View(mode, overlap, tuple(options.scales), options.flip)
    except ValueError as error:
        raise HRSError(str(error)) from None
    skipped = predict_files(
        options.model,
        options.inputs,
        options.out,
        view=view,
        which=options.checkpoint,
        batch_size=options.batch_size,
        confidence=options.confidence,
        probabilities=options.probabilities,
        **_max_pixels(options),
    )
    folders = ["ids/", "colour/", "overlay/"]
    folders += [f"{name}/" for name in ("confidence", "probabilities") if getattr(options, name)]
    print(f"{', '.join(folders[:-1])} and {folders[-1]} are in {printable(Path(options.out))}")
    return 3 if skipped else 0


def run_export(options: argparse.Namespace) -> int:
    """Export a run."""
    chosen = {"which": options.checkpoint, "version": options.version}
    if options.format == "saved_model":
        from hrs_keras import export_run

        print(export_run(options.run, **chosen, **_max_pixels(options)))
        return 0
    if options.max_pixels is not None:
        raise HRSError(f"--max-pixels is for SavedModels; {options.format} files hold no such limit")

    from hrs_keras import export_run_portable

    print(export_run_portable(options.run, options.format, **chosen))
    return 0


def _max_pixels(options: argparse.Namespace) -> dict[str, int]:
    """The default is where TensorFlow is imported."""
    return {} if options.max_pixels is None else {"max_pixels": options.max_pixels}


def run_request(options: argparse.Namespace) -> int:
    """Segment images with a served model; 3 if some were skipped."""
    from hrs_keras import request_files

    skipped = request_files(
        options.address,
        options.inputs,
        options.out,
        model=options.model,
        version=options.version,
        timeout=options.timeout,
        attempts=options.attempts,
        classes=options.classes,
        batch_size=options.batch_size,
    )
    folders = "class_ids/, confidence/, colour/ and overlay/" if options.classes else "class_ids/ and confidence/"
    print(f"{folders} are in {printable(Path(options.out))}")
    return 3 if skipped else 0


def run_toy_city(options: argparse.Namespace) -> int:
    """Generate the toy city."""
    from hrs_keras.toy_city import ToyCity, generate

    names = {field.name for field in dataclasses.fields(ToyCity)}
    given = {name: value for name, value in vars(options).items() if name in names and value is not None}
    try:
        print(generate(options.folder, ToyCity(**given)))
    except (ValueError, OSError) as error:
        raise HRSError(str(error)) from None
    return 0


def _write_json(path: Path | None, value: dict) -> None:
    if path is None:
        return
    try:
        path.write_text(json.dumps(value, indent=1) + "\n")
    except OSError as error:
        raise HRSError(f"cannot write {path}: {error.strerror}") from None
