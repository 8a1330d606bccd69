"""Milliseconds of a training step of TaskNeuronConv2d with T terms, against T times that of torch's Conv2d.

python -m benchmarks.speed.convolution [--batch 32] [--steps 5] [--repeats 9] [--threads 1] [--held 30]
                                       [--output FILE]

A step is a call, the gradients with respect to weights and input, and an update by SGD, in float32. The formulas take turns
with torch's layer of the same shape, so that whatever else the machine does meets them alike; the ratios are medians over
the turns. The bar is 1.15: what powers, their concatenation and their gradients may cost beside the convolutions. A shape is
the channels in and out, the height and the width, and the groups.

A tensor of --held megabytes is made and dropped before, as by any program that loads images. glibc takes the largest tensor
dropped so far for a measure of the memory to keep; without one, each step gives some back and gets it again page by page, and
what is measured is the kernel, with torch's layers as with these. --held 0 leaves that out.
"""

import time

import numpy as np
import torch

from benchmarks.environment import versions
from benchmarks.script import line, make_parser, write
from sklearn_taskneurons.nn import TaskNeuronConv2d

BAR = 1.15
FORMULAS = {"x": 1, "x**3 + x": 2, "x**3 + x**2 + x": 3, "x**5 + x**4 + x**3 + x**2 + x": 5}
# Input channels, output channels, height and width, groups; kernels of 3 x 3. The last is depthwise.
SHAPES = ((16, 32, 28, 1), (64, 64, 16, 1), (64, 128, 8, 1), (64, 64, 16, 64))


def step_of(layer, x):
    """Return a function that does one training step of a layer."""
    optimizer = torch.optim.SGD(layer.parameters(), lr=1e-6)
    gradient = torch.randn_like(layer(x))

    def step():
        optimizer.zero_grad()
        x.grad = None
        layer(x).backward(gradient)
        optimizer.step()

    return step


def milliseconds(step, n_steps):
    """Return the mean time of a step."""
    start = time.perf_counter()
    for _ in range(n_steps):
        step()
    return 1e3 * (time.perf_counter() - start) / n_steps


def compare(shape, batch, n_steps, repeats):
    """Return the turns of torch's layer and of each formula: milliseconds by name."""
    n_in, n_out, size, groups = shape
    x = torch.randn(batch, n_in, size, size).requires_grad_()  # as inside a network, whose first part wants the gradient
    layers = {"torch": torch.nn.Conv2d(n_in, n_out, 3, padding=1, groups=groups)}
    layers |= {formula: TaskNeuronConv2d(n_in, n_out, 3, formula, padding=1, groups=groups) for formula in FORMULAS}
    steps = {name: step_of(layer, x) for name, layer in layers.items()}
    for step in steps.values():
        milliseconds(step, 2)  # the first call chooses the kernels
    return [{name: milliseconds(step, n_steps) for name, step in steps.items()} for _ in range(repeats)]


def main():
    """Measure, print, write."""
    parser = make_parser(__doc__, "convolution.json")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--held", type=float, default=30.0)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    torch.empty(int(arguments.held * 2**18)).fill_(0.0)  # dropped at once
    known = versions("torch")
    print(line(known), f"  threads {arguments.threads}")
    print(f"{'shape':>16}  {'formula':30} {'T':>1}  {'ms':>8}  {'of T x torch':>12}  {'lowest':>6}  {'highest':>7}")
    rows = []
    for shape in SHAPES:
        turns = compare(shape, arguments.batch, arguments.steps, arguments.repeats)
        label = f"{shape[0]} -> {shape[1]}, {shape[2]}, {shape[3]}"
        print(f"{label:>16}  {'torch.nn.Conv2d':30} {'':1}  {float(np.median([turn['torch'] for turn in turns])):8.2f}")
        for formula, n_terms in FORMULAS.items():
            ratios = [turn[formula] / (n_terms * turn["torch"]) for turn in turns]
            row = {
                "shape": label,
                "formula": formula,
                "n_terms": n_terms,
                "milliseconds": float(np.median([turn[formula] for turn in turns])),
                "torch_milliseconds": float(np.median([turn["torch"] for turn in turns])),
                "ratio": float(np.median(ratios)),
                "ratios": ratios,
            }
            rows.append(row)
            print(
                f"{'':16}  {formula:30} {n_terms}  {row['milliseconds']:8.2f}  {row['ratio']:12.2f}  {min(ratios):6.2f}  "
                f"{max(ratios):7.2f}{'' if row['ratio'] <= BAR else '  above the bar'}",
                flush=True,
            )
    setting = {name: value for name, value in vars(arguments).items() if name != "output"}
    write(arguments.output, {"versions": known, "bar": BAR, **setting, "steps_of_layers": rows})


if __name__ == "__main__":
    main()
