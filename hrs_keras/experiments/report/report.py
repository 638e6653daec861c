"""The report of an experiment: its tables, curves and pictures as Markdown."""

import errno
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from hrs_keras.errors import HRSError, reason
from hrs_keras.experiments.grid import Experiment
from hrs_keras.experiments.report import by_class, details, gate, notes, tables
from hrs_keras.experiments.report.amounts import amounts_figure
from hrs_keras.experiments.report.curves import check_figure, training_figure
from hrs_keras.experiments.report.figures import save
from hrs_keras.experiments.report.side_by_side import check_pictures, draw_side_by_side
from hrs_keras.experiments.results import RunResult
from hrs_keras.experiments.statistics import Measurements
from hrs_keras.system.files import write_text, writing


def check_report(experiment: Experiment, out: Path, into: Path | None) -> None:
    """Check, before hours of training, whatever :func:`write_report` would refuse that does not depend on results.

    Raises:
        HRSError: ``into`` lacks the two lines, ``out`` cannot be written to, the cells' label spaces differ, or the
            images of the systems in ``pictures`` do.
    """
    if into:
        _around(into, experiment.path.stem)
    check_pictures(Measurements(experiment, {}))
    with writing(out):
        Path(out).mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def write_report(
    experiment: Experiment,
    results: Mapping[str, RunResult],
    out: Path,
    into: Path | None = None,
    runs: Path = Path("runs"),
) -> Path:
    """Write ``OUT/STEM.md`` and the pictures ``OUT/STEM-*.png``, STEM being the stem of the experiment's file.

    The same results give the same bytes of Markdown; missing results leave empty cells.

    Args:
        experiment: from ``load_experiment``.
        results: digest -> result; those of other experiments are left aside.
        out: the folder to write to; it is made if need be.
        into: a Markdown file in which the text between ``<!-- begin: STEM -->`` and ``<!-- end: STEM -->`` is
            replaced by the report without its title.
        runs: the folder with the run folders, for ``experiment.pictures``.

    Returns:
        The path of ``OUT/STEM.md``.

    Raises:
        HRSError: ``into`` lacks the two lines or has them more than once, the cells' label spaces differ, a run folder
            is damaged, or something cannot be written.
    """
    stem = experiment.path.stem
    before, after = _around(into, stem) if into else ("", "")  # before anything is drawn
    measured = Measurements(experiment, results)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    sections = list(_sections(measured, out / stem, runs))
    file = out / f"{stem}.md"
    with writing(file):
        write_text(file, f"# {experiment.title}\n\n{_body(sections, level=2, folder=out)}")
    if into:
        body = _body(sections, level=3, folder=into.parent)
        with writing(into):
            line_end = "\r\n" if "\r\n" in before + after else "\n"
            write_text(into, before + f"\n\n{body}\n".replace("\n", line_end) + after)
    return file


@dataclass(frozen=True)
class _Picture:
    """A picture in the report, under a title for readers who cannot see it."""

    path: Path
    title: str

    def link(self, folder: Path) -> str:
        """The Markdown that shows it in a file of ``folder``."""
        relative = Path(os.path.relpath(self.path, folder)).as_posix()
        return f"![{self.title}]({quote(relative)})"


_Block = str | _Picture


def _sections(measured: Measurements, stem: Path, runs: Path) -> Iterable[tuple[str, list[_Block]]]:
    """(heading, blocks) in the order of the report, without sections that would be empty. Draws the pictures."""

    def path(what: str) -> Path:
        return stem.with_name(f"{stem.name}-{what}.png")

    experiment = measured.experiment
    if experiment.gate:
        yield "", list(gate.gate_lines(measured))
    main = tables.axis_tables(measured) if experiment.axes else [("", tables.main_table(measured))]
    for heading, table in main[:-1]:
        yield heading, [table]
    heading, table = main[-1]
    yield heading, [table, _bullets(notes.main_notes(measured))]
    if figure := amounts_figure(measured):
        picture = _Picture(save(figure, path("amounts")), "mIoU against the first axis")
        yield f"Against {experiment.axes[0].title}", [picture, notes.AMOUNTS]
    if not measured.found:
        return
    yield "IoU of each class", [details.class_table(measured), notes.CLASSES + notes.on_images(experiment, "test")]
    if figure := training_figure(measured):
        picture = _Picture(save(figure, path("training")), "mIoU through training")
        yield "Through training", [picture, notes.TRAINING + notes.on_images(experiment, "validation")]
    if share := details.share_table(measured):
        yield "Source pixels selected", [share, notes.SHARE]
    if note := notes.check_note(measured):
        yield "Selection check", list(_check_blocks(measured, note, path("selection")))
    if certainty := by_class.certainty_table(measured):
        yield "What the weighting networks learn", [certainty, by_class.CERTAINTY]
    for row in by_class.learned_rows(measured):
        table = by_class.selection_by_class(measured, row)
        yield f"Classes: {row.system.title}", [table, by_class.class_note(measured, row)]
    yield "Cost", [details.cost_table(measured), notes.cost_note(measured)]
    drawn, note = draw_side_by_side(measured, path("predictions"), runs)
    if note:
        yield "Predictions", [*([_Picture(drawn, "predictions side by side")] if drawn else []), note]


def _check_blocks(measured: Measurements, note: str, path: Path) -> Iterable[_Block]:
    if table := details.check_table(measured):
        yield table
    yield note
    if figure := check_figure(measured):
        yield _Picture(save(figure, path), "selection check through training")


def _bullets(sentences: list[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _body(sections: list[tuple[str, list[_Block]]], level: int, folder: Path) -> str:
    parts = []
    for heading, blocks in sections:
        parts += [f"{'#' * level} {heading}"] if heading else []
        parts += [block if isinstance(block, str) else block.link(folder) for block in blocks]
    return "\n\n".join(parts) + "\n"


def _around(file: Path, stem: str) -> tuple[str, str]:
    """The text up to the end of the first marker, and the text from the beginning of the second.

    Raises:
        HRSError: the file cannot be read, or the markers are not there once each and in order.
    """
    begin, end = f"<!-- begin: {stem} -->", f"<!-- end: {stem} -->"
    try:
        text = file.read_bytes().decode()  # not read_text, which would change the line ends
    except (OSError, UnicodeDecodeError) as error:
        raise HRSError(f"cannot read {file}: {reason(error)}") from None
    found = [text.count(begin), text.count(end)]
    if found != [1, 1] or text.index(begin) > text.index(end):
        order = ", in the wrong order" if found == [1, 1] else ""
        raise HRSError(
            f"{file}: found {begin!r} {_times(found[0])} and {end!r} {_times(found[1])}{order}; the report is written"
            " between these two lines: put each there once, the first above the second"
        )
    return text[: text.index(begin) + len(begin)], text[text.index(end) :]


def _times(count: int) -> str:
    return {0: "nowhere", 1: "once"}.get(count, f"{count} times")
