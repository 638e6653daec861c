"""PixelDA: its content loss, its generator, one step of its players, and a run."""

import csv
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from support import reference, tiny
from support.one_step import batch_of, descend, observe
from support.paths import REPOSITORY
from support.pixelda_step import ADVERSARIAL, CONTENT, PIXELDA, PLAYERS, SMALL, TASK, build
from support.processes import with_two_devices
from support.two_replicas import compare_pixelda
from tensorflow.python.eager import context

from hrs_keras.method import losses
from hrs_keras.models import build_networks
from hrs_keras.models.adapter import adapter
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.training.run import train
from hrs_keras.training.saving import Saving

H, W = tiny.HEIGHT, tiny.WIDTH


def images(count, seed=0):
    return tf.constant(np.random.default_rng(seed).uniform(-1, 1, (count, H, W, 3)).astype("float32"))


# ---- the content loss --------------------------------------------------------------------------------------------


def test_content_loss_is_half_the_mean_square_of_all_differences_of_differences():
    rng = np.random.default_rng(0)
    adapted, image = rng.uniform(-1, 1, (2, 3, 2, 4, 3))
    expected = []
    for d in (adapted - image).reshape(3, -1):
        expected.append(np.mean([(a - b) ** 2 for a in d for b in d]) / 2)
    found = losses.content_loss(tf.constant(adapted, tf.float32), tf.constant(image, tf.float32))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_content_loss_leaves_out_what_is_the_same_everywhere():
    image, other = images(2), images(2, seed=1)
    shift = tf.constant([0.3, -0.5])[:, None, None, None]  # another one in each image
    np.testing.assert_allclose(losses.content_loss(image + shift, image), [0, 0], atol=1e-6)
    np.testing.assert_allclose(losses.content_loss(other + shift, image), losses.content_loss(other, image), rtol=1e-5)
    # One channel alone is not everywhere: two thirds of the values move by 0, one by 0.6.
    red = image + tf.constant([0.6, 0.0, 0.0])
    np.testing.assert_allclose(losses.content_loss(red, image), [0.08, 0.08], rtol=1e-4)


# ---- the generator ------------------------------------------------------------------------------------------------


def test_parameters_of_the_generator():
    """The layers of the original's figure, with an offset and a scale for each channel that is normalized."""
    channels, noise = 64, 10
    expected = (noise + 1) * 32 * 64 + 9 * 4 * channels + channels
    expected += 6 * 2 * (9 * channels * channels + 2 * channels)
    model = adapter((32, 64))
    assert model.count_params() == expected + 3 * channels + 3
    assert model.output_shape == (None, 32, 64, 3)


