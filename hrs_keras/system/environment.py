"""What a result was made with: versions, machine, GPUs, command line and git state."""

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import tensorflow as tf

_PACKAGES = ("hrs-keras", "tensorflow", "keras", "keras-cv", "numpy", "pillow", "pydantic")


def environment() -> dict[str, object]:
    """Versions, machine, GPUs in use (their names), command line and git state: what a result was made with."""
    versions: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "versions": versions,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "gpus": [_name(gpu) for gpu in tf.config.get_visible_devices("GPU")],
        "command": sys.argv,
        "git": _git_state(),
    }


def _name(gpu: tf.config.PhysicalDevice) -> str:
    return tf.config.experimental.get_device_details(gpu).get("device_name") or gpu.name


def _git_state() -> dict[str, object] | None:
    """Commit of the checkout the package is imported from; None outside a checkout."""

    def git(*arguments: str) -> str:
        folder = Path(__file__).parent
        return subprocess.run(
            ["git", "-C", folder, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "modified": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.CalledProcessError):
        return None
