"""Class mix: what is drawn, how images and labels are mixed, and the mixed image in the source image's place."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import gaussian_filter
from support import reference, tiny
from support.one_step import batch_of, build, observe

from hrs_keras.method import losses, mixing
from hrs_keras.method.players import Part
from hrs_keras.method.selection import binary_map
from hrs_keras.recipe.mix import Mix

PLAIN = Mix(colour=0.0, blur=0.0)  # nothing but the mixing itself
MIXED = ("method.mix.replace_source=true", "method.mix.colour=0", "method.mix.blur=0")


def seed(number):
    return tf.constant([7, number], tf.int32)


def train_ids(classes):
    return np.flatnonzero(classes.numpy()).tolist()


# ---- labels ------------------------------------------------------------------------------------------------------


def test_a_pixel_of_a_drawn_class_is_taken_with_its_label_and_weight():
    """Class 2 is drawn: its one pixel is pasted, the ignored one is not; L = (3 * 0.25 + 1) / 4 * ln 3."""
    y_s, y_t = tf.constant([[[0, 0], [2, 255]]]), tf.constant([[[1, 1], [1, 1]]])
    classes = tf.one_hot(2, 255, on_value=True, off_value=False, dtype=tf.bool)
    from_source = mixing.pixels_of(y_s[0], classes)[tf.newaxis]
    np.testing.assert_array_equal(from_source, [[[False, False], [True, False]]])
    labels = tf.where(from_source, y_s, y_t)
    np.testing.assert_array_equal(labels, [[[1, 1], [2, 1]]])
    weights = tf.where(from_source, 1.0, 0.25)
    loss = losses.segmentation_loss(labels, tf.zeros((1, 2, 2, 3)), weights)
    np.testing.assert_allclose(loss, [0.480643], rtol=1e-6)


@pytest.mark.parametrize(("share", "counts"), [(0.5, [1, 1, 2, 2]), (0.0, [0] * 4), (1.0, [1, 2, 3, 4])])
def test_half_of_the_classes_are_drawn_rounded_up(share, counts):
    for n, count in enumerate(counts, 1):
        label = tf.constant([[*range(20, 20 + n), 255, 255]])
        drawn = train_ids(mixing.drawn_classes(label, share, seed(n)))
        assert len(drawn) == count and set(drawn) <= set(range(20, 20 + n))


def test_a_share_of_a_whole_number_of_classes_is_not_rounded_up():
    label = tf.range(10)[tf.newaxis]
    assert [len(train_ids(mixing.drawn_classes(label, k / 10, seed(0)))) for k in range(11)] == list(range(11))


@pytest.mark.fault("a source image without a labelled pixel is to be mixed", "the target image stays as it is")
def test_a_label_that_is_ignored_throughout_gives_no_class():
    assert train_ids(mixing.drawn_classes(tf.fill((2, 3), 255), 0.5, seed(0))) == []


def test_every_class_is_drawn_as_often_as_the_others_and_a_seed_repeats():
    label = tf.constant([[0, 0, 0, 0, 0, 3, 8, 254]])
    draw = tf.function(lambda s: mixing.drawn_classes(label, 0.5, s))
    drawn = [train_ids(draw(seed(number))) for number in range(400)]
    assert drawn == [train_ids(draw(seed(number))) for number in range(400)]
    assert {len(each) for each in drawn} == {2}
    for train_id in (0, 3, 8, 254):  # of 400 times 200, with a standard deviation of 10
        assert 160 < sum(train_id in each for each in drawn) < 240
    assert len({tuple(each) for each in drawn}) == 6  # all pairs of four


# ---- the look ------------------------------------------------------------------------------------------------------


def test_a_third_of_a_turn_of_the_hue_exchanges_the_channels():
    image = np.random.default_rng(0).uniform(-1, 1, (4, 5, 3)).astype("float32")
    np.testing.assert_allclose(mixing.turn_hue(image, 1 / 3), image[..., [2, 0, 1]], atol=1e-5)
    np.testing.assert_allclose(mixing.turn_hue(image, 0.0), image, atol=1e-6)


def test_blur_is_scipys_and_keeps_the_edges():
    image = np.random.default_rng(0).uniform(-1, 1, (20, 30, 3)).astype("float32")
    for deviation in (0.15, 0.7, 1.15):
        expected = gaussian_filter(image.astype("float64"), (deviation, deviation, 0), mode="mirror", radius=4)
        np.testing.assert_allclose(mixing.blur(image, deviation), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        (Mix(colour=0.2, blur=0.0), 0.8),
        (Mix(colour=0.0, blur=0.5), 0.5),
        (Mix(colour=0.2, blur=1.0), 1.0),
        (Mix(colour=0.0, blur=0.0), 0.0),
    ],
)
def test_how_many_images_change_their_look(settings, share):
    image = np.random.default_rng(1).uniform(-1, 1, (6, 8, 3)).astype("float32")
    look = tf.function(lambda s: mixing.change_look(tf.constant(image), settings, s), autograph=False)
    looks = [look(seed(number)).numpy() for number in range(300)]
    changed = np.mean([np.any(each != image) for each in looks])
    assert abs(changed - share) < 0.1  # 3.5 standard deviations
    assert min(each.min() for each in looks) >= -1 and max(each.max() for each in looks) <= 1
    np.testing.assert_array_equal(looks[5], look(seed(5)))


# ---- how far a teacher is trusted ------------------------------------------------------------------------------------


def test_weight_of_pseudo_labels_is_the_share_of_sure_pixels():
    probability = tf.constant([[[0.968, 0.99], [0.5, 0.9]], [[0.1, 0.2], [0.3, 0.999]]])
    np.testing.assert_array_equal(mixing.sure_share(probability, 0.968), [0.5, 0.25])
    logits = np.random.default_rng(0).normal(0, 4, (2, 5, 6, 4)).astype("float32")
    labels, weight = mixing.pseudo_labels(tf.constant(logits), 0.968)
    p = reference.softmax(logits)
    np.testing.assert_array_equal(labels, p.argmax(-1))
    np.testing.assert_allclose(weight, (p.max(-1) >= 0.968).mean((1, 2)), rtol=1e-6)
    assert labels.dtype == tf.int32 and 0 < weight[0] < 1


# ---- in a trainer: the mixed image in the source image's place -----------------------------------------------------


def test_images_are_mixed_pixel_by_pixel_with_the_target_image_of_their_number():
    batch = batch_of(images=3)
    seeds = [seed(number) for number in range(3)]
    mixed = mixing.mix(batch["source"], batch["target"], seeds, PLAIN)
    (x_s, y_s), (x_t, y_t) = ([tensor.numpy() for tensor in batch[domain]] for domain in ("source", "target"))
    for b in range(3):
        taken = np.unique(y_s[b][mixed.from_source[b].numpy()])
        assert len(taken) == -(-len(np.setdiff1d(y_s[b], [255])) // 2) and 255 not in taken
        np.testing.assert_array_equal(mixed.from_source[b], np.isin(y_s[b], taken))
        for found, own, other in ((mixed.images[b], x_s[b], x_t[b]), (mixed.labels[b], y_s[b], y_t[b])):
            mask = np.isin(y_s[b], taken).reshape(y_s[b].shape + (1,) * (own.ndim - 2))
            np.testing.assert_array_equal(found, np.where(mask, own, other))


def test_parts_and_replicas_mix_what_the_whole_batch_does():
    """The draws of an image depend on its number in the step's batch, not on how the batch is shared out."""
    looks = ("method.mix.replace_source=true", "method.source_weighting=plain", "method.gan=false")
    batch = batch_of(images=4)
    whole, halves = build(*looks), build(*looks, "train.batch_size=4", "train.accumulate=2")
    expected = whole.mixed(Part(0, batch))
    parts = [{domain: [tensor[k : k + 2] for tensor in pair] for domain, pair in batch.items()} for k in (0, 2)]
    found = [halves.mixed(Part(number, part)) for number, part in enumerate(parts)]
    for index in (0, 1):
        joined = tf.concat([part.batch["source"][index] for part in found], 0)
        np.testing.assert_allclose(joined, expected.batch["source"][index], atol=1e-6)
    again, before = whole.mixed(Part(0, batch)), expected.batch["source"][0].numpy()
    np.testing.assert_array_equal(again.batch["source"][0], before)
    whole.steps.assign(1)
    assert not np.allclose(whole.mixed(Part(0, batch)).batch["source"][0], before)
    assert len({tuple(s.numpy()) for s in whole.image_seeds(Part(0, batch), 4)}) == 4


