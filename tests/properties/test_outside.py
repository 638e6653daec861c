"""What comes from other programs: answers of servers, the description of a cluster, and marks of images."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from properties.strategies import anywhere, cases, damaged, json_values, with_value, xor
from support.scripted_servers import ScriptedRest, meaning, png, rest_answer

from hrs_keras.errors import DataError, HRSError, ServingError
from hrs_keras.experiments.sections import SelectionCheck
from hrs_keras.experiments.selection_check import read_marks
from hrs_keras.serving import ServedModel, ServingClient
from hrs_keras.training.distribution import _resolver

IMAGE = png(np.arange(72, dtype=np.uint8).reshape(4, 6, 3))
IDS, CONFIDENCE = meaning(IMAGE)
STATUS, KIND, ANSWER = rest_answer(png(IDS), png(CONFIDENCE))
CLUSTER = {"cluster": {"worker": ["a:1", "b:1"], "chief": ["c:1"]}, "task": {"type": "worker", "index": 0}}
MARKS = [{"name": "a", "odd": True}, {"name": "b", "odd": False}]
NESTED = "[" * 100_000
"""JSON that is nested so deeply that reading it ends in an error of its own."""


def edited(tree: Any) -> st.SearchStrategy[str]:
    """JSON with another value somewhere, or of something else."""
    return (anywhere(tree, json_values).map(lambda change: with_value(tree, *change)) | json_values).map(json.dumps)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedRest]:
    with contextlib.closing(ScriptedRest()) as server:
        yield server


@pytest.mark.fault("any answer of a server, or a damaged one", "an error that shows it; or the label map")
@cases(60)
@given(
    status=st.sampled_from([STATUS] * 4 + [400, 404, 500, 302]),
    answer=damaged(ANSWER) | edited(json.loads(ANSWER)).map(str.encode),
)
@example(status=200, answer=NESTED.encode())
@example(status=200, answer=xor(ANSWER, 126, 104))  # pixels that Pillow decodes, with a checksum that is wrong
def test_answers(server, status, answer):
    server.script = [(status, KIND, answer)]
    with ServingClient(ServedModel(server.address, "toy", attempts=1)) as client:
        try:
            (found,) = client.segment([IMAGE])
        except ServingError as error:
            assert server.address in str(error) and str(error).isprintable() and len(str(error)) < 1000
        else:
            np.testing.assert_array_equal(found.class_ids, IDS)


def as_variable(contents: bytes) -> str:
    """What an environment variable may hold of some bytes."""
    return contents.decode("latin-1").replace("\0", "")


@pytest.mark.fault("anything in TF_CONFIG", "refused, and shown; or a cluster, or none")
@cases(60)
@given(
    text=damaged(json.dumps(CLUSTER).encode()).map(lambda text: text.decode("latin-1").replace("\0", ""))
    | edited(CLUSTER)
)
@example(text=NESTED)
def test_clusters(text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CONFIG", text)
        try:
            resolver = _resolver()
        except HRSError as error:
            assert str(error).startswith("TF_CONFIG: wants ") and len(str(error)) < 2000
        else:
            assert resolver is None or len(json.loads(text)["cluster"]["worker"]) >= 1


@pytest.mark.fault("a file of marks that is damaged or edited anywhere", "refused, and named; or its marks")
@cases(60)
@given(
    text=st.lists(edited(MARKS[0]), min_size=1, max_size=2).map("\n".join).map(str.encode)
    | damaged("\n".join(map(json.dumps, MARKS)).encode())
)
@example(text=NESTED.encode())
def test_marks(tmp_path_factory, text):
    file = Path(tmp_path_factory.getbasetemp(), "marks.jsonl")
    file.write_bytes(text)
    try:
        marks = read_marks(SelectionCheck(marks=file.name, id="name", flag="odd"), file.parent)
    except DataError as error:
        assert str(file) in str(error) and len(str(error)) < 10_000
        str(error).encode()
    else:
        assert all(isinstance(name, str) and isinstance(mark, bool) for name, mark in marks.items())
