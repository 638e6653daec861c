"""Which of the built-in export formats can be written here."""

from hrs_keras.errors import HRSError
from hrs_keras.export.format import load_format

BUILT_IN = ("onnx", "openvino", "litert")


def is_writable(name: str) -> bool:
    """Whether this Python and this Keras can write a format. Its packages must be installed: tests install them."""
    load_format(name).require_packages()
    try:
        load_format(name).require_writable()
    except HRSError:
        return False
    return True


WRITABLE = [name for name in BUILT_IN if is_writable(name)]
