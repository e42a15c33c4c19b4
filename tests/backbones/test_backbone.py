"""What a backbone computes, which weights it takes, what freezing means."""

from __future__ import annotations

import copy
import pickle
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import get_model

from yolokit.backbones.backbone import Backbone, build_backbone, freeze_stages
from yolokit.backbones.weight_files import read_state_dict
from yolokit.errors import ConfigError, WeightsError

HW = (64, 96)


def _build(name: str, weights: str = "none", hw: tuple[int, int] = HW) -> Backbone:
    torch.manual_seed(0)
    return build_backbone(name, weights=weights, image_hw=hw)


def _step(backbone: Backbone) -> None:
    """One step of plain gradient descent in training mode, on a random batch."""
    backbone.train()
    trained = [p for p in backbone.parameters() if p.requires_grad]
    loss = backbone(torch.randn(2, 3, *HW))[-1].square().mean()
    if trained:
        loss.backward()
        torch.optim.SGD(trained, lr=0.1).step()
        backbone.zero_grad()


def _state(modules: list[nn.Module]) -> dict[str, Tensor]:
    return {
        f"{i}.{key}": value.clone()
        for i, module in enumerate(modules)
        for key, value in module.state_dict().items()
    }


def _same(before: dict[str, Tensor], modules: list[nn.Module]) -> bool:
    after = _state(modules)
    return all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("squeezenet1_1", "features"),
        ("mobilenet_v2", "features"),
        ("resnet18", "layer4"),
        ("googlenet", "inception5b"),
        ("inception_v3", "Mixed_7c"),
    ],
)
def test_deepest_level_is_what_the_classifier_computes(
    tmp_path: Path, name: str, last: str
) -> None:
    """The oracle is torchvision's own model, watched from outside by a hook."""
    torch.manual_seed(3)
    inceptions = name in {"googlenet", "inception_v3"}
    extra = {"aux_logits": False, "init_weights": False, "transform_input": True}
    classifier = get_model(name, weights=None, **(extra if inceptions else {})).eval()
    torch.save(classifier.state_dict(), tmp_path / "weights.pth")
    seen: list[Tensor] = []
    classifier.get_submodule(last).register_forward_hook(lambda _m, _i, out: seen.append(out))
    x = torch.randn(2, 3, 128, 128)
    backbone = _build(name, str(tmp_path / "weights.pth"), (128, 128)).eval()
    with torch.no_grad():
        classifier(x)
        got = backbone.trunk(x)[-1]
    torch.testing.assert_close(got, seen[0])


def test_levels_are_never_inside_a_residual_block() -> None:
    torch.manual_seed(3)
    backbone = _build("resnet18").eval()
    x = torch.randn(1, 3, *HW)
    with torch.no_grad():
        maps = backbone(x)
        for name, index in (("layer2", 2), ("layer3", 3), ("layer4", 4)):
            assert name in backbone._stage_paths[index][-1]
        assert all((feature_map >= 0).all() for feature_map in maps)  # each ends in a ReLU


def test_unpadded_maps_are_resized_to_the_declared_cells() -> None:
    backbone = _build("inception_v3", hw=(299, 299)).eval()
    with torch.no_grad():
        raw = backbone.trunk(torch.zeros(1, 3, 299, 299))[-1]
        fitted = backbone(torch.zeros(1, 3, 299, 299))[-1]
    assert raw.shape[2:] == (8, 8) and fitted.shape[2:] == (10, 10)  # ceil(299 / 32) = 10


def test_normalisation_is_the_weights_own() -> None:
    backbone = _build("squeezenet1_1")
    assert backbone.mean == (0.485, 0.456, 0.406) and backbone.std == (0.229, 0.224, 0.225)


def test_copies_and_pickles_compute_the_same() -> None:
    """EMA copies the model, spawned workers get a pickle; both must keep modes and freezing."""
    backbone = _build("resnet18")
    freeze_stages(backbone, 1, False)
    x = torch.randn(2, 3, *HW)
    for twin in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        before = _state([m for stage in twin.stages[:-1] for m in stage])
        twin.train()
        torch.testing.assert_close(twin(x)[-1], copy.deepcopy(backbone).train()(x)[-1])
        assert _same(before, [m for stage in twin.stages[:-1] for m in stage])
        with torch.no_grad():
            twin.eval()
            assert not torch.equal(twin(x)[-1], backbone.eval()(x)[-1])  # it moved on its own


