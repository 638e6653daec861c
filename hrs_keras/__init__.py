"""Semantic segmentation from few real and many synthetic labels, by hierarchical region selection.

All that the command line does is here as a function::

    import hrs_keras

    recipe = hrs_keras.load_recipe("recipes/toy_city.yaml", ["train.steps=500", "name=short"])
    result = hrs_keras.train(recipe)
    print(result.miou, result.saved_model)

Names are imported when they are first used, because TensorFlow takes seconds. What the package tells while it works
goes to the logger ``hrs_keras``; ``logging.basicConfig(level=logging.INFO)`` shows it.
"""

import importlib
import os

# On CPUs without AVX-512 TensorFlow leaves its faster convolutions off unless told so before its import.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Its C++ side otherwise prints notices about absent GPUs on every start. Errors are still shown.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Keras reads these at its import. Of its backends only TensorFlow can run what is here, whatever was set for other work
# (also in keras.json); keras-cv uses the Keras that TensorFlow is told to use. What cannot be told by variables is set
# in models/global_state.py.
os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_NNX_ENABLED": "0", "TF_USE_LEGACY_KERAS": "0"}

__version__ = "0.1.0"

# Where each public name is defined. Type checkers read __init__.pyi instead; a test compares the two.
_HOME = {
    "Recipe": "recipe",
    "load_recipe": "recipe",
    "audit": "data.audit",
    "prepare_data": "data.prepared.prepare",
    "train": "training.run",
    "evaluate_run": "evaluation.run",
    "EvaluateOptions": "evaluation.run",
    "rank_images": "ranking.run",
    "RankOptions": "ranking.options",
    "report_run": "report.run",
    "ReportOptions": "report.run",
    "export_run": "export.run",
    "ExportOptions": "export.options",
    "predict_files": "predict.files",
    "PredictOptions": "predict.files",
    "View": "predict.views",
    "ServedModel": "serving",
    "ServingClient": "serving",
    "request_files": "serving.request",
    "RequestOptions": "serving.request",
    "HRSError": "errors",
}
__all__ = [*_HOME]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
