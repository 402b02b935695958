"""A network with operators of its own between two parts that an NPU computes."""

import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.last = torch.nn.Conv2d(8, 2, 1)

    def forward(self, x):
        x = torch.ops.own.soft_clip(self.first(x), 0.75)
        return self.last(torch.cat(torch.ops.own.split_sign(x), 1))


torch.manual_seed(0)
ModelUnderTest = Net()
ModelInputs = (torch.randn(1, 1, 6, 6),)
