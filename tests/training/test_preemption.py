"""SIGTERM at any moment: what is saved, that the run says "again", and that it then ends as if nothing had happened."""

import json
import signal
import time

import pytest
from support.checkpoints import tensors
from support.own_process import tell_to_end
from support.tiny_run import SETTINGS

from hrs_keras.errors import PreemptedError
from hrs_keras.evaluation.evaluator import Evaluator
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.runs.checkpoints import Checkpoints
from hrs_keras.runs.folder import RunFolder
from hrs_keras.training import outcome
from hrs_keras.training import run as training
from hrs_keras.training.profile import Profile
from hrs_keras.training.run import train

STEPS = SETTINGS["train"]["steps"]


@pytest.fixture
def told_in(monkeypatch):
    """``told_in(owner, name, call)``: SIGTERM comes as a function is called for the ``call``-th time."""

    def arrange(owner, name, call):
        original, calls = getattr(owner, name), []

        def telling(*args, **kwargs):
            calls.append(args)
            if len(calls) == call:
                tell_to_end()
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, telling)

    return arrange


def same_as(finished, run) -> None:
    for which in ("last", "best"):
        ours, theirs = tensors(run / "checkpoints" / which), tensors(finished / "checkpoints" / which)
        assert [name for name in theirs if ours[name] != theirs[name]] == []
    for file in (finished / "evaluations").glob("step_*.json"):
        ours, theirs = (json.loads(text) for text in (file.read_text(), (run / "evaluations" / file.name).read_text()))
        assert ours["confusion_matrix"] == theirs["confusion_matrix"]


@pytest.mark.fault(
    "SIGTERM during a validation", "exit code 75 with all saved; the same command ends with the same weights"
)
@pytest.mark.slow
def test_during_a_validation(finished, recipe_file, told_in, monkeypatch):
    """It is broken off, the step is saved, and the run that goes on makes up for it: here of each of its three."""
    recipe = load_recipe(recipe_file)
    run = RunFolder(recipe.run_dir)
    for step, said in (
        (0, "while the weights of step 0, which are saved, were validated"),
        (4, r"after step 4: saved .*step-4"),
        (STEPS, rf"after step {STEPS}: saved .*step-{STEPS}"),
    ):
        with monkeypatch.context():
            told_in(Evaluator, "__call__", 1 if step == 0 else 2)  # what was broken off comes first
            with pytest.raises(
                PreemptedError, match=rf"told to end \(SIGTERM\) {said}; the same command, without --fresh"
            ):
                train(recipe, export=False)
        assert not run.evaluation_file(step).exists()
        assert step == 0 or list(run.checkpoints.glob(f"last/step-{step}.*"))
    train(recipe, export=False)
    same_as(finished, run.path)


@pytest.mark.fault("SIGTERM during the audit or the last evaluation", "ends at once with exit code 75")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name"), [(training, "audit"), (outcome, "evaluate")], ids=["audit", "last evaluation"]
)
def test_before_and_after_the_steps(recipe_file, monkeypatch, module, name):
    recipe = load_recipe(recipe_file, ["train.steps=1", "train.validate_every=9", "method.gan=false"])
    original = getattr(module, name)

    def slow(*args, **kwargs):
        tell_to_end()
        time.sleep(30)  # it ends at once, and not only when this has ended
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, slow)
    begun = time.monotonic()
    with pytest.raises(PreemptedError, match="before the first step or after the last"):
        train(recipe, export=False)
    assert time.monotonic() - begun < 30
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    monkeypatch.setattr(module, name, original)
    assert train(recipe, export=False).step == 1


@pytest.mark.slow
def test_an_error_of_another_kind_stays_one(recipe_file, monkeypatch):
    """Told, but not broken off: what then fails is not for a rerun to mend."""
    recipe = load_recipe(recipe_file, ["train.steps=1", "train.validate_every=9", "method.gan=false"])

    def fails(self, step):
        tell_to_end()
        time.sleep(0.1)
        raise ZeroDivisionError

    monkeypatch.setattr(Checkpoints, "save_now", fails)
    with pytest.raises(ZeroDivisionError):
        train(recipe, export=False)


@pytest.mark.fault("SIGTERM while the last step is saved", "exit code 75; the same command goes on")
@pytest.mark.slow
def test_told_to_end_while_the_last_step_is_saved(recipe_file, monkeypatch):
    recipe = load_recipe(recipe_file, ["name=last", "train.steps=2", "method.gan=false"])
    save = Checkpoints.save_now

    def told(self, step):
        save(self, step)
        tell_to_end()

    monkeypatch.setattr(Checkpoints, "save_now", told)
    with pytest.raises(PreemptedError, match=r"told to end .*step-2; the same command, without --fresh, goes on"):
        train(recipe, export=False)
    assert not (recipe.run_dir / "result.json").exists()


@pytest.mark.parametrize(("first", "traced"), [(0, "2 to 4"), (3, "4 to 4"), (4, None)])
def test_a_profile_of_a_run_that_goes_on(tmp_path, capsys, first, traced):
    """Of the steps that were asked for those are traced that are yet to come."""
    run = RunFolder(tmp_path)
    profile = Profile(run.tensorboard, range(2, 5))
    for step in range(first + 1, 7):
        profile.before_step(step)
        profile.after_step(step)
    said = capsys.readouterr().out
    assert said == (f"steps {traced} traced: tensorboard --logdir {run.tensorboard}\n" if traced else "")
    assert run.tensorboard.exists() == bool(traced)
