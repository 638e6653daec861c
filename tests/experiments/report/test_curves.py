"""The curves: what is drawn where, read from the figures."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex
from support import made_up
from support.made_up import AMOUNTS, amounts, checked, measurements, result, results

from hrs_keras.experiments.report.amounts import amounts_figure
from hrs_keras.experiments.report.curves import check_figure, training_figure
from hrs_keras.experiments.report.figures import common_legend, panels, style


def legend_is_clear(figure) -> bool:
    """Whether no legend of the figure covers a part of any axes."""
    figure.draw_without_rendering()
    legends = [*figure.legends, *(panel.get_legend() for panel in figure.axes if panel.get_legend())]
    boxes = [legend.get_window_extent() for legend in legends]
    panels = [panel.get_window_extent() for panel in figure.axes]
    inside = all(figure.bbox.padded(1).containsx(x) for box in boxes for x in (box.x0, box.x1))
    return inside and bool(boxes) and not any(box.overlaps(panel) for box in boxes for panel in panels)


def test_amounts_are_drawn_at_their_values(tmp_path):
    experiment, found = amounts(tmp_path)
    figure = amounts_figure(measurements(experiment, found))
    (panel,) = figure.axes
    assert panel.get_xscale() == "log" and panel.get_xlabel() == "labels"
    assert [label.get_text() for label in panel.get_xticklabels()] == ["1/8", "1/2", "full"]
    assert panel.get_xticks().tolist() == [0.125, 0.5, 1.0]
    fcn, joint = panel.containers
    assert (fcn.get_label(), joint.get_label()) == ("FCN", "JOINT")
    line, _, (bars,) = fcn.lines
    assert line.get_ydata() == pytest.approx([42, 52, 62])
    assert line.get_xdata() == pytest.approx([0.125, 0.5, 1.0], rel=0.05)
    # 40 and 44 at 1/8: 42 ± sqrt(8)
    assert bars.get_segments()[0][:, 1] == pytest.approx([42 - 8**0.5, 42 + 8**0.5])
    assert joint.lines[0].get_ydata() == pytest.approx([65])
    published = next(line for line in panel.lines if line.get_label() == "FCN, published")
    assert published.get_linestyle() == "--" and published.get_color() == line.get_color() != joint.lines[0].get_color()
    assert (published.get_xdata().tolist(), published.get_ydata().tolist()) == ([0.125, 1.0], [33.3, 44.0])
    dots = [other for other in panel.lines if other.get_marker() == "."]
    assert sorted(y for dot in dots for y in dot.get_ydata()) == pytest.approx([40, 44, 50, 54, 60, 62, 64, 68])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["FCN", "JOINT", "FCN, published"]
    assert legend_is_clear(figure)


@pytest.mark.slow
def test_amounts_want_values(tmp_path):
    text = AMOUNTS.replace("value: 0.5, ", "")
    assert amounts_figure(measurements(made_up.experiment(tmp_path, text), {})) is None
    assert amounts_figure(measurements(made_up.experiment(tmp_path, AMOUNTS), {})) is None
    assert amounts_figure(measurements(made_up.experiment(tmp_path), {})) is None


def test_an_amount_of_nothing_has_a_place(tmp_path):
    text = "seeds: [0]" + AMOUNTS.replace("value: 0.125", "value: 0")
    experiment = made_up.experiment(tmp_path, text, systems=["fcn"])
    found = {cell.digest: result(cell, 0.5) for cell in experiment.cells()}
    (panel,) = amounts_figure(measurements(experiment, found)).axes
    places = panel.transData.transform([(x, 50) for x in (0, 0.5, 1.0)])[:, 0]
    assert places[0] < places[1] < places[2] and np.isfinite(places).all()


def test_training_is_drawn_with_its_range(tmp_path):
    experiment = made_up.experiment(tmp_path, systems=["fcn", "joint", "ours"])
    found = results(experiment, fcn={0: 0.5, 1: 0.6}, ours={0: 0.7})
    figure = training_figure(measurements(experiment, found))
    (panel,) = figure.axes
    fcn, ours = panel.lines
    assert (fcn.get_label(), ours.get_label()) == ("FCN", "OURS")
    assert (list(fcn.get_xdata()), list(fcn.get_ydata())) == ([300, 600], pytest.approx([27.5, 55]))
    band = panel.collections[0].get_paths()[0].vertices
    assert {(x, round(y, 6)) for x, y in band} == {(300, 25), (300, 30), (600, 50), (600, 60)}
    assert list(panel.get_xticks()) == [300, 600]
    assert legend_is_clear(figure)


def test_training_has_a_panel_for_each_cell(tmp_path):
    experiment, found = amounts(tmp_path)
    figure = training_figure(measurements(experiment, found))
    assert [panel.get_title() for panel in figure.axes] == ["1/8", "1/2", "full"]
    assert [len(panel.lines) for panel in figure.axes] == [1, 1, 2]
    assert legend_is_clear(figure)


def test_the_check_is_drawn(tmp_path):
    experiment, found = checked(tmp_path)
    figure = check_figure(measurements(experiment, found))
    means, areas = figure.axes
    lines = {line.get_label(): line for line in (*means.lines, *areas.lines)}
    assert lines["H, others"].get_ydata() == pytest.approx([0.5, 0.55])
    assert lines["H, flagged"].get_ydata() == pytest.approx([0.25, 0.3])
    assert lines["AUC of H"].get_ydata() == pytest.approx([0.75, 0.8])
    assert "AUC of H_p" not in lines and "AUC of H_i" not in lines
    assert list(lines["H, others"].get_xdata()) == [0, 300]
    assert legend_is_clear(figure)


def test_systems_are_told_apart_in_greys_and_by_the_colour_blind():
    styles = [style(number) for number in range(21)]
    assert len({(style["color"], style["linestyle"]) for style in styles}) == 21
    assert not {"--"} & {style["linestyle"] for style in styles}  # published numbers alone
    # Viénot, Brettel and Mollon's 1999 simulations of a missing red or green receptor, in linear RGB.
    for simulate in (
        [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    ):
        seen = [np.array(simulate) @ _linear(style["color"]) for style in styles[:7]]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.1


def _linear(colour: str) -> np.ndarray:
    channels = np.array([int(to_hex(colour)[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def test_titles_that_begin_with_an_underscore_are_in_the_legend():
    """Matplotlib's own list of what a legend could show leaves them out."""
    figure, axes = panels((1, 1), (4, 3), legend_rows=1)
    (line,) = axes[0, 0].plot([0, 1], [0, 1], label="_background_")
    common_legend(figure, {"_background_": line, "toll $2^$": line}, columns=2)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["_background_", "toll $2^$"]
