"""docs/robustness.md says what the tests' markers say."""

import pytest
from support.robustness import PAGE, PARTS, Fault, faults, page


def test_the_page_is_what_the_markers_say():
    assert PAGE.read_text(encoding="utf-8") == page(faults()), "run `make robustness`"


def test_every_marker_is_on_the_page():
    assert {fault.part for fault in faults()} <= PARTS.keys()


def test_markers_at_functions_and_at_parameters_are_found(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/test_x.py").write_text(
        '@pytest.mark.fault("a file is cut", "an error"\n" that names it")\n'
        '@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.fault("a|b", "c"))])\n'
        "def test_a_cut_file(n): ...\n"
    )
    found = faults(tmp_path)
    assert found == [
        Fault("a file is cut", "an error that names it", "runs/test_x.py", "test_a_cut_file"),
        Fault("a|b", "c", "runs/test_x.py", "test_a_cut_file"),
    ]
    assert page(found).endswith(
        "\n## Run folders and checkpoints\n\n"
        "| what is given or goes wrong | what happens | test |\n|---|---|---|\n"
        "| a file is cut | an error that names it | `runs/test_x.py::test_a_cut_file` |\n"
        "| a&#124;b | c | `runs/test_x.py::test_a_cut_file` |\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('x = pytest.mark.fault("a", "b")', "test_x.py:1: .* belongs to a test's decorators"),
        ('@pytest.mark.fault("a")\ndef test_a(): ...', "test_x.py:1: .* wants two texts"),
        ('@pytest.mark.fault("a", outcome="b")\ndef test_a(): ...', "test_x.py:1: .* wants two texts"),
        ('@pytest.mark.fault("a", b)\ndef test_a(): ...', "test_x.py:1: .* wants two texts"),
        ('@pytest.mark.fault("a", "")\ndef test_a(): ...', "test_x.py:1: .* wants two texts"),
    ],
)
def test_a_marker_that_the_page_cannot_show(text, message, tmp_path):
    (tmp_path / "test_x.py").write_text(text)
    with pytest.raises(ValueError, match=message):
        faults(tmp_path)
