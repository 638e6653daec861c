"""Streams: what each part of a training batch is drawn from.

``source``
    the synthetic images;
``target``
    the real images that keep their labels; but where ``data.labelled: none`` hides all labels, all real images;
``unlabelled``
    the real images that are not in ``target``. Only trainers that ask for them read them.

Roles are what a recipe lists (``data.target``), streams are what batches hold.
"""

from collections.abc import Mapping, Sequence

from hrs_keras.data.pairs import Pairs


def streams(sets: Mapping[str, Sequence[Pairs]]) -> dict[str, list[Pairs]]:
    """What batches are drawn from.

    Args:
        sets: role -> the samples of each of its data sets, from :func:`hrs_keras.audit`.

    Returns:
        ``source``, ``target`` and ``unlabelled`` -> the samples of each data set. Labels that are hidden are 255
        throughout, and their files are not opened.
    """
    found = {"source": list(sets.get("source", ())), "target": list(sets.get("target", ())), "unlabelled": []}
    if any(pairs.hidden is not None for pairs in found["target"]):
        labelled, others = (
            [part for part in parts if len(part)]
            for parts in zip(*(pairs.by_label() for pairs in found["target"]), strict=True)
        )
        found |= {"target": labelled, "unlabelled": others} if labelled else {"target": others}
    return found
