"""MobileNetV1 at width 0.25 for visual wake words, as in the MLPerf Tiny benchmark (C. Banbury et al., 2021).

input:      [1, 3, 96, 96] float32, an RGB image.
output:     [1, 2] float32, logits of "no person" and "person"; without the benchmark's final softmax.
parameters: 216,322.
weights:    by seed; `weights:` takes a state_dict with these names.

Padding is TensorFlow's "same" (with stride 2 only below and right), so that weights of the reference model fit.
"""

from seeded import mosaics, seeded
from torch import Tensor, nn

FIRST_CHANNELS = 8
# Output channels and stride of each depthwise separable block: table 1 of MobileNetV1, a quarter as wide.
BLOCKS = (
    (16, 1),
    (32, 2),
    (32, 1),
    (64, 2),
    (64, 1),
    (128, 2),
    (128, 1),
    (128, 1),
    (128, 1),
    (128, 1),
    (128, 1),
    (256, 2),
    (256, 1),
)
CLASSES = 2


def conv_norm_relu(channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    border = kernel // 2
    pad = nn.ZeroPad2d((0, border, 0, border)) if stride == 2 else nn.Identity()
    padding = 0 if stride == 2 else border
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, groups=groups)
    return nn.Sequential(pad, conv, nn.BatchNorm2d(channels_out), nn.ReLU())


class MobileNetV1(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers = [conv_norm_relu(3, FIRST_CHANNELS, 3, stride=2)]
        channels = FIRST_CHANNELS
        for channels_out, stride in BLOCKS:
            layers.append(conv_norm_relu(channels, channels, 3, stride, groups=channels))
            layers.append(conv_norm_relu(channels, channels_out, 1))
            channels = channels_out
        self.features = nn.Sequential(*layers)
        self.pool = nn.AvgPool2d(3)
        self.classifier = nn.Linear(channels, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.pool(self.features(x)).flatten(1))


ModelUnderTest = seeded(MobileNetV1(), mosaics(16, (3, 96, 96), seed=1), seed=0)
ModelInputs = (mosaics(1, (3, 96, 96), seed=2),)
