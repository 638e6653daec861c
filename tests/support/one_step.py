"""One training step observed: what every weight did, and what each player minimises, computed anew."""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from hrs_keras.data.audit import audit
from hrs_keras.data.pipeline import training_batches
from hrs_keras.method.trainer import build_trainer
from hrs_keras.method.trainers.joint import JointTrainer
from hrs_keras.models import build_networks
from hrs_keras.recipe import load_recipe
from support import reference, tiny
from support.paths import REPOSITORY

LAMBDA_ADV, LAMBDA_REC, LAMBDA_SOURCE = 0.3, 0.7, 0.6  # all large enough to be missed
SYSTEMS = {
    "target only": ("method.source_weighting=none", "method.gan=false"),
    "plain": ("method.source_weighting=plain", "method.gan=false"),
    "confidence mask": ("method.source_weighting=mask", "method.gan=false"),
    "focal loss": ("method.source_weighting=focal", "method.focal_gamma=1.5", "method.gan=false"),
    "source only": ("method.source_weighting=plain", "method.gan=false", "method.pretrain=0.5"),
    "plain with gan": ("method.source_weighting=plain", "method.gan=true"),
    "one level": ("method.levels=[pixel]", "method.gan=false"),
    "linear median per class": (
        *("method.levels=[region, image]", "method.channels=per_class", "method.gan=false"),
        *("method.activation=linear", "method.threshold=median"),
    ),
    "full": (),
    "full per class": ("method.channels=per_class",),
}


def build(*overrides):
    weights = {"adv": LAMBDA_ADV, "rec": LAMBDA_REC, "source": LAMBDA_SOURCE}
    lambdas = (f"method.lambda_{name}={weight}" for name, weight in weights.items())
    # Heads that start at zero would let no gradient through to the encoder in the first step.
    recipe = tiny.recipe(*lambdas, "encoder.heads=random", *overrides)
    return JointTrainer(recipe, build_networks(recipe))


def batch_of(source=True, images=2, target=True):
    """Two images a domain, of which the second counts for little: 9 pixels in 10 are ignored."""

    def uneven(seed):
        x, y = tiny.domain(seed, images)
        y[-1][np.random.default_rng(seed).random(y[-1].shape) < 0.9] = tiny.IGNORE
        return tf.constant(x), tf.constant(y)

    return ({"target": uneven(1)} if target else {}) | ({"source": uneven(2)} if source else {})


@dataclasses.dataclass(frozen=True)
class Observed:
    """A trainer before and after one step whose every player goes down its gradient, by plain descent."""

    trainer: JointTrainer
    batch: dict
    before: dict[str, list[np.ndarray]]
    logs: dict[str, float]
    moved: dict[str, list[np.ndarray]]


def descend(trainer, rate_of):
    """Put plain gradient descent in Adam's place, for each player at the rate ``rate_of(player)``."""
    descent = []
    for player in trainer.players:
        descent.append(dataclasses.replace(player, optimizer=keras.optimizers.SGD(rate_of(player))))
        descent[-1].optimizer.build(player.network.trainable_variables)
    trainer.players = tuple(descent)


def observe(trainer, batch):
    """Take one step by plain gradient descent: a weight's change is then its gradient."""
    rate = 1e4  # so that float32 weights show it: the change far exceeds the weight
    descend(trainer, lambda player: rate)
    before = {p.name: [v.numpy() for v in p.network.trainable_variables] for p in trainer.players}
    logs = {name: float(value) for name, value in trainer.train_step(batch).items()}
    moved = {
        p.name: [(v.numpy() - b) / -rate for v, b in zip(p.network.trainable_variables, before[p.name], strict=True)]
        for p in trainer.players
    }
    for player in trainer.players:
        for variable, value in zip(player.network.trainable_variables, before[player.name], strict=True):
            variable.assign(value)
    return Observed(trainer, batch, before, logs, moved)


@functools.cache
def observed(system):
    batch = batch_of(source=system != "target only", target=system != "source only")
    return observe(build(*SYSTEMS[system]), batch)


def gradient_norms(case):
    """Norm of all changes of a player's weights together, from NumPy."""
    flat = {name: np.concatenate([change.ravel() for change in moved]) for name, moved in case.moved.items()}
    return {f"gradient_norm/{name}": np.linalg.norm(change) for name, change in flat.items()}


