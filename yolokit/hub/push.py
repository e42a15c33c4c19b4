"""Sharing a model: its files and a page about it, in a folder or on the Hugging Face hub."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from yolokit._version import __version__
from yolokit.errors import HubError
from yolokit.files import put_in_unused, require_unused_folder, scratch_beside
from yolokit.hub.readme import OWN_TAGS, hub_data, readme_text, renewed, title_of
from yolokit.inference.backend import Backend, Card
from yolokit.models.card import ModelCard
from yolokit.models.export_record import OPENVINO_MODEL, exported_file
from yolokit.models.hub_errors import brief, explained, require_hub
from yolokit.models.hub_files import bars_if_watched, local_model
from yolokit.models.hub_name import PREFIX, hub_name

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub import ModelCard as Page

_README = "README.md"
_SCORED = ("eval_results", "metrics")  # of the model that was there before, if not of this one
_PATIENCE = 10.0  # seconds for the hub to answer a question
_LICENCES = "apache-2.0, mit, cc-by-4.0, cc-by-nc-4.0, other, …"


@dataclass(frozen=True, slots=True)
class Shared:
    """A model to be shared.

    Args:
        backend: of the loaded model.
        given: its card.
        path: what it was loaded from; None where that is not known.
        license: as the hub names it, or None.
        dataset: on the hub, that it was trained on, or None.
    """

    backend: Backend
    given: Card
    path: Path | None
    license: str | None
    dataset: str | None

    @property
    def card(self) -> ModelCard:
        """What the model file says of itself.

        Raises:
            HubError: it is torchvision's own.
        """
        if not isinstance(self.given, ModelCard):
            raise HubError(
                "torchvision's own detectors are not ours to share. Train a model of your own"
            )
        return self.given


def save_shared(shared: Shared, folder: Path) -> Path:
    """See ``Model.save_pretrained``."""
    require_hub("a README.md with the hub's terms")
    require_unused_folder(folder)
    shared.card  # noqa: B018 - refuses what cannot be shared, before anything is made
    with scratch_beside(folder) as scratch:
        whole = scratch / folder.name
        whole.mkdir()
        file = _write_model(shared, whole)
        _write_readme(shared, whole, where=folder.absolute().name, file=file, old=None)
        put_in_unused(whole, folder)
    return folder


def push(
    shared: Shared, repo: str, *, private: bool | None, revision: str | None, token: str | None
) -> str:
    """See ``Model.push_to_hub``."""
    name = hub_name(f"{PREFIX}{repo.removeprefix(PREFIX)}")
    assert name is not None
    if name.revision or name.path:
        raise HubError(f"a model is pushed to USER/NAME, got {repo}. Give revision= for a branch")
    if shared.license is None:
        raise HubError(
            f'under which licence is {name} shared? Give license="…": {_LICENCES}; pictures and '
            "first weights that it learnt from may decide"
        )
    shared.card  # noqa: B018
    require_hub("push_to_hub")
    with explained(str(name)), bars_if_watched(), tempfile.TemporaryDirectory() as scratch:
        from huggingface_hub import HfApi

        api = HfApi(
            endpoint=os.environ.get("HF_ENDPOINT") or None,
            token=token,
            library_name="yolokit",
            library_version=__version__,
        )
        folder = Path(scratch, "new")
        folder.mkdir()
        _make_repo(api, name.repo, private)
        if revision is not None:
            api.create_branch(name.repo, branch=revision, exist_ok=True)
        file = _write_model(shared, folder)
        old = _old_readme(api, name.repo, revision, Path(scratch, "old"))
        _write_readme(
            shared, folder, where=str(name._replace(revision=revision)), file=file, old=old
        )
        done = api.upload_folder(
            repo_id=name.repo,
            folder_path=folder,
            revision=revision,
            commit_message=f"Push {file} with yolokit {__version__}",
        )
        return str(done.repo_url)


def _make_repo(api: HfApi, repo: str, private: bool | None) -> None:
    """Make it where it is not there.

    Raises:
        HubError: it is there, seen by others than is asked for.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    try:  # asked first, for this question has a deadline
        is_private = bool(api.model_info(repo, timeout=_PATIENCE).private)
    except RepositoryNotFoundError:
        api.create_repo(repo, private=private, exist_ok=True)
        return
    if private is not None and is_private != private:
        raise HubError(
            f"{PREFIX}{repo} is {'private' if is_private else 'public'} already, nothing was "
            "pushed. Change that in its settings first, or give another name"
        )


def _old_readme(api: HfApi, repo: str, revision: str | None, folder: Path) -> Path | None:
    """The page that is there, whose text somebody may have written; None where there is none."""
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(api.hf_hub_download(repo, _README, revision=revision, local_dir=folder))
    except EntryNotFoundError:
        return None


def _write_model(shared: Shared, folder: Path) -> str:
    """Put the model's files into a folder; the name of what is loaded of them."""
    export = shared.card.export
    if export is None:
        from yolokit.inference.torch_backend import TorchBackend
        from yolokit.models.model_file import save_model
        from yolokit.models.model_path import MODEL_NAME

        assert isinstance(shared.backend, TorchBackend)
        save_model(folder / MODEL_NAME, shared.backend.detector, shared.card)
        return MODEL_NAME
    found = None if shared.path is None else exported_file(local_model(shared.path))
    if found is None:
        raise HubError("the files of this exported model are not known. Load it from them")
    if export.format == "onnx":
        shutil.copyfile(found[1], folder / "model.onnx")
        return "model.onnx"
    shutil.copyfile(found[1], folder / OPENVINO_MODEL)
    shutil.copyfile(found[1].with_suffix(".bin"), (folder / OPENVINO_MODEL).with_suffix(".bin"))
    return OPENVINO_MODEL


def _write_readme(shared: Shared, folder: Path, *, where: str, file: str, old: Path | None) -> None:
    """Write the page; what others wrote into an old one stays, the rest becomes the model's."""
    from huggingface_hub import ModelCard as Page

    data = hub_data(shared.card, title_of(where), shared.license, shared.dataset)
    text = readme_text(shared.card, where, file, shared.license)
    if old is None:
        page = Page(f"---\n{data.to_yaml()}\n---\n\n{text}")
    else:
        page = _read_page(old, where)
        page.text = renewed(page.text, text)
        found = getattr(page.data, "tags", None) or ()
        data.tags = [*(data.tags or ()), *(tag for tag in found if tag not in OWN_TAGS)]
        for key, value in vars(data).items():
            if value is not None or key in _SCORED:
                setattr(page.data, key, value)
    page.save(folder / _README)


def _read_page(path: Path, where: str) -> Page:
    from huggingface_hub import ModelCard as Page

    try:
        page: Page = Page.load(path)
    except Exception as error:  # whatever a reader of YAML raises
        raise HubError(
            f"the {_README} of {where} cannot be read ({brief(error)}). Put its head right first"
        ) from error
    return page
