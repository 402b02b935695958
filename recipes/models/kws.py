"""DS-CNN for keyword spotting, as in the MLPerf Tiny benchmark (C. Banbury et al., 2021); without its final softmax.

input:      [1, 1, 49, 10] float32, 10 MFCCs of 49 frames of one second of speech.
output:     [1, 12] float32, one logit a word ("silence" and "unknown" are words too).
parameters: 23,756.
weights:    by seed; `weights:` takes a state_dict with these names.

Padding is TensorFlow's "same" (the odd row goes to the bottom), so that weights of the reference model fit.
"""

from seeded import mosaics, seeded
from torch import Tensor, nn

CHANNELS = 64
BLOCKS = 4
WORDS = 12
# The benchmark pools 24 x 5 out of 25 x 5 values: its last row is never used.
POOLED_ROWS = 24


class DepthwiseSeparable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS)
        self.depthwise_norm = nn.BatchNorm2d(CHANNELS)
        self.pointwise = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.pointwise_norm = nn.BatchNorm2d(CHANNELS)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.depthwise_norm(self.depthwise(x)))
        return self.relu(self.pointwise_norm(self.pointwise(x)))


class DsCnn(nn.Module):
    """[1, 49, 10] -> 64 x 25 x 5 by the first convolution, then four blocks at that size."""

    def __init__(self) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d((1, 1, 4, 5))
        self.conv = nn.Conv2d(1, CHANNELS, (10, 4), stride=2)
        self.norm = nn.BatchNorm2d(CHANNELS)
        self.relu = nn.ReLU()
        self.blocks = nn.Sequential(*(DepthwiseSeparable() for _ in range(BLOCKS)))
        self.classifier = nn.Linear(CHANNELS, WORDS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.relu(self.norm(self.conv(self.pad(x)))))
        return self.classifier(x[:, :, :POOLED_ROWS].mean((2, 3)))


ModelUnderTest = seeded(DsCnn(), mosaics(32, (1, 49, 10), seed=1), seed=0)
ModelInputs = (mosaics(1, (1, 49, 10), seed=2),)
