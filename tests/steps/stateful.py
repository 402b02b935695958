"""Models that keep state, and a project with eight steps of one sequence for each."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import numpy as np
from project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.hardware.target import Target

# Each: the body of a module's __init__, its forward.
ROWS = (
    'self.linear = torch.nn.Linear(4, 4); self.register_buffer("rows", torch.ones(1, 8, 4))',
    """
    self.rows[:, position] = self.linear(x)
    return torch.relu(self.rows * 2.0)
    """,
)
ATTENTION = (
    """
    self.query, self.key, self.value = (torch.nn.Linear(4, 4) for _ in range(3))
    self.register_buffer("keys", torch.zeros(1, 8, 4), persistent=False)
    self.register_buffer("values", torch.zeros(1, 8, 4), persistent=False)
    """,
    """
    self.keys.index_copy_(1, position, self.key(x))
    self.values.index_copy_(1, position, self.value(x))
    return torch.softmax(self.query(x) @ self.keys.transpose(1, 2) * 0.5, -1) @ self.values
    """,
)
# Integers of the model's own, and no float cache at all.
QUANTISED = (
    """
    self.query, self.key, self.value = (torch.nn.Linear(4, 4) for _ in range(3))
    self.register_buffer("keys", torch.zeros(1, 8, 4, dtype=torch.int8))
    self.register_buffer("values", torch.zeros(1, 8, 4, dtype=torch.int8))
    """,
    """
    self.keys[:, position] = torch.clamp(torch.round(self.key(x) * 32), -128, 127).to(torch.int8)
    self.values[:, position] = torch.clamp(torch.round(self.value(x) * 32), -128, 127).to(torch.int8)
    keys, values = self.keys.to(torch.float32) / 32, self.values.to(torch.float32) / 32
    return torch.softmax(self.query(x) @ keys.transpose(1, 2) * 0.5, -1) @ values
    """,
)
# A state that is read before it is written, and a counter of 64 bits.
RECURRENT = (
    """
    self.of_input, self.of_state = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
    self.register_buffer("h", torch.full((1, 1, 4), 0.5))
    self.register_buffer("calls", torch.full((1,), 7))
    """,
    """
    self.calls += 1
    self.h = torch.tanh(self.of_input(x) + self.of_state(self.h))
    return self.h * 0.5, self.calls + position
    """,
)
# Slices, read before and after they are written.
SHIFTED = (
    'self.linear = torch.nn.Linear(4, 4); self.register_buffer("window", torch.ones(1, 8, 4))',
    """
    before = self.window.sum(1)
    self.window[:, :7] = self.window[:, 1:].clone()
    self.window[:, 7:] = self.linear(x)
    return before * 0.5 + self.window
    """,
)
# The Ethos-U55 cannot upsample by 3: the state lies between two delegates, and both compute with it.
BETWEEN = (
    """
    self.first, self.last = torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.Conv2d(4, 2, 3)
    self.up = torch.nn.Upsample(scale_factor=3, mode="nearest")
    self.register_buffer("mean", torch.zeros(1, 4, 12, 12))
    """,
    """
    image = x.reshape(1, 1, 1, 4).expand(1, 2, 4, 4)
    self.mean = self.mean * 0.5 + self.up(torch.relu(self.first(image)))
    return self.last(self.mean)
    """,
)
# The next token, of 64 bits, and which positions have been seen.
TOKEN = (
    """
    self.tokens, self.head = torch.nn.Embedding(8, 4), torch.nn.Linear(4, 8)
    self.register_buffer("token", torch.ones(1, dtype=torch.int64))
    self.register_buffer("mask", torch.full((1, 8), -4.0))
    """,
    """
    self.mask.index_copy_(1, position, torch.zeros(1, 1))
    scores = self.head(self.tokens(self.token) + x[0]) + self.mask
    self.token.copy_(scores.argmax(-1))
    return scores, self.token
    """,
)
STEPS = 8


def source(model: tuple[str, str]) -> str:
    built, forward = (dedent(part).strip().splitlines() for part in model)
    lines = ["import torch", "class Model(torch.nn.Module):", " def __init__(self):", "  super().__init__()"]
    lines += [f"  {line}" for line in built] + [" def forward(self, x, position):"] + [f"  {line}" for line in forward]
    lines += ["with torch.random.fork_rng(devices=[]):", " torch.manual_seed(0)", " ModelUnderTest = Model().eval()"]
    return "\n".join([*lines, " ModelInputs = (torch.randn(1, 1, 4), torch.tensor([0]))", ""])


def project_of(folder: Path, model: tuple[str, str], target: Target, scheme: str = "int8") -> Project:
    """A recipe with eight steps of one sequence, for calibration and as test vectors."""
    made = Project(folder)
    made.write("recipes/model.py", source(model))
    calibration = ", calibration: {data: steps.npz}" if scheme != "none" else ""
    made.write(
        "recipes/r.yaml",
        f"""
        model: {{source: model.py}}
        quantize: {{scheme: {scheme}{calibration}}}
        vectors: {{data: steps.npz}}
        targets: [{{npu: {target.npu}}}]
        runtime: {{board: qemu-mps3-an547{", npu: emulator" if target.npu != "none" else ""}}}
        run: {{on: qemu}}
        """,
    )
    write_steps(folder / "recipes/steps.npz")
    return made


def write_steps(path: Path) -> None:
    x = np.random.default_rng(0).normal(0, 1, (STEPS, 1, 1, 4)).astype(np.float32)
    np.savez(path, input_0=x, input_1=np.arange(STEPS, dtype=np.int64)[:, None])
