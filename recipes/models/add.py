"""The sum of two tensors: the smallest model that reaches an NPU. From Arm's learning path for the Ethos-U65.

inputs: two of [1, 1, 1, 1] float32.
output: [1, 1, 1, 1] float32.
"""

import torch
from torch import Tensor, nn


class SimpleAdd(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


ModelUnderTest = SimpleAdd().eval()
ModelInputs = (torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1))