def test_more_source_images_share_the_target_images_out():
    batch = {"source": batch_of(images=4)["source"], "target": batch_of(images=2)["target"]}
    part = build(*MIXED, "method.source_weighting=plain", "method.gan=false").mixed(Part(0, batch))
    images, mask = part.batch["source"][0].numpy(), part.from_source.numpy()
    for number, target in enumerate([0, 0, 1, 1]):
        outside = ~mask[number]
        np.testing.assert_array_equal(images[number][outside], batch["target"][0][target].numpy()[outside])
    assert not build("method.gan=false").mixed(Part(0, batch)).from_source  # unless the recipe asks for it


def coarse(mask, size):
    """The share of [B, H, W] bool in each cell of a grid, [B, h, w, 1]."""
    b, rows, columns = mask.shape
    h, w = size
    return mask.reshape(b, h, rows // h, w, columns // w).mean((2, 4))[..., None]


def threshold_of(scores, mask, level):
    """Of an image whose source pixels ``mask`` has: their mean; at the image level 1 - s / 2, s being their share."""
    share = coarse(mask, scores.shape[1:3])
    if level == "image":
        return 1 - share / 2
    return (share * scores).sum((1, 2), keepdims=True) / share.sum((1, 2), keepdims=True)


@pytest.mark.parametrize("level", ["pixel", "region", "image"])
def test_a_mixed_images_threshold_is_that_of_its_source_pixels(level):
    """Pixels: the mean over them. Image: 1 - s / 2, what it has if its target pixels score 1 and the others 0.5."""
    rng = np.random.default_rng(3)
    mask = rng.random((3, 16, 32)) < np.array([0.3, 0.6, 1.0])[:, None, None]
    size = {"pixel": (16, 32), "region": (4, 8), "image": (1, 1)}[level]
    scores = rng.uniform(0, 1, (3, *size, 2)).astype("float32")
    found = binary_map(tf.constant(scores), level, from_source=tf.constant(mask))
    np.testing.assert_array_equal(found, scores > threshold_of(scores, mask, level))
    np.testing.assert_array_equal(found[2], binary_map(tf.constant(scores[2:]), level)[0])  # all of it is the source's
    with pytest.raises(ValueError, match="found 'median'"):
        binary_map(tf.constant(scores), level, "median", tf.constant(mask))


@pytest.mark.parametrize("channels", ["shared", "per_class"])
def test_joint_training_on_mixed_images_against_numpy(channels):
    """Target pixels count 1, source pixels as H says; the weighting networks are told the domain behind each score."""
    trainer, batch = build(*MIXED, f"method.channels={channels}", "method.gan=false"), batch_of()
    part = trainer.mixed(Part(0, batch))
    (x_m, y_m), mask = part.batch["source"], part.from_source.numpy()
    logits = {name: trainer(x).numpy() for name, x in (("source", x_m), ("target", batch["target"][0]))}
    scores = {
        name: {level: w(tf.nn.softmax(z)).numpy() for level, w in trainer.weighting.items()}
        for name, z in logits.items()
    }
    maps = [
        reference.upsample_nearest(score > threshold_of(score, mask, level), mask.shape[1:])
        for level, score in scores["source"].items()
    ]
    h = np.where(mask[..., None], np.mean(maps, 0), 1.0)
    y_t = batch["target"][1].numpy()
    expected = {
        "loss/source": reference.source_segmentation_loss(y_m.numpy(), logits["source"], h).mean(),
        "loss/target": reference.target_segmentation_loss(y_t, logits["target"]).mean(),
    }
    for level, score in scores["source"].items():
        of_target = 1 - coarse(mask, score.shape[1:3])
        expected[f"loss/weighting/{level}"] = (
            np.abs(score - of_target).mean() + reference.weighting_loss(scores["target"][level], 1).mean()
        )
    own = [h[i][min(y, h.shape[-1] - 1)] for i, y in np.ndenumerate(y_m.numpy()) if mask[i]]
    expected["selected"] = np.mean(own)  # of the source pixels
    case = observe(trainer, batch)
    found = {name: case.logs[name] for name in case.logs if not name.startswith("gradient_norm/")}
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_target_image_without_labels_leaves_those_of_the_pasted_pixels():
    batch = batch_of()
    batch["target"] = (batch["target"][0], tf.fill(batch["target"][1].shape, tiny.IGNORE))
    part = build(*MIXED, "method.source_weighting=plain", "method.gan=false").mixed(Part(0, batch))
    np.testing.assert_array_equal(part.batch["source"][1] != 255, part.from_source)


def test_target_images_are_read_for_mixing_though_their_labels_are_hidden():
    plain = ("method.source_weighting=plain", "method.gan=false", "data.labelled=none")
    found = [tiny.recipe(*plain, *more).phases[0].domains for more in ((), MIXED)]
    assert found == [("source",), ("source", "target")]


@pytest.mark.fault(
    "mixed images in a recipe that reads one domain alone, or weighs pixels by what whole images are",
    "refused; the key that is wanted is named",
)
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("method.trainer=pixelda", "method.source_weighting=plain", "method.gan=false"), "wants trainer: joint"),
        (("method.source_weighting=none", "method.gan=false"), "wants a source_weighting other than none"),
        (("method.source_weighting=plain", "method.gan=false", "method.pretrain=0.5"), "wants pretrain: 0"),
        (("method.threshold=median",), "wants threshold: mean"),
        (("method.class_weights=inverse_sqrt",), "wants class_weights: none"),
        (("method.mix.classes=1.5",), "method.mix.classes"),
        (("method.mix.colour=1",), "method.mix.colour"),
        (("method.mix.blur=-1",), "method.mix.blur"),
    ],
)
def test_recipes_that_are_refused(refusal, overrides, message):
    assert message in refusal("method.mix.replace_source=true", *overrides)
