"""What is done with one photo of a fixation data set: maps of networks, methods and layers, each scored."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.distortions.plain import blur
from engine.engine import LARGEST_INPUT, SMALLEST_INPUT, Engine
from engine.errors import DataError, QuestionError
from engine.evaluation.datasets import DataSet
from engine.fixations import Pool, density
from engine.human import Finished, smooth
from engine.images import Photo, decode
from engine.layers import deepest, find
from engine.map_files import check_all, maps_in, read_map_file
from engine.maps import WHOLE, Extent, Map
from engine.methods import Method, method
from engine.models.model import Model
from engine.models.weights import write_atomically
from engine.render import enlarge
from engine.scores import Truth
from engine.trace import Trace

CENTRE_BIAS = "centre-bias"
OWN_MAP = "own-map"
INPUT = "input"
DEFAULT, PRINCIPAL = "default", "principal"
WORKER_MEMORY = 128 * 2**20

Values = NDArray[np.float32]


@dataclass(frozen=True, order=True)
class Case:
    """One row of the table: a network's map by a method at a layer, smoothed, on the photo blurred."""

    model: str
    method: str
    layer: str
    smooth: float = 0.0
    blur: float = 0.0

    @property
    def key(self) -> str:
        """The case as one text, for journals."""
        return "|".join((self.model, self.method, self.layer, f"{self.smooth:g}", f"{self.blur:g}"))

    @classmethod
    def of(cls, key: str) -> Case:
        """The case of a key."""
        model, named, layer, smooth, blurred = key.split("|")
        return cls(model, named, layer, float(smooth), float(blurred))


@dataclass(frozen=True)
class Asked:
    """A method with options as it is written on the command line: ``contrastive-saliency:activation=no``."""

    text: str
    method: Method
    options: Mapping[str, Any] = field(hash=False)

    @classmethod
    def parse(cls, text: str) -> Asked:
        """Raises QuestionError for an unknown method, option or value."""
        name, *settings = text.strip().split(":")
        found = method(name)
        choices = {option.name: option.choices for option in found.options}
        given: dict[str, Any] = {}
        for setting in settings:
            key, _, word = setting.partition("=")
            # A value is written as it is or in its words: activation=False, activation=no.
            values = {str(value): value for value in choices.get(key, {})}
            values |= {words: value for value, words in choices.get(key, {}).items()}
            given[key] = values.get(word, word)
        return cls(text.strip(), found, found.complete(given))


@dataclass(frozen=True)
class Settings:
    """All that the results depend on, beside the data set."""

    models: tuple[str, ...] = ("embedded",)
    methods: tuple[str, ...] = ("contrastive-saliency", "gradcam", "guided-backprop", "features")
    layers: tuple[str, ...] = (DEFAULT,)
    blur: tuple[float, ...] = (0.0,)
    smooth: tuple[float, ...] = (0.0,)
    size: int | None = None
    weights: str = "default"


