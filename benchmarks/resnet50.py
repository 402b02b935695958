"""ResNet-50 on small images, for tflite.py: beside the modules of tests/e2e/architectures, from which it is built."""

import torch
from classifiers import Add, Classifier, conv
from settled import Made, image, settled
from torch import nn

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))


def resnet50() -> Made:
    torch.manual_seed(0)
    layers: list[nn.Module] = [conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    last = 64
    for channels, count, stride in STAGES:
        for index in range(count):
            step = stride if index == 0 else 1
            narrow, wide = conv(last, channels, 1), conv(channels, 4 * channels, 1, act=nn.Identity)
            skip = conv(last, 4 * channels, 1, step, act=nn.Identity) if index == 0 else None
            layers.append(Add(nn.Sequential(narrow, conv(channels, channels, 3, step), wide), skip, nn.ReLU()))
            last = 4 * channels
    return settled(Classifier(nn.Sequential(*layers), last), image(1, 3, 64, 64))
