"""Where a run's replicas are: the devices of this machine, or those of all workers of a cluster.

TensorFlow's own strategies do the work: ``MirroredStrategy`` on one machine, ``MultiWorkerMirroredStrategy`` on
several. Every worker runs the same command and takes the same steps; the first one, the chief, writes.
"""

import contextlib
import logging
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from hrs_keras.errors import HRSError, RecipeError, WorkerLostError, reason
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.files import parse_json

log = logging.getLogger(__name__)

# What TensorFlow says on the workers that are left: a connection broke off, or the collective op was given up.
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError, tf.errors.CancelledError)


class Distribution:
    """The strategy of a run, and this process's place in it.

    Attributes:
        strategy: what the trainer is built and run under.
        worker: number of this process among the ``workers``; 0 is the chief.
        workers: how many processes train together.
    """

    def __init__(self, strategy: tf.distribute.Strategy, worker: int = 0, workers: int = 1):
        self.strategy, self.worker, self.workers = strategy, worker, workers

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.worker == 0

    @property
    def replicas(self) -> int:
        """Devices that take a step together, on all workers."""
        return self.strategy.num_replicas_in_sync

    def gather(self, value: int) -> np.ndarray:
        """What each replica's worker gave: [replicas] int64. Returns when all workers have called it."""
        own = self.strategy.run(lambda: tf.constant([value], tf.int64))
        return self.strategy.gather(own, axis=0).numpy()

    def leave(self) -> None:
        """Wait until all workers have called this; the chief's process ends last.

        The workers find each other through the chief: were it gone first, the others would end with an error. So it
        waits a second time, for an answer that never comes; what ends this wait is that the others have gone.
        """
        if self.workers == 1:
            return
        self.gather(0)
        if self.chief:
            with contextlib.suppress(*_LOST):
                self.gather(0)

    @contextlib.contextmanager
    def lost_workers(self, advice: str) -> Iterator[None]:
        """Turn what TensorFlow raises when another worker has gone into a :class:`WorkerLostError`.

        Args:
            advice: what to do then, in words.
        """
        try:
            yield
        except _LOST as error:
            if self.workers == 1:
                raise
            why = error.message.strip().splitlines() or ["no reason given"]
            line = next((line for line in why if "Collective ops is aborted" in line), why[0])
            raise WorkerLostError(
                f"worker {self.worker} of {self.workers}: another worker has gone ({line[:200]}); {advice}"
            ) from None


def distribute(recipe: Recipe, devices: str | None = None) -> Distribution:
    """All devices a run is to use. Call it before anything else of TensorFlow.

    A cluster is known by ``TF_CONFIG``, or within an ``srun`` of more than one task by Slurm's variables; without one
    it is this machine alone.

    Args:
        recipe: its batch must be evenly shared by the replicas.
        devices: ``"N"`` (so many of the visible GPUs; None for all), ``"cpu"`` (no GPU), or ``"cpu:N"`` (the CPU as N
            devices, to try things out).

    Raises:
        RecipeError: the batch cannot be shared out evenly.
        HRSError: there are not so many devices, or the cluster's description cannot be read.
    """
    resolver = _resolver()
    virtual = _choose(devices, alone=resolver is None)
    if resolver is not None:
        distribution = _on_workers(resolver)
    elif virtual > 1:
        distribution = Distribution(tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(virtual)]))
    elif len(tf.config.list_logical_devices("GPU")) > 1:
        distribution = Distribution(tf.distribute.MirroredStrategy())
    else:
        distribution = Distribution(tf.distribute.get_strategy())
    shares = distribution.replicas * recipe.train.accumulate
    parts = f" in {recipe.train.accumulate} parts each (train.accumulate)" if recipe.train.accumulate > 1 else ""
    for domain, key in (("target", "train.batch_size"), ("source", "train.source_ratio times batch_size")):
        if (images := recipe.train.images(domain)) % shares:
            raise RecipeError(
                f"{key}: {images} cannot be shared by {distribution.replicas} devices{parts}; use a multiple of"
                f" {shares}, or fewer devices (--devices)"
            )
    return distribution


def _choose(devices: str | None, *, alone: bool) -> int:
    """Make only the wanted devices visible; returns how many devices the CPU is to be split into."""
    if devices is None:
        return 1
    kind = re.fullmatch(r"cpu(:(?P<cpus>[1-9][0-9]*))?|(?P<gpus>[1-9][0-9]*)", devices)
    if kind is None:
        raise HRSError(f"--devices: wants a number of GPUs, cpu or cpu:N, found {devices!r}")
    gpus = tf.config.list_physical_devices("GPU")
    if kind["gpus"]:
        wanted = int(kind["gpus"])
        if wanted > len(gpus):
            raise HRSError(
                f"--devices {wanted}: TensorFlow sees {len(gpus)} GPUs here; use as many or fewer, or cpu:{wanted}"
            )
        _before_tensorflow(devices, tf.config.set_visible_devices, gpus[:wanted], "GPU")
        return 1
    _before_tensorflow(devices, tf.config.set_visible_devices, [], "GPU")
    cpus = int(kind["cpus"] or 1)
    if cpus > 1:
        if not alone:
            raise HRSError(f"--devices {devices}: the CPU of a cluster's worker is one device; use --devices cpu")
        cpu = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * cpus
        _before_tensorflow(devices, tf.config.set_logical_device_configuration, cpu, parts)
    return cpus


