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
from typing import Any

from measuring import CLASSES, add_network_options, timed

DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)


def definitions(script: Path) -> dict[str, object]:
    """What a script imports and defines, without the calls at its end that would run it."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, DEFINITIONS)]
    names: dict[str, object] = {"__name__": script.stem}
    exec(compile(tree, str(script), "exec"), names)
    return names


def by_layer(model: Any) -> list[dict[str, Any]]:
    """Have a model note of each convolution, in the order of its layers, its operations and its calls' milliseconds."""
    from torch.nn import Conv2d

    layers = []
    for layer in (layer for layer in model.modules() if isinstance(layer, Conv2d)):
        noted: dict[str, Any] = {"flop": 0, "ms": []}

        def begin(_layer: Any, _inputs: Any, noted: dict[str, Any] = noted) -> None:
            noted["begun"] = time.perf_counter()

        def end(layer: Any, _inputs: Any, output: Any, noted: dict[str, Any] = noted) -> None:
            noted["ms"].append((time.perf_counter() - noted["begun"]) * 1e3)
            noted["flop"] = 2 * output.numel() * layer.weight[0].numel()

        layer.register_forward_pre_hook(begin)
        layer.register_forward_hook(end)
        layers.append(noted)
    return layers


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
    told = [{"flop": one["flop"], "ms": round(statistics.median(one["ms"]), 2)} for one in layers]
    print(json.dumps(result | held | ({"layers": told} if told else {})))


if __name__ == "__main__":
    main()
