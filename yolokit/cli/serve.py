"""``yolokit serve``: a trained model as a web page and an HTTP API."""

from __future__ import annotations

import ipaddress
import logging
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from yolokit.cli.share import Number, device_option, precision_option
from yolokit.errors import ConfigError

if TYPE_CHECKING:
    from yolokit.inference.exported import ComputePrecision

_MB, _MILLION = 2**20, 1_000_000
# Module -> the package that brings it.
_NEEDED = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "websockets": "websockets",
    "python_multipart": "python-multipart",
    "prometheus_client": "prometheus-client",
}


@click.command(name="serve", short_help="Serve a model as a web page and an HTTP API.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", help="Address to serve at.", show_default=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    help="0 takes any that is free.",
    show_default=True,
)
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="A name under which browsers reach it, as behind a proxy; may be given several times.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=8,
    help="Pictures that the network is given together, at most.",
    show_default=True,
)
@click.option(
    "--queue",
    type=click.IntRange(min=1),
    default=64,
    help="Pictures under way; more are answered 503.",
    show_default=True,
)
@click.option(
    "--deadline",
    type=Number(min=0, min_open=True),
    default=15.0,
    help="Seconds for a request; later ones are answered 504.",
    show_default=True,
)
@click.option(
    "--max-mb",
    type=click.IntRange(min=1),
    default=32,
    help="Megabytes of a picture's file.",
    show_default=True,
)
@click.option(
    "--max-megapixels",
    type=click.IntRange(1, 500),
    default=50,
    help="Megapixels of a picture.",
    show_default=True,
)
@device_option
@precision_option
@click.pass_context
def command(
    ctx: click.Context,
    model: Path,
    host: str,
    port: int,
    allow_host: tuple[str, ...],
    batch: int,
    queue: int,
    deadline: float,
    max_mb: int,
    max_megapixels: int,
    device: str,
    precision: ComputePrecision,
) -> None:
    """Serve MODEL: a page to drop pictures and films on or to watch a webcam, and an HTTP API.

    MODEL is whatever `yolokit detect` takes. The page is at the address that is printed; the API
    is described at /openapi.json: POST a picture to /v1/detect. Ctrl-C and SIGTERM finish what is
    under way; a second one ends at once.

    Nobody needs to log in: at another --host than this machine's own, whoever reaches the port
    may use it.

    \b
    yolokit serve model.onnx
    curl --data-binary @photo.jpg "http://127.0.0.1:8000/v1/detect?conf=0.4"
    """
    _require_packages()
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    # It warns of every form that is none: those who send them are told.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    from yolokit.inference.predictor import Predictor
    from yolokit.serving.app import build_app
    from yolokit.serving.limits import Limits
    from yolokit.serving.run import Server, open_socket
    from yolokit.serving.service import Service

    limits = Limits(
        picture_bytes=max_mb * _MB,
        picture_pixels=max_megapixels * _MILLION,
        queue=queue,
        deadline_s=deadline,
        batch=batch,
    )
    with open_socket(host, port) as opened:
        if not _is_loopback(opened.getsockname()[0]):
            click.echo(
                f"warning: whoever reaches this machine at {host} may use the model; there is no "
                "login and no encryption",
                err=True,
            )
        predictor = Predictor.load(model, device=device, precision=precision)
        service = Service(predictor, _name(model), limits)
        app = build_app(service, names=[host, *allow_host])
        server = Server(app, service, click.echo)
        server.run(sockets=[opened])
    if server.number is not None:
        ctx.exit(128 + server.number)


def _name(model: Path) -> str:
    """What a model is called: a run's files all have one name, so with its folder."""
    return "/".join(model.absolute().parts[-2:]) if model.exists() else str(model)


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _require_packages() -> None:
    """Refuse to start where something is not installed.

    Raises:
        ConfigError: with what to install.
    """
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise ConfigError(
            f"yolokit serve needs {', '.join(missing)}, not installed here. "
            f"pip install {' '.join(missing)}"
        )