def test_generator_serialises_and_keeps_its_range(tmp_path):
    model = adapter((H, W), 3, 4, 2)
    inputs = {"image": images(2), "noise": tf.constant([[1.0, -1.0, 0.5], [0.0, 0.2, -0.9]])}
    adapted = model(inputs).numpy()
    assert adapted.shape == (2, H, W, 3) and adapted.dtype == "float32"
    assert -1 <= adapted.min() < -0.1 and 0.1 < adapted.max() <= 1
    model.save(tmp_path / "adapter.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "adapter.keras")(inputs).numpy(), adapted)


def test_every_image_is_adapted_by_itself_and_as_its_noise_says():
    model = adapter((H, W), 3, 4, 2)
    image = tf.repeat(images(1), 3, 0)
    noise = tf.constant([[1.0, -1.0, 0.5], [0.0, 0.2, -0.9], [1.0, -1.0, 0.5]])
    together = model({"image": image, "noise": noise}).numpy()
    alone = model({"image": image[:1], "noise": noise[:1]}).numpy()
    np.testing.assert_allclose(together[0], alone[0], atol=1e-5)
    np.testing.assert_allclose(together[0], together[2], atol=1e-5)
    assert np.abs(together[0] - together[1]).mean() > 0.01


# ---- one step -----------------------------------------------------------------------------------------------------


def test_players_and_their_networks():
    trainer = build()
    assert [player.name for player in trainer.players] == PLAYERS
    assert [player.optimizer.name for player in trainer.players] == [f"adam_{name}" for name in PLAYERS]
    assert build_networks(tiny.recipe(*PIXELDA, *SMALL)).weighting == {}


@pytest.mark.parametrize("sources", [2, 3])
def test_logged_losses(sources):
    trainer, batch = build(), {"source": batch_of(images=sources)["source"], "target": batch_of()["target"]}
    (x_s, y_s), (x_t, y_t) = batch["source"], batch["target"]
    adapted = trainer.generator({"image": x_s, "noise": trainer.noise(sources, part=0)})
    logits = {name: trainer(x).numpy() for name, x in (("source", x_s), ("adapted", adapted), ("target", x_t))}
    labels = {"source": y_s, "adapted": y_s, "target": y_t}
    expected = {
        f"loss/{name}": reference.target_segmentation_loss(labels[name].numpy(), logits[name]).mean() for name in logits
    }
    fake, real = trainer.discriminator(adapted).numpy(), trainer.discriminator(x_t).numpy()
    expected["loss/content"] = np.mean([np.var(d.astype("float64")) for d in adapted.numpy() - x_s.numpy()])
    expected["loss/adversarial"] = reference.adversarial_loss(fake, 1).mean()
    expected["loss/discriminator"] = (
        reference.adversarial_loss(real, 1).mean() + reference.adversarial_loss(fake, 0).mean()
    )
    logs = {name: float(value) for name, value in trainer.train_step(batch).items()}
    losses = {name: value for name, value in logs.items() if not name.startswith("gradient_norm/")}
    assert losses == pytest.approx(expected, rel=1e-5)


def naive_objective(trainer, batch, noise, player):
    """What one player minimises, from a forward pass of its own and written out in plain TensorFlow."""
    (x_s, y_s), (x_t, y_t) = batch["source"], batch["target"]
    adapted = trainer.generator({"image": x_s, "noise": noise})

    def segmentation(labels, x):
        counted = np.eye(256, dtype="float32")[labels.numpy()][..., : tiny.CLASSES]
        cross_entropy = -tf.reduce_sum(tf.nn.log_softmax(trainer.segmenter(x)["logits"]) * counted, [1, 2, 3])
        return tf.reduce_mean(cross_entropy / counted.sum((1, 2, 3)))

    if player == "encoder":
        adapted = tf.constant(adapted.numpy())
        return segmentation(y_t, x_t) + 0.5 * segmentation(y_s, x_s) + 0.5 * segmentation(y_s, adapted)
    if player == "generator":
        deceived = tf.reduce_mean(tf.math.softplus(-trainer.discriminator(adapted)))
        d = tf.reshape(adapted - x_s, [2, -1])
        content = tf.reduce_mean(tf.reduce_mean(d**2, 1) - tf.reduce_mean(d, 1) ** 2)
        return ADVERSARIAL * deceived + TASK * segmentation(y_s, adapted) + CONTENT * content
    real = tf.reduce_mean(tf.math.softplus(-trainer.discriminator(x_t)))
    return real + tf.reduce_mean(tf.math.softplus(trainer.discriminator(tf.constant(adapted.numpy()))))


def test_every_player_follows_the_gradient_of_its_own_objective_alone():
    trainer, batch = build(), batch_of()
    noise = trainer.noise(2, part=0)
    moved = observe(trainer, batch).moved
    for player in trainer.players:
        with tf.GradientTape() as tape:
            objective = naive_objective(trainer, batch, noise, player.name)
        gradients = tape.gradient(objective, [v.value for v in player.network.trainable_variables])
        for variable, change, gradient in zip(
            player.network.trainable_variables, moved[player.name], gradients, strict=True
        ):
            gradient = gradient.numpy()
            assert np.abs(gradient).max() > 0, f"{player.name}: {variable.path} would not learn"
            tolerance = 2e-4 * np.abs(gradient).max() + 2e-8
            np.testing.assert_allclose(change, gradient, 0, tolerance, err_msg=f"{player.name}: {variable.path}")


@pytest.mark.slow
@pytest.mark.parametrize("key", ["adversarial", "task", "content"])
def test_the_weights_are_the_generators_alone(key):
    one, other = (observe(build(f"method.pixelda.{key}={value}"), batch_of()).moved for value in (0, 50))
    same = {}
    for name in PLAYERS:
        pairs = zip(one[name], other[name], strict=True)
        same[name] = all(np.allclose(a, b, rtol=0, atol=1e-4 * np.abs(a).max()) for a, b in pairs)
    assert same == {"encoder": True, "generator": False, "discriminator": True}


def test_encoder_is_not_moved_by_what_has_no_label():
    """With every label ignored the adversarial and the content loss are left."""
    batch = {domain: (x, tf.fill(y.shape, tiny.IGNORE)) for domain, (x, y) in batch_of().items()}
    case = observe(build(), batch)
    assert all(np.all(m == 0) for m in case.moved["encoder"])
    assert all(np.any(m != 0) for name in PLAYERS[1:] for m in case.moved[name])
    assert [case.logs[f"loss/{name}"] for name in ("source", "adapted", "target")] == [0, 0, 0]


@pytest.mark.slow
def test_label_noise_softens_the_discriminators_labels_alone():
    without, noisy = build().train_step(batch_of()), build("method.label_noise=0.4").train_step(batch_of())
    changed = [name for name in without if abs(float(noisy[name]) / float(without[name]) - 1) > 1e-5]
    assert changed == ["loss/discriminator", "gradient_norm/discriminator"]
    trainer = build("method.label_noise=0.4")
    (x_s, _), (x_t, _) = batch_of()["source"], batch_of()["target"]
    fake = trainer.discriminator(trainer.generator({"image": x_s, "noise": trainer.noise(2, part=0)})).numpy()
    real = trainer.discriminator(x_t).numpy()
    lowered, raised = np.split(trainer.label_noise(tf.constant([4, *real.shape[1:]]), part=0).numpy(), 2)
    # Cross-entropy with a soft label, log(1 + e^v) - label * v.
    expected = np.mean(np.logaddexp(0, real) - (1 - lowered) * real) + np.mean(np.logaddexp(0, fake) - raised * fake)
    assert float(noisy["loss/discriminator"]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_same_seed_same_steps():
    runs = []
    for seed in (0, 0, 1):
        trainer = build("encoder.dropout=0.5", "method.label_noise=0.1", f"seed={seed}")
        runs.append([{k: float(v) for k, v in trainer.train_step(batch_of()).items()} for _ in range(2)])
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.slow
def test_noise_is_a_function_of_seed_and_step():
    trainer = build()
    first = trainer.noise(500, part=0).numpy()
    assert first.shape == (500, 10)
    assert -1 <= first.min() < -0.99 and 0.99 < first.max() <= 1
    assert abs(first.mean()) < 0.05 and abs(first.var() - 1 / 3) < 0.02  # of the uniform distribution on [-1, 1]
    for _ in range(2):
        trainer.train_step(batch_of())
    third = trainer.noise(500, part=0).numpy()
    assert not np.any(third == first)
    resumed, other = build(), build("seed=1")
    assert np.array_equal(resumed.noise(500, part=0), first)
    resumed.steps.assign(2)
    assert np.array_equal(resumed.noise(500, part=0), third)
    assert not np.any(other.noise(500, part=0).numpy() == first)


def test_noise_is_not_the_label_noise():
    trainer = build("method.label_noise=0.4")
    noise, label_noise = trainer.noise(50, part=0).numpy(), trainer.label_noise(tf.constant([50, 10]), part=0).numpy()
    assert abs(np.corrcoef(noise.ravel(), label_noise.ravel())[0, 1]) < 0.15


@pytest.mark.slow
def test_alternating_players_answer_to_the_weights_the_others_have_just_got():
    """Equal to three shared steps on one batch, in each of which one player alone moves."""
    alternating, stepwise, shared = build("train.schedule=alternating"), build(), build()
    batch, rate = batch_of(), 0.1
    for trainer in (alternating, shared):
        descend(trainer, lambda player: rate)
    logs = alternating.train_step(batch)
    at_once = shared.train_step(batch)
    assert all(float(logs[name]) == float(at_once[name]) for name in logs if name.startswith("loss/"))
    for name in PLAYERS:
        descend(stepwise, lambda player, name=name: rate if player.name == name else 0.0)
        stepwise.steps.assign(0)  # the noise of one step is the same in all turns
        stepwise.train_step(batch)
    for player, expected, other in zip(alternating.players, stepwise.players, shared.players, strict=True):
        end, wanted, simultaneous = (
            np.concatenate([v.numpy().ravel() for v in p.network.trainable_variables])
            for p in (player, expected, other)
        )
        np.testing.assert_allclose(end, wanted, rtol=1e-5, atol=1e-6)
        assert np.allclose(end, simultaneous, rtol=1e-6, atol=1e-8) == (player.name == "encoder")  # the first to move


@pytest.mark.slow
def test_fit_trains_every_player():
    trainer = build("train.steps=100", *(f"train.learning_rate.{name}=1e-3" for name in PLAYERS))
    before = [v.numpy() for p in trainer.players for v in p.network.trainable_variables]
    batches = tf.data.Dataset.from_tensors(batch_of()).repeat(15)
    history = trainer.fit(batches, epochs=2, shuffle=False, verbose=0).history
    assert int(trainer.step) == 30
    for name in ("source", "adapted", "target", "content"):
        assert history[f"loss/{name}"][1] < history[f"loss/{name}"][0], name
    after = [v.numpy() for p in trainer.players for v in p.network.trainable_variables]
    assert all(np.any(a != b) for a, b in zip(after, before, strict=True))


def test_adapt_repeats_itself_and_takes_noise():
    trainer = build()
    one, again = trainer.adapt(images(2)), trainer.adapt(images(2).numpy())
    assert np.array_equal(one, again) and one.shape == (2, H, W, 3)
    noise = tf.zeros([2, 10])
    expected = trainer.generator({"image": images(2), "noise": noise})
    assert np.array_equal(trainer.adapt(images(2), noise), expected) and not np.allclose(one, expected)


@pytest.mark.usefixtures("bfloat16")
def test_mixed_precision_computes_losses_in_float32():
    trainer = build("precision=mixed_bfloat16")
    assert trainer.generator.get_layer("block1_conv1").compute_dtype == "bfloat16"
    assert trainer.adapt(images(1)).dtype == tf.float32
    logs = trainer.train_step(batch_of())
    assert all(value.dtype == tf.float32 and math.isfinite(value) for value in logs.values())
    assert all(np.isfinite(v.numpy()).all() for p in trainer.players for v in p.network.trainable_variables)


@pytest.mark.slow
def test_two_replicas_equal_one_with_the_whole_batch():
    with_two_devices(compare_pixelda)


E, G, D = 13 + 2 + 3, 1 + 2 * 2 + 1, 7  # convolutions: VGG16 13 + fc6, fc7 + 3 score heads; two blocks; D


@pytest.mark.slow
def test_step_computes_no_pass_that_it_does_not_need(monkeypatch):
    """Counted in the graph that is executed, after pruning and common-subexpression elimination."""
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    import flops

    step = tf.function(build().train_step, autograph=False)
    with flops.own_convolutions():
        step.get_concrete_function(batch_of())
    with context.collect_graphs() as graphs:
        step(batch_of())
    found = {}
    for node in max(graphs, key=lambda graph: len(graph.node)).node:
        if kind := flops.KINDS.get(node.op):
            network = next(n for n in ("segmenter", "adapter", "discriminator") if n in node.name)
            found[network, kind] = found.get((network, kind), 0) + 1
    assert found == {
        ("segmenter", flops.FORWARD): 2 * E,  # real images; adapted images
        ("segmenter", flops.INPUT_GRADIENT): 2 * (E - 1) + E,  # E's own; the adapted images', once more, on to G
        ("segmenter", flops.FILTER_GRADIENT): 2 * E,
        ("adapter", flops.FORWARD): G,
        ("adapter", flops.INPUT_GRADIENT): G,  # the noise's layer lies behind the first
        ("adapter", flops.FILTER_GRADIENT): G,
        ("discriminator", flops.FORWARD): 2 * D,
        ("discriminator", flops.INPUT_GRADIENT): 2 * (D - 1) + D,
        ("discriminator", flops.FILTER_GRADIENT): 2 * D,
    }


# ---- a recipe, a run ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((*PIXELDA, "method.gan=true"), "trainer: pixelda wants source_weighting: plain and gan: false"),
        ((*PIXELDA, "method.lambda_source=0.5"), "trainer: pixelda reads no lambda_source, found 0.5"),
        ((*PIXELDA, "method.source_weighting=learned"), "trainer: pixelda wants source_weighting: plain"),
        ((*PIXELDA, "method.pretrain=0.5"), "set pretrain: 0"),
        ((*PIXELDA, "data.source=[]"), "needs at least one data set in data.source"),
        (("method.pixelda.blocks=0",), "method.pixelda.blocks"),
        (("method.pixelda.noise=0",), "method.pixelda.noise"),
        (("method.pixelda.content=-1",), "method.pixelda.content"),
        (("method.pixelda.contents=1",), "content"),
    ],
)
def test_recipes_that_are_refused(refusal, overrides, message):
    assert message in refusal(*overrides)


