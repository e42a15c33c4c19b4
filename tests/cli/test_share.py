"""Options that take numbers take no others."""

from __future__ import annotations

import click
import pytest

from yolokit.cli.share import Number, Share


@pytest.mark.parametrize("kind", [Number(0.1, 1000), Number(min=0, min_open=True), Share()])
@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_what_is_no_number_is_refused(kind: Number, text: str) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)
    assert kind.convert("0.5", None, None) == 0.5