def _before_tensorflow(devices: str, configure: Callable[..., None], *arguments: Any) -> None:
    try:
        configure(*arguments)
    except RuntimeError as error:
        raise HRSError(
            f"--devices {devices}: TensorFlow has its devices already ({error}); use a new process"
        ) from None


def _resolver() -> tf.distribute.cluster_resolver.ClusterResolver | None:
    """How the cluster's workers are found; None where there is but this process."""
    if "TF_CONFIG" in os.environ:
        return _from_tf_config(os.environ["TF_CONFIG"])
    if os.environ.get("SLURM_STEP_NUM_TASKS", "1") != "1":
        return _from_slurm()
    return None


def _from_tf_config(text: str) -> tf.distribute.cluster_resolver.ClusterResolver | None:
    try:
        config = parse_json(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        addresses = {kind: cluster.get(kind, []) for kind in ("chief", "worker")}
        every = [address for of_kind in addresses.values() for address in of_kind]
        if len(every) < 2:
            return None
        if not all(re.fullmatch(r".+:[0-9]+", address) for address in every) or len(set(every)) < len(every):
            raise ValueError("these are not lists of different addresses")
        if len(addresses["chief"]) > 1:
            raise ValueError("two chiefs")
        if task["index"] not in range(len(addresses[task["type"]])):
            raise ValueError("no such task")
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise HRSError(
            'TF_CONFIG: wants {"cluster": {"worker": [HOST:PORT, ...]}, "task": {"type": "worker", "index":'
            f" N}}}} (one chief may be added), with this process among them, found {text[:300]!r} ({error!r})"
        ) from None
    return tf.distribute.cluster_resolver.TFConfigClusterResolver()


def _from_slurm() -> tf.distribute.cluster_resolver.ClusterResolver:
    try:
        # Slurm itself binds GPUs to tasks (srun --gpus-per-task). The resolver, which would do so as well, fails on
        # nodes without any; given one imaginary GPU a task it finds the hosts alone.
        tasks, port = int(os.environ["SLURM_STEP_NUM_TASKS"]), int(os.environ.get("HRS_PORT", 8888))
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=port, gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
        address = resolver.cluster_spec().task_address("worker", int(os.environ["SLURM_PROCID"]))
    except (RuntimeError, ValueError, LookupError) as error:
        raise HRSError(
            "Slurm's variables (SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_STEP_NODELIST, SLURM_STEP_TASKS_PER_NODE), or"
            f" HRS_PORT, do not describe this job step: {error}; start it by srun, or set TF_CONFIG"
        ) from None
    # The resolver sorts node10 before node2, Slurm does not: all would wait for ever at wrong addresses.
    here, resolved = os.environ.get("SLURMD_NODENAME", socket.gethostname()), address.split(":")[0]
    if resolved not in (here, "localhost") and resolved.split(".")[0] != here.split(".")[0]:
        raise HRSError(
            f"Slurm's task {os.environ['SLURM_PROCID']} runs on {here}, but TensorFlow's resolver expects it on"
            f" {resolved} (it sorts host names as text); set TF_CONFIG on each worker instead"
        )
    return resolver


def _wait_minutes() -> float:
    """How long the first workers of a cluster wait for the last."""
    text = os.environ.get("HRS_WAIT_MINUTES", "10")
    if not re.fullmatch(r"[0-9]*[.]?[0-9]+", text) or not float(text):
        raise HRSError(f"HRS_WAIT_MINUTES: wants a number of minutes above 0, found {text!r}")
    return float(text)


@contextlib.contextmanager
def _bounded_wait(workers: int) -> Iterator[None]:
    """Let the system end this process if the other workers do not come. Nothing has been written yet.

    It waits in TensorFlow's C++ code, up to an hour, and holds Python's global lock: no Python thread or signal handler
    could run.
    """
    minutes = _wait_minutes()
    log.info("waiting for all %d workers, %g minutes at most", workers, minutes)
    signal.setitimer(signal.ITIMER_REAL, minutes * 60)  # nobody handles SIGALRM, so that it ends the process
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _on_workers(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> Distribution:
    cluster = resolver.cluster_spec()
    chiefs, others = (cluster.num_tasks(kind) if kind in cluster.jobs else 0 for kind in ("chief", "worker"))
    with _bounded_wait(chiefs + others):
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
        except _LOST as error:
            raise WorkerLostError(
                f"not all of the {chiefs + others} workers came ({reason(error)}); start all again"
            ) from None
        except tf.errors.UnknownError as error:
            raise HRSError(f"this worker's address cannot be used: {reason(error)}; is its port taken?") from None
    worker = resolver.task_id + (chiefs if resolver.task_type == "worker" else 0)
    return Distribution(strategy, worker, chiefs + others)
