"""A small classifier of handwritten digits; the network of Arm's learning path "Deploy ExecuTorch on Alif Ensemble E8".

input:      [1, 1, 28, 28] float32, ink 0..1 (paper is 0).
output:     [1, 10] float32, one logit a digit.
parameters: 105,866. The learning path prints 56,474, which is not the count of the code that it shows:
            its first linear layer alone (1568 -> 64) has 100,416. The code is what is built here.
weights:    mnist.safetensors, made by train_mnist.py; random by seed without them.
"""

import torch
from torch import Tensor, nn


class Mnist(nn.Module):
    """Convolutions of 16 and 32 channels, each halved by max pooling, then linear layers of 64 and 10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=3, padding=1)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, padding=1)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(32 * 7 * 7, 64)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        x = x.view(x.size(0), -1)
        return self.fc2(self.relu3(self.fc1(x)))


with torch.random.fork_rng(devices=[]):
    torch.manual_seed(0)
    ModelUnderTest = Mnist().eval()
    ModelInputs = (torch.rand(1, 1, 28, 28),)
