"""Streams: what each part of a training batch is drawn from.

``source``
    the synthetic images;
``target``
    the real images that keep their labels; but where none does, since ``data.labelled: none`` hides all labels or there
    is no ``data.target``, all real images;
``unlabelled``
    the real images that are not in ``target``: those with hidden labels, and those of ``data.unlabelled``. A trainer
    that asks for them reads them.

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
    parts = [pairs.by_label() for pairs in sets.get("target", ())]
    labelled = [part for part, _ in parts if len(part)]
    others = [part for _, part in parts if len(part)] + list(sets.get("unlabelled", ()))
    real = {"target": labelled, "unlabelled": others} if labelled else {"target": others, "unlabelled": []}
    return {"source": list(sets.get("source", ())), **real}
