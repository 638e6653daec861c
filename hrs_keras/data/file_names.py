"""Which files and folders are samples, by their names alone: one rule for data sets and for ``hrs predict``.

A look at a folder with a file manager leaves files in it, and so do notebooks, network drives and archives. Nothing
that is hidden, and no folder of a tool, holds a sample.

This needs no TensorFlow: a client of a served model has to do without it.
"""

from pathlib import PurePath

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
"""How the names of image files end, in small letters or capitals."""

LABEL_SUFFIXES = (*IMAGE_SUFFIXES, ".bmp", ".tif", ".tiff")
"""The same of what is taken for labels. JPEG files are, and are refused when they are read."""

TOOL_FOLDERS = frozenset(
    {
        "@eaDir",  # thumbnails, on Synology's network drives
        "#recycle",
        "$RECYCLE.BIN",
        "System Volume Information",
        "lost+found",
        "__MACOSX",  # in archives that macOS packs
        "__pycache__",
    }
)


def is_litter(name: str) -> bool:
    """Whether a file or folder is hidden, such as .DS_Store or ._photo.png, or is the folder of a tool."""
    return name.startswith(".") or name in TOOL_FOLDERS


def is_image_name(path: PurePath) -> bool:
    """Whether a name ends as that of a PNG or JPEG file; what the file really is shows when it is read."""
    return path.suffix.lower() in IMAGE_SUFFIXES
