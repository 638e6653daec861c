"""Whether a label lies on its image, as far as sizes and the image's EXIF orientation tell."""

from hrs_keras.data.image_files import Header


def size_problem(label: tuple[int, int], image: str, header: Header) -> str | None:
    """What is wrong with the size of a label, as the rest of the sentence that begins with the label; None if nothing.

    Args:
        label: its [height, width] in pixels.
        image: the name of its image.
        header: of the image.
    """
    if label == header.upright:
        return None
    of_label, stored, upright = (f"{height}x{width}" for height, width in (label, header.stored, header.upright))
    if header.orientation == 1:
        return f"is {of_label} (height x width), its image {image} is {upright}"
    turned = f"{upright} once turned upright, as its EXIF orientation ({header.orientation}) says"
    if label == header.stored:
        return (
            f"is {of_label} (height x width) as is its image {image} in the file, but that is {turned}: turn the label"
            " as well, or remove the orientation from the image"
        )
    return f"is {of_label} (height x width), its image {image} is {turned} (in the file {stored})"


def orientation_doubt(label: str, header: Header) -> str | None:
    """What an image has to be looked at for, as the rest of the sentence that begins with the image; None if nothing.

    Args:
        label: the name of its label.
        header: of the image.
    """
    if header.orientation == 1 or header.upright != header.stored:
        return None
    return (
        f"is turned upright, as its EXIF orientation ({header.orientation}) says; sizes do not tell whether its label"
        f" {label} was drawn on the upright image: look at both"
    )
