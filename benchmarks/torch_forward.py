"""Time the forward pass of a PyTorch script's FCN8s, in that script's own Python; prints one line of JSON.

python benchmarks/torch_forward.py torch_hrs.py --height 256 --width 512 --fc 1024 --threads 2

The script must define ``FCN8s(channels, fc, classes)``, which answers images in [-1, 1] with logits and features.
"""

import argparse
import ast
import json
import statistics
import time
from pathlib import Path

from measuring import CLASSES, add_network_options, timed

DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)


def definitions(script: Path) -> dict[str, object]:
    """What a script imports and defines, without the calls at its end that would run it."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, DEFINITIONS)]
    names: dict[str, object] = {"__name__": script.stem}
    exec(compile(tree, str(script), "exec"), names)
    return names


def by_layer(model: "torch.nn.Module") -> list[list[float]]:  # noqa: F821  # imported with the options known
    """Have a model note how long its convolutions take: seconds of each call, in the order of the layers."""
    import torch

    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)]
    times: list[list[float]] = [[] for _ in layers]
    for layer, noted in zip(layers, times, strict=True):
        begun: list[float] = []
        layer.register_forward_pre_hook(lambda *_, begun=begun: begun.append(time.perf_counter()))
        layer.register_forward_hook(
            lambda *_, begun=begun, noted=noted: noted.append(time.perf_counter() - begun.pop())
        )
    return times


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", type=Path)
    add_network_options(parser)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--channels-last", action="store_true", help="keep channels innermost in memory")
    parser.add_argument("--by-layer", action="store_true", help="also the milliseconds of each convolution, in order")
    options = parser.parse_args()

    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = definitions(options.script)["FCN8s"](options.channels, options.fc, CLASSES).eval()
    images = torch.randint(0, 256, (1, 3, options.height, options.width)).float()
    if options.channels_last:
        model, images = (it.to(memory_format=torch.channels_last) for it in (model, images))
    layers = by_layer(model) if options.by_layer else []
    with torch.inference_mode():
        result = timed(lambda: model(images / 127.5 - 1.0)[0], options.repeats)
    held = {"elements": sum(parameter.numel() for parameter in model.parameters())}
    told = {"layers": [round(statistics.median(times) * 1e3, 2) for times in layers]} if layers else {}
    print(json.dumps(result | held | told))


if __name__ == "__main__":
    main()
