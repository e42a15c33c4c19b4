"""Models pushed to a hub on this machine and fetched again, through the real library."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from exported_files import write_onnx, write_openvino
from hub_place import NOBODY, hub_at_home, point_at
from hub_server import Hub

import yolokit
from yolokit.errors import DataError, HubError
from yolokit.models import model_file
from yolokit.models.model_file import load_model, save_model


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with hub_at_home(tmp_path / "home") as hub:
        yield hub


@pytest.fixture
def scored(tiny_model: Path, tmp_path: Path) -> Path:
    """The tiny model with a score, and a class whose name is Markdown."""
    detector, card = load_model(tiny_model)
    update = {"metrics": {"epoch": 3, "AP": 0.41234, "AP50": 0.7}, "class_names": ["red", "a`<b>"]}
    path = tmp_path / "scored/model.safetensors"
    save_model(path, detector, card.model_copy(update=update))
    return path


def front_matter(readme: bytes) -> dict[str, object]:
    _, head, _ = readme.decode().split("---\n", 2)
    tree = yaml.safe_load(head)
    assert isinstance(tree, dict)
    return tree


def test_a_pushed_model_comes_back_bit_for_bit(
    hub: Hub, scored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = yolokit.load(scored).push_to_hub("ann/fish", license="apache-2.0", private=True)
    assert capsys.readouterr() == ("", "")  # a bar is for who watches
    assert url == f"{hub.url}/ann/fish"
    files = hub.files("ann/fish")
    assert files["model.safetensors"] == scored.read_bytes()
    assert hub.repos["ann/fish"].private
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    ours, theirs = (yolokit.load(each) for each in (scored, "hf:ann/fish"))
    (one,), (other,) = (each.predict([picture], conf=0.0) for each in (ours, theirs))
    assert np.array_equal(one.scores, other.scores) and np.array_equal(one.boxes, other.boxes)


def test_the_page_says_what_the_card_says(hub: Hub, scored: Path) -> None:
    model = yolokit.load(scored)
    model.push_to_hub("ann/fish", license="cc-by-4.0", dataset="ann/pond")
    readme = hub.files("ann/fish")["README.md"]
    head = front_matter(readme)
    assert head["library_name"] == "yolokit" and head["pipeline_tag"] == "object-detection"
    assert head["license"] == "cc-by-4.0" and head["datasets"] == ["ann/pond"]
    (entry,) = head["model-index"]  # type: ignore[misc, attr-defined]
    assert entry["name"] == "fish"
    (result,) = entry["results"]
    assert result["task"] == {"type": "object-detection"}
    assert result["dataset"]["type"] == "ann/pond"
    values = {each["name"][:4].strip(): each["value"] for each in result["metrics"]}
    assert values == {"AP (": 0.4123, "AP50": 0.7}
    text = readme.decode()
    assert 'yolokit.load("hf:ann/fish")' in text and "0. `red`" in text and "1. `a'<b>`" in text


def test_a_page_that_somebody_wrote_keeps_its_text(hub: Hub, scored: Path) -> None:
    mine = b"---\nlicense: mit\nlanguage: en\n---\n# Mine\nby hand\n"
    hub.add("ann/fish", {"README.md": mine, "photo.jpg": b"1"})
    yolokit.load(scored).push_to_hub("ann/fish", license="apache-2.0")
    files = hub.files("ann/fish")
    assert files["README.md"].decode().endswith("# Mine\nby hand\n") and files["photo.jpg"] == b"1"
    head = front_matter(files["README.md"])
    assert (head["license"], head["language"]) == ("apache-2.0", "en")
    assert head["library_name"] == "yolokit" and head["model-index"]


def test_pushed_again_the_page_says_what_the_new_model_is(
    hub: Hub, scored: Path, tiny_model: Path
) -> None:
    """The tiny model has no score and other classes: nothing of the first one's is left."""
    yolokit.load(scored).push_to_hub("ann/fish", license="apache-2.0")
    first = hub.files("ann/fish")["README.md"].decode()
    assert "| 0.412 |" in first and "Licence: apache-2.0." in first
    written = first.replace("library_name:", "language: en\nlibrary_name:") + "\nby hand\n"
    written = written.replace("# fish\n", "# fish\nof our pond\n")
    written = written.replace("- yolokit\n", "- yolokit\n- pond\n- onnx\n")
    hub.repos["ann/fish"].commit({"README.md": written.encode()})
    second = yolokit.load(tiny_model)
    second.push_to_hub("ann/fish", license="mit")
    readme = hub.files("ann/fish")["README.md"]
    head, text = front_matter(readme), readme.decode()
    assert "model-index" not in head and "metrics" not in head
    assert (head["license"], head["language"]) == ("mit", "en")
    tags = head["tags"]
    assert isinstance(tags, list) and "pond" in tags and "onnx" not in tags
    assert len(tags) == len(set(tags))
    assert "0.412" not in text and "`a'<b>`" not in text and "Licence: mit." in text
    assert f"0. `{second.class_names[0]}`" in text
    assert "# fish\nof our pond\n" in text and text.endswith("by hand\n")


