"""Errors that a person can read.

Every error the engine raises on purpose derives from :class:`ExplorerError`. Its message is one clear
sentence that says what is wrong and what to do; pages and the command line show it as it is.
"""


class ExplorerError(Exception):
    """Base of all errors whose message may be shown to a person."""


class ImageError(ExplorerError):
    """The picture cannot be read or is not usable."""


class ModelError(ExplorerError):
    """The network is unknown, cannot be built, or cannot answer."""


class WeightsError(ModelError):
    """The weights are missing, damaged, or do not belong to the network."""


class LayerError(ExplorerError):
    """The layer does not exist or cannot be explained."""


class QuestionError(ExplorerError):
    """The question cannot be asked: unknown method, foil or option."""


class DataError(ExplorerError):
    """A data set, fixation file or table cannot be used."""


class BundleError(ExplorerError):
    """A bundle that someone saved cannot be opened."""
