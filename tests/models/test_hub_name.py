"""How a model on the hub is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolokit.errors import HubError
from yolokit.models.hub_name import HubName, hub_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hf:ann/fish", HubName("ann/fish", None, None)),
        ("hf://ann/fish", HubName("ann/fish", None, None)),
        ("hf:ann/fish@v1.0", HubName("ann/fish", "v1.0", None)),
        ("hf:ann/fish@refs%2Fpr%2F1", HubName("ann/fish", "refs/pr/1", None)),
        ("hf:ann/fish/model.onnx", HubName("ann/fish", None, "model.onnx")),
        ("hf:ann/fish@v1/small/model.xml", HubName("ann/fish", "v1", "small/model.xml")),
        ("runs/fish", None),
        ("torchvision:fcos_resnet50_fpn", None),
    ],
)
def test_a_name_is_read(text: str, name: HubName | None) -> None:
    assert hub_name(text) == name
    assert hub_name(Path(text)) == name  # a path has no double slash


@pytest.mark.parametrize(
    "text", ["hf:", "hf:fish", "hf:ann/", "hf:ann/fish@", "hf:a b/c", "hf:/@x"]
)
def test_what_names_no_model_is_refused(text: str) -> None:
    with pytest.raises(HubError, match=r"names no model on the hub\. Give hf:USER/NAME"):
        hub_name(text)
