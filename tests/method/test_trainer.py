"""One step of Algorithm 1: what is logged, who moves whither, and what is computed for it."""

import math

import numpy as np
import pytest
import tensorflow as tf
from support import reference, tiny
from support.one_step import (
    SYSTEMS,
    batch_of,
    build,
    descend,
    gradient_norms,
    naive_objective,
    networks_outputs,
    observe,
    observed,
    selection_of,
    valid_pixels,
)
from support.paths import REPOSITORY

from hrs_keras.errors import HRSError

PARTS = "train.accumulate=2"
WITH_GAN = ["plain with gan", "full", "full per class"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_logged_losses_are_the_papers(system):
    case = observed(system)
    outputs = networks_outputs(case.trainer, case.batch)
    expected = {}
    if system != "source only":
        x_t, y_t = (value.numpy() for value in case.batch["target"])
        expected["loss/target"] = reference.target_segmentation_loss(y_t, outputs["target"]["logits"]).mean()
    if system != "target only":
        x_s, y_s = (value.numpy() for value in case.batch["source"])
        h = selection_of(case.trainer, outputs, y_s)
        expected["loss/source"] = reference.source_segmentation_loss(y_s, outputs["source"]["logits"], h).mean()
        chosen = [h[i][min(y, h.shape[-1] - 1)] for i, y in valid_pixels(y_s)]
        expected["selected"] = np.mean(chosen)
        for level in case.trainer.weighting:
            to_source = reference.weighting_loss(outputs["source"]["scores"][level], 0).mean()
            to_target = reference.weighting_loss(outputs["target"]["scores"][level], 1).mean()
            expected[f"loss/weighting/{level}"] = to_source + to_target
    if system in WITH_GAN:
        fake = np.concatenate([outputs[d]["fake"] for d in ("source", "target")])
        rebuilt = [
            reference.reconstruction_loss(outputs[d]["reconstruction"], x)
            for d, x in (("source", x_s), ("target", x_t))
        ]
        expected["loss/reconstruction"] = np.mean(rebuilt)
        expected["loss/adversarial"] = reference.adversarial_loss(fake, 1).mean()
        real = reference.adversarial_loss(outputs["target"]["real"], 1).mean()
        expected["loss/discriminator"] = real + reference.adversarial_loss(fake, 0).mean()
    norms = {name: case.logs[name] for name in case.logs if name.startswith("gradient_norm/")}
    assert {name: value for name, value in case.logs.items() if name not in norms} == pytest.approx(expected, rel=1e-5)
    assert norms == pytest.approx(gradient_norms(case), rel=1e-3)  # float32 weights, of which changes are taken


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_player_follows_the_gradient_of_its_own_objective_alone(system):
    case = observed(system)
    h = None
    if "source" in case.batch:
        outputs = networks_outputs(case.trainer, case.batch)
        h = selection_of(case.trainer, outputs, case.batch["source"][1].numpy())
    for player in case.trainer.players:
        with tf.GradientTape() as tape:
            objective = naive_objective(case, player.name, h)
        gradients = tape.gradient(objective, [v.value for v in player.network.trainable_variables])
        for variable, moved, gradient in zip(
            player.network.trainable_variables, case.moved[player.name], gradients, strict=True
        ):
            gradient = gradient.numpy()
            assert np.abs(gradient).max() > 0, f"{player.name}: {variable.path} would not learn"
            # 2e-8: the last bias of W gathers terms of both domains that all but cancel.
            tolerance = 2e-4 * np.abs(gradient).max() + 2e-8
            np.testing.assert_allclose(moved, gradient, 0, tolerance, err_msg=f"{player.name}: {variable.path}")


def test_networks_take_part_as_the_method_says():
    players = {name: [p.name for p in observed(name).trainer.players] for name in SYSTEMS}
    three = ["weighting/pixel", "weighting/region", "weighting/image"]
    assert players == {
        "target only": ["encoder"],
        "plain": ["encoder"],
        "confidence mask": ["encoder"],
        "focal loss": ["encoder"],
        "source only": ["encoder"],
        "plain with gan": ["encoder", "generator", "discriminator"],
        "one level": ["encoder", "weighting/pixel"],
        "linear median per class": ["encoder", "weighting/region", "weighting/image"],
        "full": ["encoder", *three, "generator", "discriminator"],
        "full per class": ["encoder", *three, "generator", "discriminator"],
    }


def assert_moves(one, other, equal):
    assert one.moved.keys() == other.moved.keys()
    for name in one.moved:
        pairs = zip(one.moved[name], other.moved[name], strict=True)
        same = all(np.allclose(a, b, rtol=0, atol=1e-4 * np.abs(a).max()) for a, b in pairs)
        assert same == (name in equal), name


@pytest.mark.slow
def test_reconstruction_loss_reaches_the_generator_only():
    batch = batch_of()
    assert_moves(
        observe(build("method.lambda_rec=0"), batch),
        observe(build("method.lambda_rec=50"), batch),
        equal=["encoder", "weighting/pixel", "weighting/region", "weighting/image", "discriminator"],
    )


@pytest.mark.slow
def test_adversarial_weight_concerns_encoder_and_generator_only():
    batch = batch_of()
    assert_moves(
        observe(build("method.lambda_adv=0"), batch),
        observe(build("method.lambda_adv=50"), batch),
        equal=["weighting/pixel", "weighting/region", "weighting/image", "discriminator"],
    )


def test_encoder_is_not_moved_by_the_weighting_loss():
    """With every label ignored only L_W is left, which must leave E where it is."""
    batch = {domain: (x, tf.fill(y.shape, tiny.IGNORE)) for domain, (x, y) in batch_of().items()}
    case = observe(build("method.gan=false"), batch)
    assert all(np.all(m == 0) for m in case.moved["encoder"])
    assert all(np.any(m != 0) for m in case.moved["weighting/pixel"])


@pytest.mark.fault("an image without a labelled pixel in a batch", "counts nothing; no loss becomes NaN")
@pytest.mark.parametrize("blank", ["source", "target"])
def test_images_without_a_valid_pixel_count_nothing(blank):
    batch = batch_of()
    batch[blank] = (batch[blank][0], tf.fill(batch[blank][1].shape, tiny.IGNORE))
    case = observe(build(), batch)
    assert case.logs[f"loss/{blank}"] == 0
    assert all(np.isfinite(m).all() for moved in case.moved.values() for m in moved)
    assert all(math.isfinite(value) for value in case.logs.values())
    other = {"source": "target", "target": "source"}[blank]
    assert case.logs[f"loss/{other}"] > 0


@pytest.mark.parametrize("channels", ["shared", "per_class"])
def test_selected_share_overall_and_of_each_class(channels):
    trainer = build(f"method.channels={channels}", "method.gan=false")
    weight, pixels = np.zeros(tiny.CLASSES), np.zeros(tiny.CLASSES)
    for seed in (0, 1):
        x_s, y_s = tiny.domain(seed, 2)
        y_s[y_s == 3] = 4  # a class without a pixel
        batch = {"source": (tf.constant(x_s), tf.constant(y_s)), "target": batch_of()["target"]}
        h = selection_of(trainer, networks_outputs(trainer, batch), y_s)
        for index, label in valid_pixels(y_s):
            weight[label] += h[index][min(label, h.shape[-1] - 1)]
            pixels[label] += 1
        logs = trainer.train_step(batch)
    assert float(logs["selected"]) == pytest.approx(weight.sum() / pixels.sum(), rel=1e-5)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(trainer.selected.per_class().numpy(), weight / pixels, rtol=1e-5)
    assert np.isnan(trainer.selected.per_class().numpy()[3])
    measured = trainer.measurements()
    assert list(measured) == ["selected", *(f"selected/{name}" for name in trainer.classes)]
    assert measured["selected"] == float(logs["selected"]) and math.isnan(measured[f"selected/{trainer.classes[3]}"])
    assert float(trainer.selected.result()) == 0 and trainer.measurements() == {}  # nothing since


@pytest.mark.slow
def test_label_noise_softens_the_discriminators_labels_alone_and_repeatably():
    batch = batch_of()
    logs = [build("method.label_noise=0.4").train_step(batch) for _ in range(2)]
    assert {k: float(v) for k, v in logs[0].items()} == {k: float(v) for k, v in logs[1].items()}
    without = observed("full").logs
    changed = [name for name in without if abs(float(logs[0][name]) / without[name] - 1) > 1e-5]
    assert changed == ["loss/discriminator", "gradient_norm/discriminator"]


def test_label_noise_changes_from_step_to_step():
    trainer = build("method.label_noise=0.4")
    noise = []
    for _ in range(2):
        noise.append(trainer.label_noise(tf.constant([3, 2, 4, 1]), part=0).numpy())
        trainer.train_step(batch_of())
    assert all(n.min() >= 0 and n.max() <= 0.4 and n.std() > 0.05 for n in noise)
    assert not np.any(noise[0] == noise[1])


@pytest.mark.slow
def test_same_seed_same_step():
    logs = [build("encoder.dropout=0.5").train_step(batch_of()) for _ in range(2)]
    assert {k: float(v) for k, v in logs[0].items()} == {k: float(v) for k, v in logs[1].items()}


def test_fit_trains_on_a_dataset_of_batches():
    trainer = build("train.steps=10", "train.learning_rate.encoder=1e-3")
    before = [v.numpy() for p in trainer.players for v in p.network.trainable_variables]
    batches = tf.data.Dataset.from_tensors(batch_of()).repeat(3)
    history = trainer.fit(batches, epochs=2, shuffle=False, verbose=0).history
    assert int(trainer.step) == 6
    assert history["loss/target"][1] < history["loss/target"][0]
    assert set(history) == set(observed("full").logs)
    after = [v.numpy() for p in trainer.players for v in p.network.trainable_variables]
    assert all(np.any(a != b) for a, b in zip(after, before, strict=True))


def test_step_counts_every_players_steps():
    trainer = build()
    assert int(trainer.step) == 0
    trainer.train_step(batch_of())
    assert [int(p.optimizer.iterations) for p in trainer.players] == [1] * 6


@pytest.mark.slow
def test_alternating_players_answer_to_the_weights_the_others_have_just_got():
    """Equal to four shared steps on one batch, in each of which only the players of one turn may move."""
    alternating, stepwise, shared = build("train.schedule=alternating"), build(), build()
    batch, rate = batch_of(), 0.1
    for trainer in (alternating, shared):
        descend(trainer, lambda player: rate)
    logs = alternating.train_step(batch)
    at_once = shared.train_step(batch)
    assert all(float(logs[name]) == float(at_once[name]) for name in logs if name.startswith("loss/"))
    for turn in ("encoder", "weighting", "generator", "discriminator"):
        descend(stepwise, lambda player, turn=turn: rate if player.name.startswith(turn) else 0.0)
        stepwise.train_step(batch)
    for player, expected, other in zip(alternating.players, stepwise.players, shared.players, strict=True):
        end, wanted, simultaneous = (
            np.concatenate([v.numpy().ravel() for v in p.network.trainable_variables])
            for p in (player, expected, other)
        )
        np.testing.assert_allclose(end, wanted, rtol=1e-5, atol=1e-7)
        assert np.allclose(end, simultaneous, rtol=1e-6, atol=1e-8) == (player.name == "encoder")  # the first to move


@pytest.mark.parametrize("system", ["target only", "source only", "focal loss", "full per class"])
def test_parts_of_a_batch_add_up_to_the_whole(system):
    """Images of one batch count alike, however their valid pixels are spread over its parts."""
    batch = batch_of(source=system != "target only", target=system != "source only", images=4)
    whole, parts = (observe(build("train.batch_size=4", n, *SYSTEMS[system]), batch) for n in ("seed=0", PARTS))
    assert whole.logs == pytest.approx(parts.logs, rel=1e-5)
    for player in whole.moved:
        for one, other in zip(whole.moved[player], parts.moved[player], strict=True):
            # 2e-8: the last bias of W gathers terms of both domains that all but cancel.
            np.testing.assert_allclose(one, other, 0, 1e-4 * np.abs(one).max() + 2e-8, err_msg=player)


def test_more_source_images_do_not_weigh_more():
    """Losses are means over the images of a domain: three copies of an image count as one."""
    batch = batch_of(images=1)
    thrice = batch | {"source": tuple(tf.repeat(tensor, 3, axis=0) for tensor in batch["source"])}
    one, three = (observe(build(*SYSTEMS["one level"]), each) for each in (batch, thrice))
    assert one.logs == pytest.approx(three.logs, rel=1e-5)
    for player in one.moved:
        for a, b in zip(one.moved[player], three.moved[player], strict=True):
            # 5e-7: the last bias of W gathers terms of both domains that all but cancel, here from other sums.
            np.testing.assert_allclose(a, b, 0, 1e-4 * np.abs(a).max() + 5e-7, err_msg=player)


def test_what_the_gan_makes_of_more_source_images():
    """Reconstructions of both domains are one set of images, of which each counts alike."""
    batch = {"source": batch_of(images=3)["source"], "target": batch_of(images=1)["target"]}
    case = observe(build(*SYSTEMS["plain with gan"]), batch)
    outputs = networks_outputs(case.trainer, batch)
    rebuilt = [reference.reconstruction_loss(outputs[d]["reconstruction"], batch[d][0]) for d in ("source", "target")]
    fake = [reference.adversarial_loss(outputs[d]["fake"], 1) for d in ("source", "target")]
    assert case.logs["loss/reconstruction"] == pytest.approx((3 * rebuilt[0].mean() + rebuilt[1].mean()) / 4, rel=1e-5)
    assert case.logs["loss/adversarial"] == pytest.approx((3 * fake[0].mean() + fake[1].mean()) / 4, rel=1e-5)


def test_parts_of_a_batch_with_more_source_images_add_up_to_the_whole():
    batch = {"source": batch_of(images=4)["source"], "target": batch_of(images=2)["target"]}
    ratio = ("train.batch_size=2", "train.source_ratio=2", *SYSTEMS["one level"])
    whole, parts = (observe(build(*ratio, *more), batch) for more in ((), (PARTS,)))
    assert whole.logs == pytest.approx(parts.logs, rel=1e-5)
    for player in whole.moved:
        for one, other in zip(whole.moved[player], parts.moved[player], strict=True):
            np.testing.assert_allclose(one, other, 0, 1e-4 * np.abs(one).max() + 2e-8, err_msg=player)


@pytest.mark.slow
def test_parts_of_a_batch_draw_noise_of_their_own():
    recipe = ("train.batch_size=2", "method.label_noise=0.4")
    x, y = tiny.domain(1)
    twice = {"target": (tf.constant(np.repeat(x, 2, 0)), tf.constant(np.repeat(y, 2, 0)))}
    twice["source"] = twice["target"]
    once = {domain: (images[:1], labels[:1]) for domain, (images, labels) in twice.items()}
    noise = [build(*recipe, n).train_step(twice)["loss/discriminator"] for n in ("seed=0", PARTS)]
    single = build(*recipe).train_step(once)["loss/discriminator"]
    assert len({float(value) for value in (*noise, single)}) == 3


@pytest.mark.slow
def test_parts_take_turns():
    """No convolution of the second part can run before the first part's gradients are there."""
    step = tf.function(build("train.batch_size=2", PARTS, "method.gan=false").train_step)
    graph = step.get_concrete_function(batch_of()).graph
    waiting = [op for op in graph.get_operations() if len(op.control_inputs) > 20 and op.type == "Identity"]
    assert len(waiting) == 4  # images and labels of both domains


@pytest.mark.slow
@pytest.mark.usefixtures("bfloat16")
def test_mixed_precision_computes_losses_in_float32():
    trainer = build("precision=mixed_bfloat16")
    batch = batch_of()
    assert trainer.segmenter.get_layer("score8").compute_dtype == "bfloat16"
    prediction = trainer.segmenter(batch["source"][0])
    assert prediction["logits"].dtype == tf.float32
    assert all(w(tf.nn.softmax(prediction["logits"])).dtype == tf.float32 for w in trainer.weighting.values())
    rebuilt = trainer.generator(prediction["features"])
    assert rebuilt.dtype == trainer.discriminator(rebuilt).dtype == tf.float32
    logs = trainer.train_step(batch)
    assert all(value.dtype == tf.float32 and math.isfinite(value) for value in logs.values())
    for player in trainer.players:
        for variable in player.network.trainable_variables:
            assert variable.dtype == "float32"
            assert np.isfinite(variable.numpy()).all()
    exact = observed("full").logs
    assert float(logs["loss/target"]) == pytest.approx(exact["loss/target"], rel=0.05)


@pytest.mark.fault(
    "`TF_ONEDNN_ASSUME_FROZEN_WEIGHTS=1` in the environment of a training",
    "refused: TensorFlow would go on computing with the weights that it began with",
)
@pytest.mark.parametrize("told", ["1", "true"])
def test_frozen_weights_are_not_trained(monkeypatch, told):
    monkeypatch.setenv("TF_ONEDNN_ASSUME_FROZEN_WEIGHTS", told)
    with pytest.raises(HRSError, match="unset it, but to predict"):
        build()


# Convolutions in the networks: VGG16 13 + fc6, fc7 + 3 score heads; W; G 2 x 2 residual, 4 transposed, 2, to_rgb; D.
E, W, G, G_UP, D = 13 + 2 + 3, 5, 2 * 2 + 4 + 2 + 1, 4, 7


@pytest.mark.slow
def test_step_computes_no_forward_pass_or_gradient_that_algorithm_1_does_not_need(monkeypatch):
    """Counted in the graph that is executed, after pruning and common-subexpression elimination."""
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    import flops

    found = {}
    for convolution in flops.convolutions(tf.function(build().train_step), batch_of()):
        network = next(n for n in ("segmenter", "weighting", "generator", "discriminator") if n in convolution.name)
        key = (network, convolution.kind)
        found[key] = found.get(key, 0) + 1
    # A layer's input gradient is needed where another layer's weights, or another network, lie behind its input. To
    # TensorFlow a transposed convolution is the gradient of one, and its input gradient a forward convolution.
    chains_of_g = (G - 1) + G  # of G's own objective down to its second layer; of the adversarial loss, on to E
    assert found == {
        ("segmenter", flops.FORWARD): E,
        ("segmenter", flops.INPUT_GRADIENT): E - 1,  # none to the image
        ("segmenter", flops.FILTER_GRADIENT): E,
        ("weighting", flops.FORWARD): 3 * W,
        ("weighting", flops.INPUT_GRADIENT): 3 * (W - 1),  # none to E
        ("weighting", flops.FILTER_GRADIENT): 3 * W,
        ("generator", flops.FORWARD): G - G_UP + 2 * G_UP,
        ("generator", flops.INPUT_GRADIENT): chains_of_g - 2 * G_UP + G_UP,
        ("generator", flops.FILTER_GRADIENT): G,
        ("discriminator", flops.FORWARD): D,
        ("discriminator", flops.INPUT_GRADIENT): (D - 1) + D,  # D's own loss; the adversarial one, once, on to G
        ("discriminator", flops.FILTER_GRADIENT): D,
    }