# ------------------------------------------------------------------------------------ freezing


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18", "efficientnet_b0", "convnext_tiny"])
def test_frozen_stages_stay_bitwise_the_same(name: str) -> None:
    backbone = _build(name)
    freeze_stages(backbone, 2, False)
    bottom = [m for stage in backbone.stages[:-2] for m in stage]
    top = [m for stage in backbone.stages[-2:] for m in stage]
    before_bottom, before_top = _state(bottom), _state(top)
    for _ in range(2):
        _step(backbone)
    assert _same(before_bottom, bottom)
    changed = {key for key, value in _state(top).items() if not torch.equal(value, before_top[key])}
    assert any(key.endswith("weight") for key in changed)
    if name != "convnext_tiny":  # it has no batch norm
        assert any(key.endswith("running_mean") for key in changed)


def test_wholly_frozen_backbone_never_changes_and_is_deterministic_in_training() -> None:
    backbone = _build("efficientnet_b0")  # has stochastic depth, which would be random
    freeze_stages(backbone, 0, False)
    before = _state([backbone])
    _step(backbone)
    assert _same(before, [backbone])
    backbone.train()
    x = torch.randn(2, 3, *HW)
    assert not any(p.requires_grad for p in backbone.parameters())
    assert torch.equal(backbone(x)[-1], backbone(x)[-1])


def test_stochastic_depth_and_batch_norm_follow_the_mode() -> None:
    backbone = _build("efficientnet_b0")
    x = torch.randn(2, 3, *HW)
    with torch.no_grad():
        torch.manual_seed(0)
        trained = [backbone.train()(x)[-1] for _ in range(4)]
        evaluated = [backbone.eval()(x)[-1] for _ in range(2)]
    assert any(not torch.equal(trained[0], other) for other in trained[1:])
    assert torch.equal(*evaluated)


def test_freeze_batch_norm_keeps_statistics_scale_and_shift() -> None:
    backbone = _build("resnet18")
    freeze_stages(backbone, "all", True)
    norms = {n for n, m in backbone.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    before = {key: value.detach().clone() for key, value in backbone.state_dict().items()}
    _step(backbone)
    moved = {k for k, value in backbone.state_dict().items() if not torch.equal(value, before[k])}
    assert len(norms) == 20 and moved
    assert {key.rpartition(".")[0] for key in moved} & norms == set()
    learning = {name for name, p in backbone.named_parameters() if p.requires_grad}
    assert learning == {n for n, p in backbone.named_parameters() if p.ndim > 1}


def test_without_freeze_batch_norm_all_of_it_moves() -> None:
    backbone = _build("resnet18")
    freeze_stages(backbone, "all", True)
    freeze_stages(backbone, "all", False)
    before = {key: value.detach().clone() for key, value in backbone.state_dict().items()}
    _step(backbone)
    kept = {k for k, value in backbone.state_dict().items() if torch.equal(value, before[k])}
    assert kept == set()


def test_unfreezing_later_trains_everything_again() -> None:
    backbone = _build("resnet18").train()
    freeze_stages(backbone, 0, True)
    _step(backbone)
    freeze_stages(backbone, "all", False)
    before = _state([backbone])
    _step(backbone)
    after = _state([backbone])
    assert not any(torch.equal(before[k], after[k]) for k in before if "running_mean" in k)
    assert not torch.equal(before["0.trunk.conv1.weight"], after["0.trunk.conv1.weight"])


@pytest.mark.parametrize(("asked", "trained"), [(0, 0), (1, 1), (4, 4), (99, 4), ("all", 4)])
def test_trainable_stages_counts_from_the_top(asked: Any, trained: int) -> None:
    backbone = _build("squeezenet1_1")  # four stages: strides 2, 4, 8, 16
    freeze_stages(backbone, asked, False)
    grads = [
        all(p.requires_grad for m in stage for p in m.parameters()) for stage in backbone.stages
    ]
    assert grads == [False] * (4 - trained) + [True] * trained


# ------------------------------------------------------------------------------------- weights


@pytest.fixture(scope="module")
def squeezenet() -> nn.Module:
    torch.manual_seed(5)
    model: nn.Module = get_model("squeezenet1_1", weights=None, num_classes=7)
    return model.eval()


def _save_pth(state: dict[str, Tensor], path: Path) -> None:
    torch.save(state, path)


Save = Callable[[dict[str, Tensor], Path], None]


@pytest.mark.parametrize(
    ("file_name", "save"),
    [
        ("plain.pth", _save_pth),
        ("wrapped.pth", lambda state, path: torch.save({"state_dict": state, "epoch": 3}, path)),
        ("model.pth", lambda state, path: torch.save({"model": state}, path)),
        ("features.safetensors", safetensors.torch.save_file),
        (
            "bare.pth",  # without the classifier
            lambda state, path: torch.save(
                {k: v for k, v in state.items() if k.startswith("features")}, path
            ),
        ),
    ],
)
def test_local_weights_are_loaded(
    squeezenet: nn.Module, tmp_path: Path, file_name: str, save: Save
) -> None:
    save(squeezenet.state_dict(), tmp_path / file_name)
    backbone = _build("squeezenet1_1", str(tmp_path / file_name)).eval()
    x = torch.randn(1, 3, *HW)
    with torch.no_grad():
        torch.testing.assert_close(backbone.trunk(x)[-1], squeezenet.get_submodule("features")(x))


def _drop(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v for k, v in state.items() if not k.startswith("features.0.")}


def _add(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "neck.weight": torch.zeros(1)}


def _reshape(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "features.0.bias": torch.zeros(9)}


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_drop, r"2 missing \(features.0.weight, features.0.bias\)"),
        (_add, r"1 unexpected \(neck.weight\)"),
        (_reshape, r"1 of another shape \(features.0.bias \[9\] instead of \[64\]\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    squeezenet: nn.Module,
    tmp_path: Path,
    spoil: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    expected: str,
) -> None:
    path = tmp_path / "spoilt.pth"
    torch.save(spoil(dict(squeezenet.state_dict())), path)
    with pytest.raises(WeightsError, match=expected) as caught:
        _build("squeezenet1_1", str(path))
    assert "\n" not in str(caught.value)


