"""What ``auto`` becomes."""

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from yolokit.config import Config
from yolokit.config_file import dump_config, validate_config
from yolokit.engine.recipe import resolve
from yolokit.errors import ConfigError
from yolokit.sections import (
    ResolvedAugment,
    ResolvedBackbone,
    ResolvedData,
    ResolvedTrain,
    Section,
)


def config(**train: object) -> Config:
    return validate_config({"train": train}, "test")


def resolved(settings: Config, *, train_images: int, **others: Any) -> Config:
    """The config for so many square pictures."""
    return resolve(settings, train_sizes=np.full((train_images, 2), 320), **others)


def test_small_sets_make_small_batches() -> None:
    assert resolved(config(), train_images=6, val_images=2).train.batch_size == 6
    shared = resolved(config(), train_images=7, val_images=2, world_size=2)
    assert shared.train.batch_size == 6


def test_short_runs_make_small_batches_and_learn_the_top_of_the_backbone() -> None:
    short = resolved(config(time_budget="10m"), train_images=200, val_images=50)
    assert short.train.batch_size == 8
    assert short.model.backbone.trainable_stages == 3
    long = resolved(config(epochs=200), train_images=1000, val_images=50)
    assert long.train.batch_size == 16
    assert long.model.backbone.trainable_stages == "all"
    on_gpu = resolved(config(epochs=100), train_images=9000, val_images=50, accelerator="cuda")
    assert on_gpu.train.batch_size == 64


def test_a_fixed_recipe_is_the_same_for_every_set() -> None:
    few, many = (
        resolved(config(recipe="fixed", epochs=10), train_images=images, val_images=10)
        for images in (100, 100_000)
    )
    assert few.model == many.model and few.augment == many.augment
    same = {"batch_size", "lr", "weight_decay", "start_size", "warmup"}
    assert few.train.model_dump(include=same) == many.train.model_dump(include=same)


def test_a_long_run_warms_up_for_a_thousand_steps_at_most() -> None:
    long = resolved(config(epochs=300), train_images=100_000, val_images=0)
    steps = 300 * 100_000 / 16
    assert long.train.warmup == pytest.approx(1000 / steps)
    assert resolved(config(epochs=10), train_images=100, val_images=0).train.warmup == 0.05


@pytest.mark.parametrize(("recipe", "at_16"), [("fixed", 1e-3), ("adaptive", 3e-3)])
def test_rate_follows_the_root_of_the_batch(recipe: str, at_16: float) -> None:
    wanted = config(recipe=recipe, batch_size=4, accumulate=2)
    chosen = resolved(wanted, train_images=100, val_images=0)
    assert chosen.train.lr == pytest.approx(at_16 * math.sqrt(8 / 16))


@pytest.mark.parametrize(
    "section", [ResolvedAugment, ResolvedBackbone, ResolvedData, ResolvedTrain]
)
def test_nothing_is_left_to_choose_in_a_resolved_section(section: type[Section]) -> None:
    chosen = resolved(config(), train_images=100, val_images=0)
    (part,) = (
        each
        for each in (chosen.augment, chosen.model.backbone, chosen.data, chosen.train)
        if type(each) is section
    )
    fields = section.__bases__[0].model_fields
    autos = [key for key, field in fields.items() if field.default == "auto"]
    assert autos
    for key in autos:
        with pytest.raises(ValidationError):
            section.model_validate({**part.model_dump(), key: "auto"})


def test_what_is_given_is_kept() -> None:
    settled = resolved(config(batch_size=3, lr=0.5), train_images=100, val_images=100)
    assert (settled.train.batch_size, settled.train.lr) == (3, 0.5)
    assert "auto" not in dump_config(settled)
    on_gpu = resolved(settled, train_images=9000, val_images=0, accelerator="cuda")
    assert on_gpu == settled


def test_validation_takes_about_a_tenth_of_the_time_and_comes_often_enough() -> None:
    def every(val_images: int, **train: object) -> int:
        chosen = resolved(config(**train), train_images=100, val_images=val_images)
        assert isinstance(chosen.train.validate_every, int)
        return chosen.train.validate_every

    assert every(10, time_budget=6000) == 1
    assert every(100, time_budget=6000) == 7  # as many pictures to validate as to train on
    assert every(100, time_budget=600) == 4  # about 49 passes
    assert every(1000, epochs=30) == 3
    assert every(1000, epochs=10) == every(1000, time_budget=60) == 1


def test_loading_has_processes_of_its_own_beside_an_accelerator_only() -> None:
    assert resolved(config(), train_images=100, val_images=0).train.workers == 0
    on_gpu = resolved(config(), train_images=100, val_images=0, accelerator="cuda")
    assert isinstance(on_gpu.train.workers, int)
    assert 1 <= on_gpu.train.workers <= 8


@pytest.mark.parametrize(("batch_size", "world_size"), [(101, 1), (5, 2)])
def test_impossible_batches_name_the_key(batch_size: int, world_size: int) -> None:
    with pytest.raises(ConfigError, match=r"train\.batch_size"):
        resolved(
            config(batch_size=batch_size),
            train_images=100,
            val_images=0,
            world_size=world_size,
        )


@pytest.mark.parametrize(
    ("memory", "epochs", "expected"),
    [(10**9, 10, "ram"), (10**8, 10, "none"), (None, 10, "none"), (10**9, 1, "none")],
)
def test_pictures_are_kept_where_memory_is_ample_and_they_come_again(
    monkeypatch: pytest.MonkeyPatch, memory: int | None, epochs: int, expected: str
) -> None:
    monkeypatch.setattr("yolokit.engine.recipe.usable_memory", lambda: memory)
    wanted = validate_config({"data": {"image_size": 320}, "train": {"epochs": epochs}}, "test")
    few = 400  # 123 MB
    assert resolved(wanted, train_images=few, val_images=100).data.cache == expected


def test_each_process_keeps_pictures_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yolokit.engine.recipe.usable_memory", lambda: 10**9)
    wanted = validate_config({"data": {"image_size": 320}}, "test")
    for world_size, expected in ((1, "ram"), (2, "ram"), (4, "none")):
        chosen = resolved(wanted, train_images=400, val_images=0, world_size=world_size)
        assert chosen.data.cache == expected
