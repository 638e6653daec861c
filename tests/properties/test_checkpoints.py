"""Checkpoints that are damaged anywhere: an older one is taken, bit for bit, or there is one error; nothing else."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties.strategies import cases, damaged, snapshot
from support.small_trainer import SmallTrainer, values

from hrs_keras.errors import HRSError
from hrs_keras.runs.checkpoints import Checkpoints, restore_segmenter


@pytest.fixture(scope="module")
def trainer() -> SmallTrainer:
    return SmallTrainer()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, trainer: SmallTrainer) -> Path:
    """The checkpoints of steps 1 to 3, all of whose values are the step; step 2 is the best."""
    folder = tmp_path_factory.mktemp("sound") / "checkpoints"
    checkpoints = Checkpoints(trainer, folder, keep=3)
    for step in (1, 2, 3):
        trainer.assign(step)
        checkpoints.save_now(step)
        checkpoints.save_if_best(step, 0.5 if step == 2 else 0.25)
    checkpoints.close()
    return folder


@pytest.fixture(scope="module")
def files(sound: Path) -> dict[str, bytes]:
    return {name: contents for name, contents in snapshot(sound).items() if contents is not None}


@pytest.fixture(scope="module")
def copy(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the damaged ones, and beside it one that is not theirs."""
    folder = tmp_path_factory.mktemp("damaged") / "checkpoints"
    shutil.copytree(sound, folder.with_name("neighbour"))
    before = snapshot(folder.with_name("neighbour"))
    yield folder
    assert snapshot(folder.with_name("neighbour")) == before


def damage(draw: Any, sound: Path, files: dict[str, bytes], copy: Path) -> set[str]:
    """Copy the checkpoints with one or two of their files damaged or gone; the files' names."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(sound, copy)
    chosen = draw(st.sets(st.sampled_from(sorted(files)), min_size=1, max_size=2))
    for name in chosen:
        file = copy / Path(name).relative_to(sound)
        contents = draw(st.none() | damaged(files[name]))
        file.unlink() if contents is None else file.write_bytes(contents)
    return {str(Path(name).relative_to(sound)) for name in chosen}


@pytest.mark.slow
@pytest.mark.fault(
    "files of a run's checkpoints that are cut off, damaged or gone",
    "the newest sound checkpoint is taken, bit for bit; or an error that names the folder",
)
@cases(40)
@given(data=st.data())
def test_going_on(trainer, sound, files, copy, data):
    names = damage(data.draw, sound, files, copy)
    trainer.assign(9)
    newest = max((step for step in (1, 2, 3) if not any(f"last/step-{step}." in name for name in names)), default=None)
    try:
        checkpoints = Checkpoints(trainer, copy, keep=3)
        found = checkpoints.restore()
        checkpoints.sweep()
        best = checkpoints.best()
        checkpoints.close()
    except HRSError as error:
        assert str(copy) in str(error) and newest is None, error
        return
    (value,) = trainer.values()
    # Damage that no checksum covers changes nothing: then the damaged one may be taken.
    assert value >= newest if found else newest is None
    assert best in ({"step": 2, "miou": 0.5}, {}) and (best or any("best/step-2" in name for name in names))


@pytest.mark.fault(
    "a damaged checkpoint that weights are loaded from", "the newest sound one, bit for bit; or an error that names it"
)
@cases(40)
@given(which=st.sampled_from(["best", "last"]), data=st.data())
def test_loading_weights(trainer, sound, files, copy, which, data):
    names = damage(data.draw, sound, files, copy)
    trainer.assign(9)
    steps = (1, 2, 3) if which == "last" else (2,)
    whole = [step for step in steps if not any(f"{which}/step-{step}." in name for name in names)]
    before = snapshot(copy)
    try:
        step = restore_segmenter(trainer.network, copy, which)
    except HRSError as error:
        assert str(copy) in str(error) and not whole, error
    else:
        assert values(trainer.network.variables) == {step} and step >= max(whole, default=1)
    assert snapshot(copy) == before
