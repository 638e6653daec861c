"""The equations of the paper once more, in plain NumPy and float64, to hold the TensorFlow code against.

Written from the paper alone: clarity over speed, loops where a loop reads like the formula. Every loss
returns one value per image, as an array of shape [B]; names and symbols follow the paper.
"""

import numpy as np

IGNORE = 255


def softmax(logits):
    logits = np.asarray(logits, np.float64)
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def log_softmax(logits):
    # Not log(softmax(...)): that is -inf as soon as one logit lies some 750 below the largest.
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def cross_entropy(labels, logits):
    """-log F of the true class at each pixel, 0 where the label is 255. [B, H, W]."""
    labels = np.asarray(labels)
    log_f = log_softmax(logits)
    result = np.zeros(labels.shape)
    for pixel in np.ndindex(labels.shape):
        if labels[pixel] != IGNORE:
            result[pixel] = -log_f[pixel][labels[pixel]]
    return result


def weighting_loss(scores, domain):
    """Eq. 1: mean |M - d|, where d is 0 for a source image and 1 for a target image."""
    scores = np.asarray(scores, np.float64)
    return np.array([np.abs(image - domain).mean() for image in scores])


def target_segmentation_loss(labels, logits):
    """Eq. 2: mean cross-entropy over the valid pixels of an image, 0 if it has none."""
    result = []
    for label, ce in zip(np.asarray(labels), cross_entropy(labels, logits), strict=True):
        valid = label != IGNORE
        result.append(ce[valid].mean() if valid.any() else 0.0)
    return np.array(result)


def binary_map(scores, level, threshold="mean"):
    """Eq. 3: 1 where M exceeds the threshold of its image and channel, which is 0.5 at the image level."""
    scores = np.asarray(scores, np.float64)
    statistic = {"mean": np.mean, "median": np.median}[threshold]
    result = np.zeros(scores.shape)
    for b in range(scores.shape[0]):
        for k in range(scores.shape[3]):
            score = scores[b, :, :, k]
            limit = 0.5 if level == "image" else statistic(score)
            result[b, :, :, k] = score > limit
    return result


def upsample_nearest(maps, size):
    """Repeats each value; whole factors only, where all conventions of nearest agree."""
    height, width = size
    (rows, rest_h), (columns, rest_w) = divmod(height, maps.shape[1]), divmod(width, maps.shape[2])
    assert rest_h == rest_w == 0, f"{maps.shape[1:3]} does not divide {size}"
    result = np.zeros((maps.shape[0], height, width, maps.shape[3]))
    for i, j in np.ndindex(height, width):
        result[:, i, j] = maps[:, i // rows, j // columns]
    return result


def hierarchical_map(scores, size, threshold="mean"):
    """Eq. 4: mean over the levels given of the up-sampled binary maps. [B, H, W, K]."""
    maps = [upsample_nearest(binary_map(m, level, threshold), size) for level, m in scores.items()]
    return sum(maps) / len(maps)


def source_segmentation_loss(labels, logits, selection):
    """Eq. 5: -sum_c y_c H_c log F_c over the valid pixels, divided by their number (not by the sum of H).

    `selection` is H, [B, H, W, K]: K = 1 is one map shared by all classes, K = C one map for each class.
    """
    labels = np.asarray(labels)
    log_f = log_softmax(logits)
    classes = log_f.shape[-1]
    selection = np.asarray(selection, np.float64)
    assert selection.shape[-1] in (1, classes)
    result = []
    for b in range(labels.shape[0]):
        total, valid = 0.0, 0
        for i, j in np.ndindex(labels.shape[1:]):
            if labels[b, i, j] == IGNORE:
                continue
            valid += 1
            for c in range(classes):
                y = 1.0 if labels[b, i, j] == c else 0.0
                h = selection[b, i, j, 0 if selection.shape[-1] == 1 else c]
                total -= y * h * log_f[b, i, j, c]
        result.append(total / valid if valid else 0.0)
    return np.array(result)


def source_segmentation_gradient(labels, logits, weights):
    """d(Eq. 5 of an image)/d(logits): (softmax - onehot) * weight / valid pixels, 0 where ignored."""
    labels = np.asarray(labels)
    gradient = softmax(logits)
    for b in range(labels.shape[0]):
        valid = max(int((labels[b] != IGNORE).sum()), 1)
        for i, j in np.ndindex(labels.shape[1:]):
            if labels[b, i, j] == IGNORE:
                gradient[b, i, j] = 0.0
            else:
                gradient[b, i, j, labels[b, i, j]] -= 1.0
                gradient[b, i, j] *= weights[b, i, j] / valid
    return gradient


def true_probability(labels, logits):
    """F of the true class at each pixel, NaN where the label is 255. [B, H, W]."""
    labels = np.asarray(labels)
    probability = softmax(logits)
    result = np.full(labels.shape, np.nan)
    for pixel in np.ndindex(labels.shape):
        if labels[pixel] != IGNORE:
            result[pixel] = probability[pixel][labels[pixel]]
    return result


def confidence_mask(labels, logits):
    """1 where F gives the true class more than the mean over the image's valid pixels, else 0. [B, H, W]."""
    return np.array([image > np.nanmean(image) for image in true_probability(labels, logits)]).astype(float)


def focal_modulation(labels, logits, gamma):
    """(1 - F)^gamma of the true class (Lin et al. 2017, Eq. 4), 0 where the label is 255. [B, H, W]."""
    return np.nan_to_num((1.0 - true_probability(labels, logits)) ** gamma)


def reconstruction_loss(reconstruction, image):
    """Eq. 7: mean |G(conv5(x)) - x|."""
    difference = np.asarray(reconstruction, np.float64) - np.asarray(image, np.float64)
    return np.array([np.abs(d).mean() for d in difference])


def adversarial_loss(logits, target):
    """Eq. 8: binary cross-entropy of the patch logits of D, mean over the patches; soft labels allowed."""
    logits = np.asarray(logits, np.float64)
    target = np.broadcast_to(np.asarray(target, np.float64), logits.shape)
    # log sigmoid(z) = -log(1 + e^-z) and log(1 - sigmoid(z)) = -log(1 + e^z)
    loss = target * np.logaddexp(0.0, -logits) + (1.0 - target) * np.logaddexp(0.0, logits)
    return np.array([image.mean() for image in loss])


def polynomial_decay(step, initial, steps, power=0.9):
    """The learning rate at `step`: `initial` at 0, falling to 0 at `steps` and staying there."""
    return initial * (1.0 - min(step, steps) / steps) ** power
