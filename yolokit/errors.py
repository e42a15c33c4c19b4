"""The errors a user can cause; each message says what is wrong, where, and what to do."""

from __future__ import annotations


class YolokitError(Exception):
    """An expected failure: the command line prints it as one line and exits with 1."""


class ConfigError(YolokitError):
    """A configuration that cannot be used: unknown key, wrong type, impossible combination."""


class DataError(YolokitError):
    """A data set that cannot be used: missing file, malformed JSON, too many bad boxes."""


class ImageError(DataError):
    """A picture that cannot be read: missing, truncated, not an image."""


class WeightsError(YolokitError):
    """Weights that cannot be loaded: absent, wrong architecture, damaged."""


class HubError(WeightsError):
    """A model that cannot be fetched from the Hugging Face hub, or pushed to it."""


class SourceError(YolokitError):
    """A video, stream or camera that cannot be opened or read."""


class ExportError(YolokitError):
    """A model that cannot be exported, or an export that is not what the model is."""
