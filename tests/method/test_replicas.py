"""n replicas with a batch of b are one with n*b on the same samples: weights after 5 steps, for every player."""

import pytest
from support.processes import with_two_devices
from support.two_replicas import compare_joint


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        (),
        (
            *("train.batch_size=4", "train.accumulate=2", "method.mix.replace_source=true"),
            "train.clip_norm={encoder: 0.5, weighting: 0.05, generator: 0.01, discriminator: 0.01}",
        ),
        (
            *("train.schedule=alternating", "method.channels=per_class", "train.warmup=2", "train.average=0.7"),
            "train.weight_decay={encoder: 0.5, weighting: 0.05}",
        ),
    ],
    ids=["plain", "mixed, accumulated and clipped", "alternating, averaged and decayed"],
)
def test_two_replicas_equal_one_with_the_whole_batch(changes):
    with_two_devices(compare_joint, *changes)
