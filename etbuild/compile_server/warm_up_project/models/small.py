"""A little of what small networks are made of, for the compile server to practise on.

input:  [1, 3, 8, 8] float32.
output: [1, 4] float32, probabilities.
"""

import torch
from torch import Tensor, nn


class Small(nn.Module):  # type: ignore[misc]  # PyTorch is not there when types are checked
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.deep = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.pool = nn.MaxPool2d(2)
        self.last = nn.Linear(8 * 4 * 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.first(x)))
        x = self.pool(x + torch.relu(self.deep(x)))
        return torch.softmax(self.last(x.flatten(1)), dim=1)


torch.manual_seed(0)
ModelUnderTest = Small().eval()
ModelInputs = (torch.randn(1, 3, 8, 8),)
