"""The teacher: MobileNetV2 1.0/224 (Sandler 2018) with TensorFlow's SAME padding and BatchNorm folded in.

Its weights come as a safetensors file with the keys ``features.{0,18}.{weight,bias}``,
``features.{i}.{expand,depthwise,project}.{weight,bias}`` and ``classifier.{weight,bias}``, in torchvision's
class order. It serves for training only and is never shipped.
"""

from __future__ import annotations

import re
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from engine.errors import WeightsError

SIZE = 224
GRID = 7
CHANNELS = 1280

# Expansion, channels, blocks, stride of the first block: Sandler 2018, table 2.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


# The first and last layers are a convolution and its activation here, one tensor name in the file.
_ENDS = re.compile(r"^features\.(0|18)\.")


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME does: the odd pixel goes to the bottom and to the right."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.Conv2d's own name for it)
        """Map (N, C, H, W) to (N, K, ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        rows, columns = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in input.shape[-2:])
        if rows == columns and rows % 2 == 0:  # symmetric: the convolution pads by itself, without a copy
            return F.conv2d(input, self.weight, self.bias, stride, rows // 2, 1, self.groups)
        padding = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return super().forward(F.pad(input, padding))


class InvertedResidual(nn.Module):
    """Expand, filter by channel, project; added to the input where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = SameConv(inputs, hidden, 1) if expansion > 1 else None
        self.depthwise = SameConv(hidden, hidden, 3, stride, groups=hidden)
        self.project = SameConv(hidden, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, h, w) to (N, K, h / stride, w / stride)."""
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class Teacher(nn.Module):
    """MobileNetV2: images (N, 3, H, W) in -1..1 to logits (N, 1000)."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        blocks: list[nn.Module] = [nn.Sequential(SameConv(3, 32, 3, 2), nn.ReLU6())]
        channels = 32
        for expansion, outputs, count, stride in _STAGES:
            for i in range(count):
                blocks.append(InvertedResidual(channels, outputs, stride if i == 0 else 1, expansion))
                channels = outputs
        blocks.append(nn.Sequential(SameConv(channels, CHANNELS, 1), nn.ReLU6()))
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Linear(CHANNELS, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of images in -1..1."""
        return self.classifier(self.features(x).mean((2, 3)))


def load_teacher(path: str | Path) -> Teacher:
    """Build the teacher from its safetensors file, in evaluation mode and float32.

    Raises WeightsError where the file is missing, damaged or of another network.
    """
    try:
        tensors = load_file(str(path))
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"The teacher's weights cannot be read from {path}: {error}.") from error
    state = {_ENDS.sub(r"features.\1.0.", name): tensor.float() for name, tensor in tensors.items()}
    try:
        teacher = Teacher(len(state["classifier.weight"]))
        teacher.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"{path} does not hold the weights of the MobileNetV2 teacher.") from error
    return teacher.eval().requires_grad_(False)


def normalise(pixels: Tensor) -> Tensor:
    """Bring uint8 pixels (N, 3, H, W) to the teacher's range -1..1."""
    return pixels.float() / 127.5 - 1
