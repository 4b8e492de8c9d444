"""Expectancy Explorer's engine: why did a vision network answer P, rather than Q?

>>> from engine import Engine
>>> engine = Engine()
>>> model = engine.load("embedded")
>>> trace = engine.trace(model, "photo.jpg")        # one forward pass
>>> trace.answer.top(5)                             # [(index, name, probability), ...]
>>> engine.explain(trace, "contrast", foil=3).values  # float32 (h, w), signed

One forward pass is kept for a photo; every later question costs at most the gradients not yet taken.
The package knows nothing of the browser.
"""

import os

# Without this, two torch threads beside another busy process spin and wait for each other: a forward
# pass of a ResNet-18 was seen to take 320 to 950 ms instead of 43 ms. It must be set before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from engine.engine import Engine
from engine.errors import ExplorerError
from engine.maps import Map
from engine.methods import METHODS, Method, method
from engine.models.model import Model
from engine.trace import Answer, Trace

__all__ = ["METHODS", "Answer", "Engine", "ExplorerError", "Map", "Method", "Model", "Trace", "method"]
