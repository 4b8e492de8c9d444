"""The embedded network's architecture: the ResNet-18 of He et al. 2016, as torchvision builds it.

Written out so that the app can start without torchvision, whose import takes longer than everything else before the
first map. The names of layers and parameters are torchvision's, and so are the seeded random weights.
"""

from torch import Tensor, nn

PIXEL_BYTES = 3040
"""What a pass and its gradients take for a pixel of the input, at most: `engine.capture.footprint` of it, told
beforehand, since a pass on PyTorch's meta device imports half of torch's compiler."""


CENTRES = dict.fromkeys(("relu", "layer1", "layer2", "layer3", "layer4"), (0.5, 0.5))
"""Centre (x, y) of a layer's first cell, where the input's sides are multiples of 32; see `engine.geometry.origin`."""


def resnet18(classes: int, random: bool = True) -> nn.Module:
    """(1, 3, H, W) -> logits (1, `classes`); with `random` weights, or with some that are still to be filled."""
    network = ResNet18(classes)
    if random:
        convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
        for part in convolutions:
            nn.Conv2d.reset_parameters(part)  # they are drawn twice, as torchvision's are, so as to be the same
        nn.Linear.reset_parameters(network.fc)
        for part in convolutions:
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
    return network


class Unfilled:
    """Leaves a layer's weights as they are when it is made: random ones take as long as reading those of a file."""

    def reset_parameters(self) -> None:
        """Leave them."""


class Convolution(Unfilled, nn.Conv2d):
    """A convolution that keeps the size, without bias."""

    def __init__(self, before: int, channels: int, side: int, stride: int = 1):
        super().__init__(before, channels, side, stride, side // 2, bias=False)


class Classifier(Unfilled, nn.Linear):
    """A linear layer."""


class Block(nn.Module):
    """Two 3 x 3 convolutions, and what came in added to what comes out of them."""

    def __init__(self, before: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = Convolution(before, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = Convolution(channels, channels, 3)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = _shortcut(before, channels, stride) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += shortcut
        return self.relu(out)


class ResNet18(nn.Module):
    """Four stages of two blocks each, global average pooling, and a linear classifier."""

    def __init__(self, classes: int):
        super().__init__()
        self.conv1 = Convolution(3, 64, 7, 2)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Block(64, 64, 1), Block(64, 64, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 2), Block(256, 256, 1))
        self.layer4 = nn.Sequential(Block(256, 512, 2), Block(512, 512, 1))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = Classifier(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _shortcut(before: int, channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(Convolution(before, channels, 1, stride), nn.BatchNorm2d(channels))
