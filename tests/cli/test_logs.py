"""What the package logs, on the command line and in a program that uses it as a library."""

import contextlib
import io
import logging

import pytest
from support.processes import start

from hrs_keras.cli import evaluate, logs
from hrs_keras.cli.main import main

LOG = logging.getLogger("hrs_keras.some.module")


def report():
    LOG.debug("not shown")
    LOG.info("step %d", 3)
    LOG.warning("%s is damaged", "x")


def test_an_info_is_its_plain_message_and_a_warning_says_so(capsys):
    report()
    LOG.error("worse")
    assert capsys.readouterr() == ("step 3\nwarning: x is damaged\nerror: worse\n", "")


def test_commands_show_it_once(monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "run", lambda options: report() or 0)
    assert main(["evaluate", "run"]) == 0
    assert capsys.readouterr().out == "step 3\nwarning: x is damaged\n"


def test_standard_output_is_looked_up_for_each_record():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        report()
    assert out.getvalue() == "step 3\nwarning: x is damaged\n"


def test_an_error_of_writing_is_raised_as_by_print():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    with contextlib.redirect_stdout(Closed()), pytest.raises(BrokenPipeError):
        report()


SHOWN = """
import sys
from hrs_keras.cli import evaluate
from hrs_keras.cli.main import main
from hrs_keras.errors import HRSError
import logging

def run(options):
    print("stra\\xdfe")
    logging.getLogger("hrs_keras").warning("%s", "caf\\xe9 \\udcff")
    raise HRSError("\\u8857")

evaluate.run = run
sys.exit(main(["evaluate", "run"]))
"""


@pytest.mark.fault(
    "a terminal or pipe that is not UTF-8, and class names or paths beyond its characters", "shown escaped"
)
@pytest.mark.parametrize(
    ("encoding", "out"),
    [
        ("ascii:surrogateescape", b"stra\\xdfe\nwarning: caf\\xe9 \\udcff\n"),  # as in the locale C
        ("ascii", b"stra\\xdfe\nwarning: caf\\xe9 \\udcff\n"),
        ("latin-1", b"stra\xdfe\nwarning: caf\xe9 \\udcff\n"),
        ("utf-8", b"stra\xc3\x9fe\nwarning: caf\xc3\xa9 \\udcff\n"),
    ],
)
def test_what_cannot_be_shown_is_escaped(tmp_path, encoding, out):
    with start("-c", SHOWN, cache=tmp_path, PYTHONIOENCODING=encoding) as process:
        shown, told = (stream.buffer.read() for stream in (process.stdout, process.stderr))
    assert (shown, told) == (out, b"hrs: " + "\u8857".encode(encoding.partition(":")[0], "backslashreplace") + b"\n")
    assert process.returncode == 2


LIBRARY = """
import logging
import hrs_keras
from hrs_keras.cli import logs
log = logging.getLogger("hrs_keras.x")
log.info("before")
with logs.shown():
    log.info("within")
log.info("after")
assert not logging.getLogger("hrs_keras").handlers and logging.getLogger("hrs_keras").level == logging.NOTSET
logging.basicConfig(format="%(name)s %(message)s", level=logging.INFO, force=True)
log.info("the program's own way")
"""


def test_a_library_user_decides(tmp_path):
    """Importing shows nothing of what is told; the command line's way ends with the command."""
    process = start("-c", LIBRARY, cache=tmp_path)
    assert process.communicate(timeout=60) == ("within\n", "hrs_keras.x the program's own way\n")
    assert logs.LOGGER == "hrs_keras"