def test_a_page_whose_head_is_no_yaml_is_told_and_stays(hub: Hub, scored: Path) -> None:
    mine = b"---\nlicense: mit: yes\n---\n# Mine\n"
    hub.add("ann/fish", {"README.md": mine})
    with pytest.raises(HubError, match=r"README\.md of hf:ann/fish cannot be read \(mapping"):
        yolokit.load(scored).push_to_hub("ann/fish", license="mit")
    assert hub.files("ann/fish") == {"README.md": mine}


def test_a_folder_that_others_use_meanwhile_is_left_to_them(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    saving = model_file.save_model

    def late(*arguments: Any) -> None:
        saving(*arguments)
        (folder / "file").write_text("theirs")

    monkeypatch.setattr(model_file, "save_model", late)
    with pytest.raises(DataError, match="is not an empty folder"):
        yolokit.load(scored).save_pretrained(folder)
    assert [each.name for each in folder.iterdir()] == ["file"]


def test_an_exported_model_is_pushed_as_it_is(hub: Hub, tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "any.onnx")
    yolokit.load(path).push_to_hub("ann/fish", license="mit")
    assert hub.files("ann/fish")["model.onnx"] == path.read_bytes()
    assert "onnx" in front_matter(hub.files("ann/fish")["README.md"])["tags"]  # type: ignore[operator]
    page = hub.files("ann/fish")["README.md"].decode()  # a model.safetensors may lie beside it
    assert "# fish\n" in page and 'yolokit.load("hf:ann/fish/model.onnx")' in page
    again = yolokit.load("hf:ann/fish/model.onnx")
    again.push_to_hub("ann/copy", license="mit")
    assert hub.files("ann/copy")["model.onnx"] == path.read_bytes()


def test_an_openvino_model_is_two_files(hub: Hub, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed (extra openvino)")
    folder = tmp_path / "net"
    write_openvino(folder)
    model = yolokit.load(folder)
    model.push_to_hub("ann/fish", license="mit")
    assert set(hub.files("ann/fish")) == {".gitattributes", "README.md", "model.bin", "model.xml"}
    assert yolokit.load("hf:ann/fish").class_names == model.class_names


def test_a_branch_can_be_pushed_to(hub: Hub, scored: Path) -> None:
    hub.add("ann/fish", {"notes.txt": b"main"})
    yolokit.load(scored).push_to_hub("ann/fish", license="mit", revision="small")
    assert set(hub.files("ann/fish")) == {"notes.txt"}
    branch = hub.files("ann/fish", "small")
    assert "model.safetensors" in branch
    page = branch["README.md"].decode()
    assert "# fish\n" in page and "yolokit detect hf:ann/fish@small photo.jpg" in page
    assert yolokit.load("hf:ann/fish@small").class_names[0] == "red"


def test_the_licence_is_asked_for(hub: Hub, scored: Path) -> None:
    model = yolokit.load(scored)
    with pytest.raises(
        HubError, match=r"under which licence is hf:ann/fish shared\? Give license="
    ):
        model.push_to_hub("ann/fish")
    with pytest.raises(HubError, match=r'does not take hf:ann/fish .*"license" must be one of'):
        model.push_to_hub("ann/fish", license="licence-of-nobody")
    assert hub.repos.get("ann/fish") is None or "model.safetensors" not in hub.files("ann/fish")


def test_nothing_private_is_pushed_where_all_can_see_it(hub: Hub, scored: Path) -> None:
    hub.add("ann/fish", {"README.md": b""})
    with pytest.raises(HubError, match="hf:ann/fish is public already, nothing was pushed"):
        yolokit.load(scored).push_to_hub("ann/fish", license="mit", private=True)
    assert set(hub.files("ann/fish")) == {"README.md"}


def test_who_is_not_logged_in_or_has_no_network_is_told(
    tmp_path: Path, scored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = yolokit.load(scored)
    refused = pytest.raises(HubError, match="hf auth login, or set HF_TOKEN")
    with hub_at_home(tmp_path / "home", token=None), refused:
        model.push_to_hub("ann/fish", license="mit")
    point_at(monkeypatch, NOBODY, tmp_path / "home")
    with pytest.raises(HubError, match="the hub cannot be asked"):
        model.push_to_hub("ann/fish", license="mit")
    with pytest.raises(HubError, match="names no model on the hub"):
        model.push_to_hub("fish", license="mit")


def test_a_folder_holds_the_same_and_needs_no_network(scored: Path, tmp_path: Path) -> None:
    model = yolokit.load(scored)
    folder = model.save_pretrained(tmp_path / "shared")
    assert sorted(each.name for each in folder.iterdir()) == ["README.md", "model.safetensors"]
    assert yolokit.load(folder).class_names == model.class_names
    assert 'yolokit.load("shared")' in (folder / "README.md").read_text()
    assert "license" not in front_matter((folder / "README.md").read_bytes())
    with pytest.raises(DataError, match="is not an empty folder"):
        model.save_pretrained(folder)
    onnx = yolokit.load(write_onnx(tmp_path / "any.onnx"))
    onnx.save_pretrained(tmp_path / "exported", license="mit")
    assert yolokit.load(tmp_path / "exported/model.onnx").class_names == onnx.class_names


def test_without_the_package_it_says_what_to_install(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = yolokit.load(scored)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(HubError, match=r"push_to_hub needs\. pip install huggingface_hub"):
        model.push_to_hub("ann/fish", license="mit")