@dataclass(frozen=True)
class OwnMaps:
    """Maps of another model that a person brings, as files: those of the photos blurred by `blur` pixels.

    `files` maps a photo's name to its map.
    """

    name: str
    blur: float
    folder: Path
    files: Mapping[str, Path] = field(repr=False)

    @classmethod
    def parse(cls, text: str, photos: Sequence[str]) -> OwnMaps:
        """``NAME=DIR``, or ``NAME@RADIUS=DIR`` for maps of blurred photos.

        Raises:
            QuestionError: it is not written so.
            DataError: the folder's maps do not belong to the `photos`; see ``maps_in``.
        """
        named, equals, folder = text.partition("=")
        name, at, radius = (part.strip() for part in named.partition("@"))
        try:
            blurred = float(radius) if at else 0.0
        except ValueError:
            blurred = -1.0
        if not (name and equals and folder) or set(name) & set("|,") or len(name) > 40 or not 0 <= blurred < 1000:
            raise QuestionError(f"The maps {text} have no clear name; write NAME=DIR, or NAME@RADIUS=DIR.")
        return cls(name, blurred, Path(folder), maps_in(Path(folder), photos))

    def check(self, photos: Sequence[str]) -> None:
        """Raise a DataError with the first names where photos lack their map."""
        check_all(self.files, photos, self.folder)

    @property
    def digest(self) -> str:
        """SHA-256 over the names and contents of all maps."""
        digest = hashlib.sha256()
        for photo, path in self.files.items():
            digest.update(f"{photo}|".encode() + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


@dataclass(frozen=True)
class Preparation:
    """Makes the work in a worker: loads the networks. Picklable."""

    data: DataSet
    settings: Settings
    maps: Path | None = None
    own: tuple[OwnMaps, ...] = ()

    def __call__(self) -> SaliencyWork:
        """Load the networks. Raises ModelError, WeightsError; QuestionError for a size that no network takes."""
        size = self.settings.size
        if size is not None and not SMALLEST_INPUT <= size <= LARGEST_INPUT:
            raise QuestionError(f"The input size must be {SMALLEST_INPUT} to {LARGEST_INPUT} pixels, and is {size}.")
        engine = Engine(memory_limit=WORKER_MEMORY)
        models = {name: engine.load(name, self.settings.weights) for name in self.settings.models}
        return SaliencyWork(self.data, self.settings, engine, models, self.maps, self.own)


@dataclass(frozen=True)
class SaliencyWork:
    """The work itself; see :mod:`engine.evaluation.runner`."""

    data: DataSet
    settings: Settings
    engine: Engine
    models: Mapping[str, Model]
    maps: Path | None = None
    own: tuple[OwnMaps, ...] = ()

    @cached_property
    def asked(self) -> list[Asked]:
        """The methods with their options."""
        return [Asked.parse(text) for text in self.settings.methods]

    def identity(self) -> dict[str, Any]:
        """What must agree for results to belong together, as plain JSON. Raises for what cannot be run."""
        layers = {
            name: {asked.text: self.layers(model, asked) for asked in self.asked} for name, model in self.models.items()
        }
        return {
            "data": self.data.digest,
            "models": {name: model.key for name, model in self.models.items()},
            "methods": {asked.text: {"id": asked.method.id, **asked.options} for asked in self.asked},
            "layers": layers,
            "blur": list(self.settings.blur),
            "smooth": list(self.settings.smooth),
            "size": self.settings.size,
        } | ({"own": {f"{one.name}@{one.blur:g}": one.digest for one in self.own}} if self.own else {})

    @cached_property
    def _pool(self) -> Pool:
        return Pool.of([self.data.fixations[name] for name in self.data.names])

    def layers(self, model: Model, asked: Asked) -> list[str]:
        """The layers at which a method is read, several joined by + being averaged; LayerError for unknown ones."""
        if asked.method.grid == "input":
            return [INPUT]
        known = model.layers(self.settings.size)
        names: list[str] = []
        for wanted in self.settings.layers:
            if wanted == DEFAULT:
                names.append(self.engine.default_layer(model, asked.method.id, self.settings.size))
            elif wanted == PRINCIPAL:
                names.extend(layer.name for layer in known if layer.principal)
            else:
                names.append("+".join(find(known, part).name for part in _parts(wanted)))
        return list(dict.fromkeys(names))

    def __call__(self, name: str) -> dict[str, dict[str, float | None]]:
        """The scores of every case by its key; None where a score is not defined."""
        photo = self.data.photo(name)
        if photo.size != self.data.fixations[name].size:
            raise DataError(f"The photo {photo.name} changed its size since its fixations were read.")
        truth, baseline = self._truth(name)
        found = {} if baseline is None else {Case("", CENTRE_BIAS, ""): truth.scores(baseline)}
        kept: dict[str, Values] = {}
        for radius in self.settings.blur:
            shown = photo if radius == 0 else photo_of(blur(photo.pixels, radius))
            for case, values, extent in chain(self._maps(shown, radius), self._own_maps(name, photo.size, radius)):
                kept[case.key] = values
                for degrees in self.settings.smooth:
                    large = smoothed(values, photo.size, degrees * self.data.degree(name), extent)
                    found[replace(case, smooth=degrees)] = truth.scores(large)
        if self.maps is not None:
            _save(self.maps / f"{name.replace('/', '_')}.npz", kept)
        return {case.key: {k: _plain(v) for k, v in scores.items()} for case, scores in found.items()}

    def _maps(self, photo: Photo, radius: float) -> Iterator[tuple[Case, Values, Extent]]:
        """Every map (h, w) >= 0 of one photo, as it is shown: the positive part; and what it covers of the photo."""
        for model_name, model in self.models.items():
            places = {asked.text: self.layers(model, asked) for asked in self.asked}
            trace = self.engine.trace(model, photo, self.settings.size, self._deep_enough(model, places.values()))
            for asked in self.asked:
                maps = self._of_layers(trace, asked, places[asked.text])
                for layer in places[asked.text]:
                    yield Case(model_name, asked.text, layer, 0.0, radius), *_joined([maps[n] for n in _parts(layer)])

    def _deep_enough(self, model: Model, places: Iterable[Sequence[str]]) -> list[str]:
        """The layers from the shallowest that is asked about on: no pass needs a graph before it."""
        wanted = {part for layers in places for layer in layers for part in _parts(layer)}
        known = model.layers(self.settings.size)
        first = min((at for at, layer in enumerate(known) if layer.name in wanted), default=len(known))
        later = [layer.name for layer in known[first:] if layer.principal or layer.name in wanted]
        return later or [deepest(known).name]

    def _of_layers(self, trace: Trace, asked: Asked, places: Sequence[str]) -> dict[str, Map]:
        """The maps of one method by layer, all together, which costs one run backwards where they are linear."""
        if asked.method.grid == "input":
            return {INPUT: self.engine.explain(trace, asked.method.id, **asked.options)}
        names = list(dict.fromkeys(part for layer in places for part in _parts(layer)))
        return self.engine.explain_layers(trace, asked.method.id, layers=names, **asked.options)

    def _own_maps(self, name: str, size: tuple[int, int], radius: float) -> Iterator[tuple[Case, Values, Extent]]:
        """The maps that were brought for one photo blurred by `radius`."""
        for one in self.own:
            if one.blur == radius:
                yield Case(one.name, OWN_MAP, "", 0.0, radius), read_map_file(one.files[name], size), WHOLE

    def _truth(self, name: str) -> tuple[Truth, np.ndarray | None]:
        """What the photo's maps are scored against, and the centre bias: the density of all other photos."""
        own, sigma = self.data.fixations[name], self.data.degree(name)
        others = self._pool.without(self.data.names.index(name), own.size)
        baseline = density(others, sigma) if len(others) else None
        return Truth(own.x, own.y, density(own, sigma), baseline, others.x, others.y), baseline


def _parts(layer: str) -> list[str]:
    """The layers that are averaged where several are joined by +."""
    return layer.split("+")


def _joined(maps: Sequence[Map]) -> tuple[Values, Extent]:
    """The positive part of one map; of several the mean on the finest grid, each over its own mean."""
    if len(maps) == 1:
        return maps[0].positive, maps[0].extent
    height, width = (max(m.values.shape[axis] for m in maps) for axis in (0, 1))
    means = [enlarge(m.positive / (m.positive.mean() or 1.0), width, height, m.extent) for m in maps]
    return np.mean(means, axis=0, dtype=np.float32), WHOLE


def smoothed(values: Values, size: tuple[int, int], sigma: float, extent: Extent = WHOLE) -> Values:
    """A map (h, w) enlarged to a photo of the given width and height and blurred by ``sigma`` of its pixels."""
    found = smooth(Finished(values, extent), size, sigma)
    return enlarge(found.values, *size, found.extent)


def photo_of(pixels: np.ndarray) -> Photo:
    """A photo of pixels uint8 (H, W, 3) at their own size."""
    return decode(Image.fromarray(pixels), max_side=max(pixels.shape))


def _plain(value: float) -> float | None:
    """A number for JSON, to nine digits: far below what a score means, above what is kept."""
    return float(f"{value:.9g}") if np.isfinite(value) else None


def _save(path: Path, maps: Mapping[str, Values]) -> None:
    """Write whole or not at all: a reader, or a run that resumes, never meets half a file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **maps)  # type: ignore[arg-type]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise QuestionError(f"The maps cannot be written to {path.parent.name}; is the disk full?") from error
