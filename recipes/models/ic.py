"""ResNet-8 for image classification, as in the MLPerf Tiny benchmark (C. Banbury et al., 2021).

input:      [1, 3, 32, 32] float32, an RGB image.
output:     [1, 10] float32, one logit a class of CIFAR-10; without the benchmark's final softmax.
parameters: 78,186.
weights:    by seed; `weights:` takes a state_dict with these names.

Padding is TensorFlow's "same" (with stride 2 only below and right), so that weights of the reference model fit.
"""

from seeded import mosaics, seeded
from torch import Tensor, nn

CHANNELS = (16, 32, 64)
CLASSES = 10


def conv3x3(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    pad = nn.ZeroPad2d((0, 1, 0, 1)) if stride == 2 else nn.ZeroPad2d(1)
    return nn.Sequential(pad, nn.Conv2d(channels_in, channels_out, 3, stride), nn.BatchNorm2d(channels_out))


class Residual(nn.Module):
    """Two convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        stride = 1 if channels_in == channels_out else 2
        self.first = conv3x3(channels_in, channels_out, stride)
        self.second = conv3x3(channels_out, channels_out)
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(channels_in, channels_out, 1, stride)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(self.relu(self.first(x)))
        return self.relu(y + self.shortcut(x))


class ResNet8(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        first, second, third = CHANNELS
        self.stem = nn.Sequential(conv3x3(3, first), nn.ReLU())
        self.stages = nn.Sequential(Residual(first, first), Residual(first, second), Residual(second, third))
        self.pool = nn.AvgPool2d(8, stride=1)
        self.classifier = nn.Linear(third, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.pool(self.stages(self.stem(x))).flatten(1))


ModelUnderTest = seeded(ResNet8(), mosaics(32, (3, 32, 32), seed=1), seed=0)
ModelInputs = (mosaics(1, (3, 32, 32), seed=2),)
