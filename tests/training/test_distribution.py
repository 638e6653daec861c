"""Which devices and workers a run uses, as it is told from outside."""

import json

import pytest
import tensorflow as tf
from support import tiny
from support.processes import hrs, outcome
from support.tiny_run import write_recipe

from hrs_keras.errors import HRSError
from hrs_keras.training.distribution import _resolver, distribute

TWO = {"worker": ["a:1", "b:2"]}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS", "SLURMD_NODENAME"):
        monkeypatch.delenv(name, raising=False)


def tf_config(monkeypatch, config) -> None:
    monkeypatch.setenv("TF_CONFIG", config if isinstance(config, str) else json.dumps(config))


def slurm(monkeypatch, rank: int, nodes: str, tasks_per_node: str, tasks: int, here: str) -> None:
    for name, value in {
        "SLURM_PROCID": rank,
        "SLURM_STEP_NUM_TASKS": tasks,
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": tasks_per_node,
        "SLURMD_NODENAME": here,
    }.items():
        monkeypatch.setenv(name, str(value))


def test_a_cluster_is_read_from_tf_config(monkeypatch):
    tf_config(monkeypatch, {"cluster": TWO, "task": {"type": "worker", "index": 1}})
    resolver = _resolver()
    assert resolver.cluster_spec().as_dict() == TWO
    assert (resolver.task_type, resolver.task_id) == ("worker", 1)


@pytest.mark.parametrize("config", [{}, {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}])
def test_a_cluster_of_one_is_none(monkeypatch, config):
    tf_config(monkeypatch, config)
    assert _resolver() is None


@pytest.mark.fault("a `TF_CONFIG` that makes no sense", "refused; what was found is shown")
@pytest.mark.parametrize(
    "config",
    [
        "{cluster}",
        "[]",
        {"cluster": TWO},
        {"cluster": TWO, "task": {"type": "worker", "index": 2}},
        {"cluster": TWO, "task": {"type": "worker", "index": -1}},
        {"cluster": TWO, "task": {"type": "evaluator", "index": 0}},
        {"cluster": TWO | {"chief": ["c:1", "d:1"]}, "task": {"type": "worker", "index": 0}},
        {"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}},
        {"cluster": {"worker": [1, 2]}, "task": {"type": "worker", "index": 0}},
        {"cluster": {"worker": ["a", "b"]}, "task": {"type": "worker", "index": 0}},
        {"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}},
        {"cluster": TWO, "task": {"type": "worker", "index": 0.7}},
    ],
)
def test_a_tf_config_that_cannot_be_used_is_shown(monkeypatch, config):
    tf_config(monkeypatch, config)
    with pytest.raises(HRSError, match=r"TF_CONFIG: wants .* found"):
        _resolver()


def test_a_cluster_is_read_from_slurm(monkeypatch):
    slurm(monkeypatch, rank=2, nodes="gpu[07,11]", tasks_per_node="2(x2)", tasks=4, here="gpu11")
    resolver = _resolver()
    assert resolver.cluster_spec().as_dict() == {"worker": ["gpu07:8888", "gpu07:8889", "gpu11:8888", "gpu11:8889"]}
    assert (resolver.task_type, resolver.task_id) == ("worker", 2)


def test_one_task_of_slurm_is_no_cluster(monkeypatch):
    slurm(monkeypatch, rank=0, nodes="gpu1", tasks_per_node="1", tasks=1, here="gpu1")
    assert _resolver() is None


@pytest.mark.fault("Slurm hosts whose order TensorFlow mistakes", "refused; both hosts are named")
def test_hosts_that_the_resolver_puts_in_another_order_are_refused(monkeypatch):
    slurm(monkeypatch, rank=0, nodes="gpu[2,10]", tasks_per_node="1(x2)", tasks=2, here="gpu2")
    with pytest.raises(HRSError, match="task 0 runs on gpu2, but TensorFlow's resolver expects it on gpu10"):
        _resolver()


@pytest.mark.fault("Slurm variables that do not describe the job step", "refused")
def test_half_of_slurms_variables_are_not_enough(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    with pytest.raises(HRSError, match=r"Slurm's variables .* do not describe this job step"):
        _resolver()


@pytest.mark.fault("`HRS_WAIT_MINUTES=soon`", "refused before any worker is waited for")
@pytest.mark.parametrize("minutes", ["soon", "", "0", "-1", "inf"])
def test_a_wait_that_is_no_number_of_minutes_is_refused(monkeypatch, minutes):
    """Before this worker waits for any other."""
    tf_config(monkeypatch, {"cluster": TWO, "task": {"type": "worker", "index": 1}})
    monkeypatch.setenv("HRS_WAIT_MINUTES", minutes)
    with pytest.raises(HRSError, match=f"HRS_WAIT_MINUTES: wants a number of minutes above 0, found '{minutes}'"):
        distribute(tiny.recipe())


@pytest.mark.fault("`--devices` that are not there", "refused; how many there are is said")
@pytest.mark.parametrize(
    ("devices", "found"),
    [
        ("0", "wants a number of GPUs, cpu or cpu:N, found '0'"),
        ("cpu:0", "found 'cpu:0'"),
        ("gpu", "found 'gpu'"),
        ("", "found ''"),
        ("00", "found '00'"),
        ("cpu:00", "found 'cpu:00'"),
        ("99", "--devices 99: TensorFlow sees [0-9]+ GPUs here"),
    ],
)
def test_devices_that_are_not_there_are_refused(devices, found):
    with pytest.raises(HRSError, match=found):
        distribute(tiny.recipe(), devices)


def test_devices_are_chosen_before_tensorflow_begins():
    tf.constant(0.0)
    with pytest.raises(HRSError, match=r"--devices cpu:2: TensorFlow has its devices already .*; use a new process"):
        distribute(tiny.recipe("train.batch_size=2"), "cpu:2")


@pytest.mark.slow
def test_two_devices_train_a_whole_run(city, tmp_path):
    recipe = write_recipe(tmp_path, city, pictures=1)
    words, cache = ("train", recipe, "--no-report", "--devices"), tmp_path / "cache"
    codes, _, errors = outcome([hrs(*words, "cpu:3", cache=cache)])
    assert codes == [2] and "train.batch_size: 2 cannot be shared by 3 devices; use a multiple of 3" in errors[0]
    codes, _, errors = outcome([hrs(*words, "cpu:2", "train.source_ratio=1.5", cache=cache)])
    assert codes == [2] and "train.source_ratio times batch_size: 3 cannot be shared by 2 devices" in errors[0]
    codes, outs, errors = outcome([hrs(*words, "cpu:2", cache=cache)])
    assert codes == [0], errors
    evaluations = [
        json.loads(file.read_text()) for file in sorted((tmp_path / "runs/tiny/evaluations").glob("step_*.json"))
    ]
    assert [evaluation["images"] for evaluation in evaluations] == [3, 3, 3]  # which two cannot share evenly
    # What the run evaluates on two devices it evaluates once more, in the end, on one.
    assert f"trained {100 * max(next(iter(e['mean_iou'].values())) for e in evaluations[1:]):.2f} %" in outs[0]
