"""MobileNetV2 at width 1.0, from "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (M. Sandler et al., 2018).

input:      [1, 3, 224, 224] float32, an RGB image normalised per channel, about -3..3.
output:     [1, 1000] float32, one logit a class of ImageNet.
parameters: 3,504,872; 300.8 million multiply-accumulates.
weights:    by seed. Modules are named as torchvision's, so `weights:` takes a state_dict of its mobilenet_v2.
"""

from seeded import mosaics, seeded
from torch import Tensor, nn

# Table 2 of the paper: expansion, output channels, repetitions, stride of the first.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
FIRST_CHANNELS = 32
LAST_CHANNELS = 1280
CLASSES = 1000


def conv_norm_relu6(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter each channel by 3x3, project by 1x1 without activation; a shortcut where shapes allow."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.use_res_connect = stride == 1 and channels_in == channels_out
        hidden = channels_in * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(conv_norm_relu6(channels_in, hidden, 1))
        layers.append(conv_norm_relu6(hidden, hidden, 3, stride, groups=hidden))
        layers.append(nn.Conv2d(hidden, channels_out, 1, bias=False))
        layers.append(nn.BatchNorm2d(channels_out))
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_norm_relu6(3, FIRST_CHANNELS, 3, stride=2)]
        channels = FIRST_CHANNELS
        for expansion, channels_out, repetitions, stride in STAGES:
            for repetition in range(repetitions):
                layers.append(InvertedResidual(channels, channels_out, stride if repetition == 0 else 1, expansion))
                channels = channels_out
        layers.append(conv_norm_relu6(channels, LAST_CHANNELS, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(LAST_CHANNELS, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), 1)
        return self.classifier(x.flatten(1))


ModelUnderTest = seeded(MobileNetV2(), mosaics(4, (3, 224, 224), seed=1), seed=0)
ModelInputs = (mosaics(1, (3, 224, 224), seed=2),)
