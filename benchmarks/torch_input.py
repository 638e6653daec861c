"""Time a PyTorch DataLoader that gives the batches of batches.py; run by a Python that has PyTorch.

PYTHON benchmarks/torch_input.py --root ../shared/data/cityscapes --steps 25 --decoder opencv

Written as its users write it: workers decode, resize and mirror bytes, and convert last. OpenCV's bilinear resize
rounds to whole grey levels; Pillow's also averages over what it leaves out.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measuring import add_input_options, rate
from torch.utils.data import DataLoader, Dataset

IGNORE_LABEL = 255
TRAIN_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The labelIds of Cityscapes' 19 classes."""
TABLE = np.full(256, IGNORE_LABEL, np.int32)
TABLE[list(TRAIN_IDS)] = np.arange(len(TRAIN_IDS))

Read = Callable[[Path, Path, tuple[int, int]], tuple[np.ndarray, np.ndarray]]


def opencv(image: Path, label: Path, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """[H, W, 3] and [H, W] uint8, resized."""
    import cv2

    height, width = size
    pixels = cv2.cvtColor(cv2.resize(cv2.imread(str(image)), (width, height)), cv2.COLOR_BGR2RGB)
    ids = cv2.imread(str(label), cv2.IMREAD_UNCHANGED)
    return pixels, cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


def pillow(image: Path, label: Path, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """[H, W, 3] and [H, W] uint8, resized."""
    from PIL import Image

    wanted = size[::-1]
    with Image.open(image) as pixels, Image.open(label) as ids:
        return (
            np.asarray(pixels.convert("RGB").resize(wanted, Image.Resampling.BILINEAR)),
            np.asarray(ids.resize(wanted, Image.Resampling.NEAREST)),
        )


DECODERS: dict[str, Read] = {"opencv": opencv, "pillow": pillow}


class Pairs(Dataset):
    """The pairs below a folder, ``repeats`` times over: [3, H, W] float32 in [-1, 1] and [H, W] int32."""

    def __init__(self, root: Path, size: tuple[int, int], read: Read, flip: bool, repeats: int):
        self.images = sorted(root.glob("leftImg8bit/*/*/*_leftImg8bit.png"))
        self.labels = sorted(root.glob("gtFine/*/*/*_gtFine_labelIds.png"))
        self.size, self.read, self.flip, self.repeats = size, read, flip, repeats

    def __len__(self) -> int:
        return len(self.images) * self.repeats

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        number %= len(self.images)
        image, label = self.read(self.images[number], self.labels[number], self.size)
        if self.flip and torch.rand(()) < 0.5:
            image, label = image[:, ::-1], label[:, ::-1]
        planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        return planes.float().div_(127.5).sub_(1.0), torch.from_numpy(TABLE[label])


def loader(options: argparse.Namespace) -> DataLoader:
    """Shuffled batches, and workers that stay."""
    epoch = (options.warm_up + options.steps) * options.batch
    size = options.height, options.width
    pairs = Pairs(options.root, size, DECODERS[options.decoder], flip=True, repeats=epoch)
    return DataLoader(
        pairs,
        batch_size=options.batch,
        shuffle=True,
        drop_last=True,
        num_workers=options.workers,
        persistent_workers=True,
        prefetch_factor=4,
        worker_init_fn=_one_thread,
    )


def _one_thread(_worker: int) -> None:
    # Each worker has a core; OpenCV's own threads would fight over them.
    try:
        import cv2
    except ImportError:
        return
    cv2.setNumThreads(0)


def save_in_order(options: argparse.Namespace) -> dict[str, int]:
    """Every pair once, in the order of their files, as batches.py saves them."""
    pairs = Pairs(options.root, (options.height, options.width), DECODERS[options.decoder], flip=False, repeats=1)
    images, labels = zip(*(pairs[i] for i in range(len(pairs))), strict=True)
    np.savez(options.save, images=torch.stack(images).permute(0, 2, 3, 1), labels=torch.stack(labels))
    return {"pairs": len(pairs)}


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_input_options(parser)
    parser.add_argument("--save", type=Path, metavar="FILE.npz", help="write every pair once, not mirrored, and stop")
    parser.add_argument("--decoder", choices=DECODERS, default="opencv")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.save:
        result = save_in_order(options)
    else:
        iterator = iter(loader(options))
        result = rate(lambda: next(iterator), options)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