class _Bomb:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("exploded"),))


def test_a_file_with_code_in_it_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": _Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(WeightsError, match="cannot read weights"):
        read_state_dict(tmp_path / "bomb.pth")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["junk.pth", "junk.safetensors"])
def test_damaged_and_missing_files_are_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match="no weights file"):
        read_state_dict(tmp_path / name)
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(WeightsError, match="cannot read weights") as caught:
        read_state_dict(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        read_state_dict(tmp_path / "list.pth")


def test_old_densenet_names_are_understood(tmp_path: Path) -> None:
    old = "features.denseblock1.denselayer1.norm.1.weight"
    torch.save({old: torch.zeros(1), "features.norm0.weight": torch.ones(1)}, tmp_path / "d.pth")
    assert set(read_state_dict(tmp_path / "d.pth")) == {
        "features.denseblock1.denselayer1.norm1.weight",
        "features.norm0.weight",
    }


def test_imagenet_weights_come_from_torch_hubs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(8)
    state = get_model("squeezenet1_1", weights=None).state_dict()
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    url = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.url
    torch.save(state, folder / url.rsplit("/", 1)[-1])
    backbone = _build("squeezenet1_1", "imagenet")
    assert torch.equal(backbone.state_dict()["trunk.features.0.weight"], state["features.0.weight"])


def test_imagenet_weights_that_cannot_be_had_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # the discard port: nobody answers
    with pytest.raises(WeightsError) as caught:
        _build("squeezenet1_1", "imagenet")
    message = str(caught.value)
    url = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.url
    for part in (url.rsplit("/", 1)[-1], str(tmp_path), "-o model.backbone.weights=FILE"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["mobilenet_v2", "squeezenet1_1"])
def test_real_weights_fit(real_root: Path, name: str) -> None:
    path = real_root / "weights" / f"{name}_imagenet.pth"
    backbone = _build(name, str(path))
    state = torch.load(path, weights_only=True)
    mine = backbone.trunk.state_dict()
    assert all(torch.equal(mine[key], state[key]) for key in mine if key in state)
    assert len(mine.keys() - state.keys()) == 0


# -------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mobilenetv2", "nearest: mobilenet_v2"),
        ("vit_b_16", "no feature maps"),
        ("swin_t", "no feature maps"),
        ("fcn_resnet50", "unknown backbone"),
    ],
)
def test_names_that_cannot_serve(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        _build(name)
    assert "\n" not in str(caught.value)


def test_an_input_too_small_is_refused() -> None:
    with pytest.raises(ConfigError, match="inception_v3 cannot see 48x48 px"):
        _build("inception_v3", hw=(48, 48))


def test_regnet_is_an_alias() -> None:
    alias, full = _build("regnet"), _build("regnet_y_400mf")
    assert alias.levels == full.levels
    assert alias.state_dict().keys() == full.state_dict().keys()


# --------------------------------------------------------------------------------------- timm


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050", "convnext_atto"])
def test_timm_models_train_and_freeze(name: str) -> None:
    pytest.importorskip("timm")
    backbone = _build(f"timm:{name}")
    assert backbone.levels[-1].stride == 32
    for feature_map, level in zip(
        backbone.eval()(torch.zeros(1, 3, *HW)), backbone.levels, strict=True
    ):
        assert list(feature_map.shape) == [1, level.channels, *(s // level.stride for s in HW)]
    freeze_stages(backbone, 1, False)
    bottom = [m for stage in backbone.stages[:-1] for m in stage]
    before, top_before = _state(bottom), _state(backbone.stages[-1])
    _step(backbone)
    assert _same(before, bottom) and not _same(top_before, backbone.stages[-1])


def test_timm_weights_from_a_file(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(4)
    model = timm.create_model("mobilenetv3_small_050", num_classes=5).eval()
    safetensors.torch.save_file(model.state_dict(), tmp_path / "w.safetensors")
    backbone = _build("timm:mobilenetv3_small_050", str(tmp_path / "w.safetensors")).eval()
    x = torch.randn(1, 3, *HW)
    with torch.no_grad():
        expected = model.forward_intermediates(x, intermediates_only=True)[-1]
        torch.testing.assert_close(backbone(x)[-1], expected)
    with pytest.raises(WeightsError, match="does not fit this backbone"):
        _build("timm:resnet18", str(tmp_path / "w.safetensors"))


@pytest.fixture
def deaf_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the process asked of the network, which answers nothing."""
    asked: list[str] = []

    class Deaf(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline().decode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Deaf) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for name in ("https_proxy", "http_proxy", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_address[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield asked
        server.shutdown()
        thread.join()


def test_timm_weights_that_cannot_be_had_are_asked_for_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    deaf_proxy: list[str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("timm")
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"-o model\.backbone\.weights=FILE") as caught:
        _build("timm:tf_efficientnet_lite0", "imagenet")
    assert "\n" not in str(caught.value) and capfd.readouterr() == ("", "")
    assert len(deaf_proxy) == 1


def test_timm_weights_in_the_hubs_cache_need_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaf_proxy: list[str]
) -> None:
    timm = pytest.importorskip("timm")
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    torch.manual_seed(4)
    state = timm.create_model("mobilenetv3_small_050").state_dict()
    preset = timm.get_pretrained_cfg("mobilenetv3_small_050")
    repository = tmp_path / f"models--{preset.hf_hub_id.replace('/', '--')}"
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123")
    safetensors.torch.save_file(state, snapshot / "model.safetensors")
    backbone = _build("timm:mobilenetv3_small_050", "imagenet")
    assert torch.equal(backbone.trunk.state_dict()["conv_stem.weight"], state["conv_stem.weight"])
    assert deaf_proxy == []


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "mobilenetv4_conv_small"])
def test_layers_that_timm_has_no_use_for_are_no_news(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(4)
    model = timm.create_model(name).eval()
    torch.save(model.state_dict(), tmp_path / "w.pth")
    backbone = _build(f"timm:{name}", str(tmp_path / "w.pth")).eval()
    assert capfd.readouterr() == ("", "")
    x = torch.randn(1, 3, *HW)
    with torch.no_grad():
        expected = model.forward_intermediates(x, intermediates_only=True)
        torch.testing.assert_close(backbone(x)[-2], expected[-2])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:resnot18", "timm has no model 'resnot18', nearest: resnet"),
        ("timm:vit_tiny_patch16_224", "no feature maps"),
        ("timm:swin_tiny_patch4_window7_224", "no feature maps"),
    ],
)
def test_timm_names_that_cannot_serve(name: str, message: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(ConfigError, match=message):
        _build(name)


def test_without_timm_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        __import__("sys").modules, "timm", None
    )  # what a missing package looks like
    with pytest.raises(ConfigError, match=r"pip install timm$"):
        _build("timm:resnet18")