def weights(run: Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(run / "checkpoints/last")))
    names = [name for name in reader.get_variable_to_shape_map() if "/network/" in name]
    return {name: reader.get_tensor(name) for name in names}


@pytest.mark.slow
def test_a_run_draws_its_pictures_and_resumes(recipe_file, monkeypatch):
    """Killed after step 3, whose checkpoint is there, it ends with the weights of a run that was not."""
    settings = [*PIXELDA, *SMALL, "train.steps=4", "train.validate_every=2", "train.pictures=1"]
    whole, cut = (load_recipe(recipe_file, [*settings, f"name={name}"]) for name in ("whole", "cut"))
    train(whole, export=False)
    usual = Saving.after_step

    def interrupted(self, step, ending):
        usual(self, step, ending)
        if step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Saving, "after_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(cut, export=False)
    monkeypatch.undo()
    train(cut, export=False)
    one, other = weights(whole.run_dir), weights(cut.run_dir)
    assert {name.split("/")[1] for name in one} == set(PLAYERS)
    assert all(np.array_equal(one[name], other[name]) for name in one)

    assert sorted(path.name for path in (whole.run_dir / "figures").iterdir()) == ["adapted", "predictions"]
    files = sorted((whole.run_dir / "figures/adapted").iterdir())
    assert [file.name for file in files] == [f"step_{step:07d}.png" for step in (2, 4)]
    first, last = (np.asarray(Image.open(file).convert("L")) for file in (files[0], files[-1]))
    assert min(first.shape) > 200 and len(np.unique(first)) > 50
    assert np.any(first != last)
    with open(whole.run_dir / "log.csv") as file:
        row = next(csv.DictReader(file))
    expected = {f"loss/{name}" for name in ("source", "adapted", "target", "content", "adversarial", "discriminator")}
    assert {name for name in row if name.startswith("loss/")} == expected
