"""PyTorch on CUDA beside a report of `backlight bench`: the same cases on the same card, in f32 without TF32.

    backlight bench --mode native --model vgg16-random --json report.json
    python3 bench/peers/pytorch.py report.json [--json out.json]

Needs a PyTorch built for CUDA, with its cuDNN; nothing here is installed with the product. Each case is warmed up for 100 ms, then timed with
CUDA events over spans of at least 2 ms; cuDNN may choose its fastest algorithm (cudnn.benchmark). The ratio is PyTorch's median over
Backlight's: above 1 Backlight is faster. Results are not compared here: Backlight's were checked against f64 before they were timed.
"""

import argparse
import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F

torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True
aten = torch.ops.aten


def median_ms(run, samples=10, span=2.0, warm=0.1):
    """Median time of one call in ms, by CUDA events."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)

    def measure(repeats):
        start.record()
        for _ in range(repeats):
            run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / repeats

    began = time.perf_counter()
    once = measure(1)
    while time.perf_counter() - began < warm:
        once = measure(3)
    repeats = max(1, min(2000, int(span / max(once, 1e-3)) + 1))
    return statistics.median(measure(repeats) for _ in range(samples))


def normal(shape):
    return torch.randn(*shape, device="cuda")


def pooling(attrs):
    kernel = attrs["kernel"]
    pad = attrs.get("pad", [0, 0, 0, 0])
    return kernel, attrs.get("stride", [1, 1]), pad[:2], attrs.get("ceilMode", False)


def call(case):
    """What PyTorch does for a case, as a function without arguments; None where it has no single op for it."""
    op, attrs, direction = case["op"], case["attrs"], case["direction"]
    inputs = [normal(shape) for shape in case["inputs"]]
    x = inputs[0]
    rule = case["id"].split("/")[2]
    if op == "conv2d":
        _, w, b = inputs
        stride, pad, groups = attrs.get("stride", [1, 1]), attrs.get("pad", [0, 0, 0, 0])[:2], attrs.get("groups", 1)
        y = F.conv2d(x, w, b, stride, pad, 1, groups)
        if direction == "forward":
            return lambda: F.conv2d(x, w, b, stride, pad, 1, groups)
        dy = torch.randn_like(y)
        mask = [direction == "dx", direction == "dw", False]
        return lambda: aten.convolution_backward(dy, x, w, None, stride, pad, [1, 1], False, [0, 0], groups, mask)
    if op == "linear":
        _, w, b = inputs
        if direction == "forward":
            return lambda: F.linear(x, w, b)
        dy = normal((x.shape[0], w.shape[0]))
        return (lambda: dy @ w) if direction == "dx" else (lambda: dy.t() @ x)
    if op == "maxpool2d":
        kernel, stride, pad, ceil = pooling(attrs)
        if direction == "forward":
            return lambda: F.max_pool2d(x, kernel, stride, pad, 1, ceil)
        y, indices = F.max_pool2d(x, kernel, stride, pad, 1, ceil, return_indices=True)
        if direction == "forward-saving":
            return lambda: F.max_pool2d(x, kernel, stride, pad, 1, ceil, return_indices=True)
        dy = torch.randn_like(y)
        return lambda: aten.max_pool2d_with_indices_backward(dy, x, kernel, stride, pad, [1, 1], ceil, indices)
    if op == "avgpool2d" and direction == "forward":
        kernel, stride, pad, ceil = pooling(attrs)
        return lambda: F.avg_pool2d(x, kernel, stride, pad, ceil)
    if op == "lrn" and direction == "forward":
        return lambda: F.local_response_norm(x, attrs["size"], attrs["alpha"], attrs["beta"], attrs.get("bias", 1))
    if op == "relu":
        if direction == "forward":
            return lambda: F.relu(x)
        if rule.endswith("gradient"):
            dy = torch.randn_like(x)
            return lambda: aten.threshold_backward(dy, x, 0)
    if op == "softmax" and direction == "forward":
        return lambda: F.softmax(x, -1)
    if op == "concat" and direction == "forward":
        return lambda: torch.cat(inputs, attrs["axis"])
    return None


def vgg16():
    layers, channels = [], 3
    for widths in ([64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3):
        for width in widths:
            layers += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.ReLU()]
            channels = width
        layers.append(torch.nn.MaxPool2d(2))
    layers += [torch.nn.Flatten(), torch.nn.Linear(25088, 4096), torch.nn.ReLU(), torch.nn.Linear(4096, 4096), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(4096, 1000)).cuda().requires_grad_(False)


def networks(report):
    rows = []
    for row in report["networks"]:
        if not row["name"].startswith("vgg16") or "forward" not in row:
            continue
        model, x = vgg16(), normal(row["input"])

        def forward():
            with torch.no_grad():
                model(x)

        def gradient():
            image = x.requires_grad_(True)
            torch.autograd.grad(model(image)[:, 0].sum(), image)

        for name, run in (("forward", forward), ("gradient", gradient)):
            rows.append((f"{row['name']} {name} b{row['batch']}", row[name]["device"]["median"], median_ms(run)))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report")
    parser.add_argument("--json")
    options = parser.parse_args()
    report = json.load(open(options.report))
    rows = []
    for case in report["cases"]:
        if "timing" not in case:
            continue
        run = call(case)
        if run is not None:
            rows.append((case["id"], case["timing"]["device"]["median"], median_ms(run)))
            del run
            torch.cuda.empty_cache()
    rows += networks(report)
    print(f"PyTorch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}, {torch.cuda.get_device_name()}, TF32 off")
    print(f"{'case':52} {'Backlight ms':>13} {'PyTorch ms':>11} {'ratio':>7}")
    for name, ours, theirs in rows:
        print(f"{name:52} {ours:13.4f} {theirs:11.4f} {theirs / ours:7.2f}")
    if options.json:
        device = torch.cuda.get_device_name()
        found = [{"id": name, "backlightMs": ours, "pytorchMs": theirs, "ratio": theirs / ours} for name, ours, theirs in rows]
        versions = {"pytorch": torch.__version__, "cudnn": torch.backends.cudnn.version()}
        json.dump({"device": device, "versions": versions, "tf32": False, "rows": found}, open(options.json, "w"), indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
