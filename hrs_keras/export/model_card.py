"""The model card: what people need to know about an export that they are given."""

from typing import Any

from hrs_keras.recipe.dataset import Dataset
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.markdown import literal, table

_FILES = "`image_bytes` string [B]: PNG or JPEG files of any sizes"
_MAPS = "`label_map_bytes` string [B]: grey PNGs of the class ids"
_SIGNATURES = {
    "serving_default": (
        _FILES,
        "`class_ids` uint8 [B, h, w], 255 beyond an image's own size; `confidence` float32 [B, h, w], 0 there;"
        f" `size` int32 [B, 2], height and width; {_MAPS}",
    ),
    "png": (_FILES, f"{_MAPS}; `confidence_bytes` string [B]: grey PNGs of 255 times the confidence"),
    "arrays": (
        "`images` uint8 [B, h, w, 3], RGB",
        f"`class_ids` uint8 [B, h, w]; `confidence` float32 [B, h, w]; {_MAPS}",
    ),
    "logits": (
        "`images` float32 [B, h, w, 3] in [0, 255], h and w multiples of 32",
        "`logits` float32 [B, h, w, C]",
    ),
}
"""Signature -> its input and its outputs, in words."""


def model_card(record: dict[str, Any], recipe: Recipe) -> str:
    """Markdown for an export's ``assets.extra/README.md``.

    Args:
        record: what the export's ``hrs.json`` holds.
        recipe: the run's recipe.
    """
    space, (height, width) = record["label_space"], record["size"]
    git = record["git"]
    revision = f", revision {git['commit'][:12]}{' with changes' if git['modified'] else ''}" if git else ""
    weights = "weights" if recipe.train.average is None else "averaged weights"
    package_versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items() if version)
    return f"""# {record["name"]}

Semantic segmentation of street scenes: a class for each pixel of a photograph. FCN8s on {recipe.encoder.describe()}.
How it was trained is in `recipe.yaml` (digest {record["recipe"]}); these are the {weights} of step {record["step"]}.

## Data

{_datasets(recipe)}

The weights carry over the terms of these data sets; look them up before you hand the model on.

## Quality

{_quality(record)}

## Use

Images are resized to {height} x {width} (height x width) and the answer is scaled back to their own size; at most
{record["max_pixels"]} pixels an image. It computes in {record["precision"]}. EXIF orientation is not applied: turn
photographs upright first. Each pixel gets one of the classes below, whatever it shows, and `confidence` can be high on
what the model has never seen.

{_signatures()}

## Classes

{_classes(space)}

Made with {package_versions}{revision}.
"""


def _datasets(recipe: Recipe) -> str:
    rows = [[role, _dataset(one), str(one.subset or "all")] for role in recipe.roles for one in recipe.datasets(role)]
    hidden = f"\n\nOf the target's labels {recipe.data.labelled} were used." if recipe.data.hides_labels else ""
    return table(["", "data set", "subset"], rows, texts=3) + hidden


def _dataset(dataset: Dataset) -> str:
    if dataset.labels is None:
        return literal(f"images without labels: {dataset.root}/{dataset.images}")
    return literal(f"{dataset.format}: {dataset.root}, {dataset.split} split")


def _signatures() -> str:
    rows = [[f"`{name}`", given, answer] for name, (given, answer) in _SIGNATURES.items()]
    return table(["signature", "input", "outputs"], rows, texts=3)


def _quality(record: dict[str, Any]) -> str:
    if record["metrics"] is None:
        return "Not evaluated at this step."
    tested = [_metrics(record["test"], "test", "which had no part in any choice")] if "test" in record else []
    return "\n\n".join([_metrics(record["metrics"], "validation"), *tested])


def _metrics(metrics: dict[str, Any], images: str, remark: str = "") -> str:
    def percent(share: float | None) -> str:
        return "-" if share is None else f"{100 * share:.2f}"

    rows = [[literal(name), percent(value)] for name, value in metrics["iou"].items()]
    rows += [[f"mean of {name} classes", percent(value)] for name, value in metrics["mean_iou"].items()]
    rows.append(["pixel accuracy", percent(metrics["pixel_accuracy"])])
    on = f"On {metrics['images']} {images} images" + (f", {remark}" if remark else "")
    return f"{on}; {metrics['rule']}.\n\n{table(['class', 'IoU %'], rows, 2)}"


def _classes(space: dict[str, Any]) -> str:
    raw = space["raw_ids"] or [""] * len(space["classes"])
    rows = [
        [str(number), literal(name), str(file_id), "#{:02x}{:02x}{:02x}".format(*colour)]
        for number, (name, file_id, colour) in enumerate(zip(space["classes"], raw, space["palette"], strict=True))
    ]
    return table(["class id", "class", "id in the data set's files", "colour"], rows, texts=4)
