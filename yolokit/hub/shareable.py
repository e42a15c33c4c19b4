"""What a loaded model can do with the Hugging Face hub, and with a folder like one there."""

from __future__ import annotations

from pathlib import Path

from yolokit.inference.backend import Backend, Card


class Shareable:
    """The part of ``Model`` that shares it."""

    backend: Backend
    card: Card
    path: Path | None

    def save_pretrained(
        self, folder: str | Path, *, license: str | None = None, dataset: str | None = None
    ) -> Path:
        """Write what ``push_to_hub`` pushes: the model's files, and a README.md about it.

        Args:
            folder: a new or an empty one; ``load`` reads it again.
            license: under which it is shared, as the hub names it: ``apache-2.0``, ``mit``,
                ``cc-by-4.0``, …; None leaves that open.
            dataset: on the hub, ``USER/NAME``, that it was trained on.

        Returns:
            The folder.

        Raises:
            HubError: one of torchvision's own detectors; or huggingface_hub is not installed.
            DataError: the folder holds something.
        """
        from yolokit.hub.push import Shared, save_shared

        shared = Shared(self.backend, self.card, self.path, license, dataset)
        return save_shared(shared, Path(folder))

    def push_to_hub(
        self,
        repo: str,
        *,
        license: str | None = None,
        private: bool | None = None,
        dataset: str | None = None,
        revision: str | None = None,
        token: str | None = None,
    ) -> str:
        """Share it on the Hugging Face hub, where ``load("hf:USER/NAME")`` finds it.

        Args:
            repo: ``USER/NAME``; made if it is not there. Files of other names stay in it, and so
                does what others wrote into its README.md; what describes the model is written anew.
            license: under which it is shared, as the hub names it: ``apache-2.0``, ``mit``,
                ``cc-by-4.0``, ``other``, …: what its pictures and first weights allow, nobody else
                can know.
            private: for nobody else to see; None takes the account's default, or leaves what is.
            dataset: on the hub, ``USER/NAME``, that it was trained on.
            revision: a branch to push to; None for the main one.
            token: of an account that may write there; None takes HF_TOKEN, or that of
                ``hf auth login``.

        Returns:
            The address of the page.

        Raises:
            HubError: no licence given, no network, not logged in, no right to write there, there
                with another visibility than asked for, or as ``save_pretrained``.
        """
        from yolokit.hub.push import Shared, push

        shared = Shared(self.backend, self.card, self.path, license, dataset)
        return push(shared, repo, private=private, revision=revision, token=token)
