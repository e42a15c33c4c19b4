"""The layouts a data folder may have, and what is said where it has none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolokit.data.locate import locate_splits, unread_note
from yolokit.errors import DataError
from yolokit.sections import SplitConfig


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize(
    ("stem", "pictures"),
    [
        ("instances_train", "images/train"),
        ("instances_train", "train"),
        ("instances_train", "images"),
        ("instances_train", "train2017"),
        ("instances_train2017", "train2017"),
        ("instances_train2017", "images/train2017"),
        ("instances_train2017", "images/train"),
        ("instances_train_v2", "images/train"),
    ],
)
def test_coco_layout(tmp_path: Path, stem: str, pictures: str) -> None:
    touch(tmp_path, f"annotations/{stem}.json", f"{pictures}/a.jpg")
    splits = locate_splits(tmp_path)
    assert list(splits) == ["train"]
    assert splits["train"].images == tmp_path / pictures
    assert splits["train"].annotations == tmp_path / "annotations" / f"{stem}.json"


def test_each_split_prefers_its_own_folder(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        touch(tmp_path, f"annotations/instances_{split}.json", f"images/{split}/a.jpg")
    touch(tmp_path, "annotations/instances_trainval.json", "annotations/person_keypoints.json")
    splits = locate_splits(str(tmp_path))
    assert list(splits) == ["train", "val", "test"]
    assert [each.images.name for each in splits.values()] == ["train", "val", "test"]


def test_files_of_no_split_are_named(tmp_path: Path) -> None:
    for subset in ("Train", "Val", "night"):
        touch(tmp_path, f"annotations/instances_{subset}.json", f"images/{subset}/a.jpg")
    assert list(locate_splits(tmp_path)) == ["train", "val"]
    assert unread_note(tmp_path) == (
        f"instances_night.json in {tmp_path / 'annotations'}: of no split by name and not read. To "
        "use them, say in a data.yaml which files are train, val and test"
    )
    (tmp_path / "annotations/instances_night.json").unlink()
    assert unread_note(tmp_path) is None


@pytest.mark.parametrize("name", ["val", "valid"])
def test_annotations_beside_the_pictures(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "train/_annotations.coco.json", f"{name}/_annotations.coco.json")
    splits = locate_splits(tmp_path)
    assert list(splits) == ["train", "val"]
    assert splits["val"].images == tmp_path / name
    assert splits["val"].annotations == tmp_path / name / "_annotations.coco.json"


@pytest.mark.parametrize("give_folder", [True, False])
def test_data_yaml_is_relative_to_itself(tmp_path: Path, give_folder: bool) -> None:
    path = tmp_path / "data.yaml"
    path.write_text(
        "train: {images: pictures, annotations: a.json}\n"
        "valid: {images: /elsewhere, annotations: ../b.json}\n"
    )
    splits = locate_splits(tmp_path if give_folder else path)
    assert list(splits) == ["train", "val"]
    assert splits["train"].images == tmp_path / "pictures"
    assert splits["train"].annotations == tmp_path / "a.json"
    assert splits["val"].images == Path("/elsewhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no split"),
        ("- a", "names no split"),
        ("train: [", "cannot read"),
        ("names: [cat]", "names no split"),
        ("path: ../pets\ntrain: images/train", "no list of class names"),
        ("names: [cat]\ntrain: 3\nval: a", "train in .* must be a path or a list of paths, got 3"),
        ("names: {cat: 0}\ntrain: a", "names in .* must be a list, or numbers from 0"),
        ("names: [cat]\ntrain: https://host/set.zip", "is an address: https://host/set.zip"),
        ("path: 3\nnames: [cat]\ntrain: a", "path in .* must be a folder, got 3"),
        ("names: [cat]\nval: a\nvalidation: b", "both val and validation"),
        ("pictures: a", "unknown key 'pictures'"),
        ("train: ../train/images", "no list of class names"),
        ("train: {images: a, annotations: b}\ntrain: {images: c, annotations: d}", "stands twice"),
        (3000 * "[", "nested too deep"),
        ("train: {images: a}", "must be {images: FOLDER, annotations: FILE.json}"),
        ("train: {images: a, annotations: 3}", "must be"),
        (
            "val: {images: a, annotations: b}\nvalid: {images: a, annotations: b}",
            "both val and valid",
        ),
    ],
)
def test_a_wrong_data_yaml_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "data.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        locate_splits(path)
    assert "\n" not in str(caught.value)


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data at"):
        locate_splits(tmp_path / "gone")
    with pytest.raises(DataError, match="no known data layout"):
        locate_splits(tmp_path)
    touch(tmp_path, "annotations/instances_val.json")
    with pytest.raises(DataError, match=r"no pictures for .*instances_val.json.*images/val"):
        locate_splits(tmp_path)
    touch(tmp_path, "val/a.jpg", "annotations/instances_val2017.json")
    with pytest.raises(DataError, match="two annotation files for val"):
        locate_splits(tmp_path)


def test_two_validation_folders_are_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "val/_annotations.coco.json", "valid/_annotations.coco.json")
    with pytest.raises(DataError, match="both val and valid"):
        locate_splits(tmp_path)


def test_subsets_as_cvat_names_them(tmp_path: Path) -> None:
    for subset in ("Train", "Validation"):
        touch(tmp_path, f"annotations/instances_{subset}.json", f"images/{subset}/a.jpg")
    splits = locate_splits(tmp_path)
    assert {name: each.images.name for name, each in splits.items()} == {
        "train": "Train",
        "val": "Validation",
    }


@pytest.mark.parametrize(
    ("file", "picture", "name", "images"),
    [
        ("result.json", "images/a.jpg", "images\\\\a.jpg", "."),
        ("result.json", "images/1234abcd-a.jpg", "/data/upload/3/1234abcd-a.jpg", "images"),
        ("labels.json", "data/a.jpg", "a.jpg", "data"),
        ("annotations/instances_default.json", "images/default/a.jpg", "a.jpg", "images/default"),
        ("annotations/instances_yard.json", "images/yard/a.jpg", "a.jpg", "images/yard"),
    ],
)
def test_one_coco_file_is_an_unsplit_set(
    tmp_path: Path, file: str, picture: str, name: str, images: str
) -> None:
    touch(tmp_path, picture, file)
    (tmp_path / file).write_text(f'{{"info": 1, "images": [{{"id": 1, "file_name": "{name}"}}]')
    wanted = {"all": SplitConfig(images=tmp_path / images, annotations=tmp_path / file)}
    assert locate_splits(tmp_path) == wanted
    assert locate_splits(tmp_path / file) == wanted


def test_subsets_that_tell_no_split_are_named_with_the_lines_that_use_them(tmp_path: Path) -> None:
    for name in ("kitchen", "yard"):
        touch(tmp_path, f"images/{name}.jpg")
        file = tmp_path / "annotations" / f"instances_{name}.json"
        touch(tmp_path, f"annotations/{file.name}")
        file.write_text(f'{{"images": [{{"file_name": "{name}.jpg"}}]')
    with pytest.raises(DataError, match=r"whose splits the names do not tell. Write") as caught:
        locate_splits(tmp_path)
    assert "`train: {images: images, annotations: annotations/instances_kitchen.json}`" in str(
        caught.value
    )


@pytest.mark.parametrize("stated", ["../gone", "/content/datasets/pets", "C:\\sets\\pets"])
def test_a_set_that_was_moved_is_found_beside_its_data_yaml(tmp_path: Path, stated: str) -> None:
    touch(tmp_path, "images/train/a.jpg")
    path = tmp_path / "pets.yaml"  # the one YAML file there
    path.write_text(f"path: {stated}\nnames: [cat]\ntrain: images/train\n")
    splits = locate_splits(tmp_path)
    assert splits["train"].images == tmp_path / "images/train"
    assert splits["train"].annotations == path


@pytest.mark.parametrize("stated", ["pets", ".", "sets/pets"])
def test_a_stated_path_is_the_data_yamls_own_or_from_above(tmp_path: Path, stated: str) -> None:
    root = tmp_path / "sets" / "pets"
    touch(root, "images/train/a.jpg")
    (root / "data.yaml").write_text(f"path: {stated}\nnames: [cat]\ntrain: images/train\n")
    found = locate_splits(root)["train"].images
    assert found.resolve() == root / "images/train"


def test_a_json_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("[]")
    with pytest.raises(DataError, match="is not a COCO annotation file"):
        locate_splits(tmp_path / "rows.json")


@pytest.mark.parametrize(
    ("name", "text", "tool"),
    [
        ("annotations.xml", '<?xml version="1.0"?>\n<annotations><image/></annotations>', "CVAT's"),
        ("a.json", '\ufeff{"version": "5.4", "shapes": [], "imagePath": "a.jpg"}', "LabelMe's"),
        ("export.json", '[{"id": 1, "annotations": [], "data": {"image": "a"}}]', "Label Studio's"),
    ],
)
def test_a_tools_own_format_is_named_with_what_to_export(
    name: str, text: str, tool: str, tmp_path: Path
) -> None:
    touch(tmp_path, "a.jpg")
    (tmp_path / name).write_text(text, encoding="utf-8")
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(
            DataError, match=f"{name}.* It is {tool}.* Export it from there as COCO"
        ):
            locate_splits(path)