def networks_outputs(trainer, batch):
    """Every network run once more, by itself."""
    outputs = {}
    domains = [d for d in ("source", "target") if d in batch]
    for domain in domains:
        prediction = trainer.segmenter(batch[domain][0])
        logits = prediction["logits"].numpy()
        outputs[domain] = {"logits": logits, "scores": {}}
        for level, network in trainer.weighting.items():
            outputs[domain]["scores"][level] = network(reference.softmax(logits).astype("float32")).numpy()
        if trainer.generator is not None:
            rebuilt = trainer.generator(prediction["features"])
            outputs[domain] |= {
                "reconstruction": rebuilt.numpy(),
                "fake": trainer.discriminator(rebuilt).numpy(),
                "real": trainer.discriminator(batch[domain][0]).numpy(),
            }
    return outputs


def selection_of(trainer, outputs, labels):
    """The weights of the source pixels (H, for the method itself), [B, H, W, K], from NumPy."""
    if trainer.method.source_weighting == "mask":
        return reference.confidence_mask(labels, outputs["source"]["logits"])[..., None]
    if trainer.method.source_weighting == "focal":
        return reference.focal_modulation(labels, outputs["source"]["logits"], 1.5)[..., None]
    if not trainer.weighting:
        return np.ones((*labels.shape, 1))
    return reference.hierarchical_map(outputs["source"]["scores"], labels.shape[1:], trainer.method.threshold)


def valid_pixels(labels):
    """(index, label) of each pixel that is not ignored."""
    return [(index, labels[index]) for index in np.ndindex(labels.shape) if labels[index] != tiny.IGNORE]


def naive_objective(case, player, h):
    """What one player minimises, from a forward pass of its own and written out in plain TensorFlow."""
    trainer, batch = case.trainer, case.batch
    domains = [d for d in ("source", "target") if d in batch]

    def cross_entropy(domain, logits):
        labels = batch[domain][1].numpy()
        onehot = np.eye(tiny.CLASSES, dtype="float32")[np.minimum(labels, tiny.CLASSES - 1)]
        counted = onehot * (labels != tiny.IGNORE)[..., None]
        weight = counted
        if domain == "source" and trainer.method.source_weighting == "focal":
            true = tf.reduce_sum(tf.nn.softmax(logits) * onehot, -1, keepdims=True)
            weight = counted * (1 - true) ** 1.5  # the focal loss alone has a gradient in its weight
        elif domain == "source":
            weight = counted * h
        per_image = tf.reduce_sum(-tf.nn.log_softmax(logits) * tf.cast(weight, tf.float32), axis=[1, 2, 3])
        return tf.reduce_mean(per_image / counted.sum((1, 2, 3)).astype("float32"))

    def adversarial(verdicts):
        return tf.reduce_mean(tf.concat([tf.math.softplus(-v) for v in verdicts], 0))

    prediction = {d: trainer.segmenter(batch[d][0]) for d in domains}
    if player.startswith("weighting/"):
        network = trainer.weighting[player.removeprefix("weighting/")]
        score = {d: network(reference.softmax(prediction[d]["logits"].numpy()).astype("float32")) for d in domains}
        return tf.reduce_mean(tf.abs(score["source"])) + tf.reduce_mean(tf.abs(score["target"] - 1))
    features = {d: prediction[d]["features"] for d in domains}
    weight = {"target": 1.0, "source": LAMBDA_SOURCE}
    segmentation = tf.add_n([weight[d] * cross_entropy(d, prediction[d]["logits"]) for d in domains])
    if trainer.generator is None:
        return segmentation
    if player == "encoder":
        verdicts = [trainer.discriminator(trainer.generator(features[d])) for d in domains]
        return segmentation + LAMBDA_ADV * adversarial(verdicts)
    rebuilt = {d: trainer.generator(tf.constant(features[d].numpy())) for d in domains}
    if player == "generator":
        difference = tf.add_n([tf.reduce_mean(tf.abs(rebuilt[d] - batch[d][0])) for d in domains]) / len(domains)
        return LAMBDA_REC * difference + LAMBDA_ADV * adversarial([trainer.discriminator(r) for r in rebuilt.values()])
    fake = tf.concat([trainer.discriminator(tf.constant(r.numpy())) for r in rebuilt.values()], 0)
    real = trainer.discriminator(batch["target"][0])
    return tf.reduce_mean(tf.math.softplus(-real)) + tf.reduce_mean(tf.math.softplus(fake))


def begin(recipe_file, system, *overrides):
    """A trainer and, for each phase, its batches."""
    recipe = load_recipe([recipe_file, REPOSITORY / f"recipes/systems/{system}.yaml"], overrides)
    sets = audit(recipe).sets
    trainer = build_trainer(recipe, build_networks(recipe))
    batches = [training_batches(recipe, sets, phase.first) for phase in recipe.phases]
    return trainer, batches
