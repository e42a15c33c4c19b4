"""The routes: what is asked by which path, and how refusals are answered."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
from fastapi import FastAPI, Query, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from yolokit._version import __version__
from yolokit.plain_text import tamed
from yolokit.serving import metrics
from yolokit.serving.answers import detections_out, film_out, model_out
from yolokit.serving.bodies import read_picture, store_film
from yolokit.serving.films import Film, Films
from yolokit.serving.guard import Guard
from yolokit.serving.page_files import page_files
from yolokit.serving.refusal import RETRY_AFTER_S, RefusedError, error_body, in_time
from yolokit.serving.schemas import (
    AskedFilm,
    AskedPicture,
    ErrorOut,
    FilmOut,
    Milliseconds,
    ModelOut,
    PictureOut,
    StateOut,
)
from yolokit.serving.service import Service
from yolokit.serving.webcam import Cameras

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILE = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "required": ["file"],
}
_CLOSED = 499  # the client went away: nginx's number, for counting


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorOut} for status in statuses}


def _body(kind: str) -> dict[str, Any]:
    """What a route takes, for its OpenAPI."""
    form = {"multipart/form-data": {"schema": _FILE}}
    return {"requestBody": {"required": True, "content": {kind: _BINARY, **form}}}


class _App(FastAPI):
    """With a guard outside of everything, FastAPI's own answer to bugs too."""

    def __init__(self, guard: Callable[[ASGIApp], Guard], **settings: Any) -> None:
        super().__init__(**settings)
        self._guard = guard

    def build_middleware_stack(self) -> ASGIApp:
        """See Starlette."""
        return self._guard(super().build_middleware_stack())


def build_app(service: Service, *, names: Iterable[str] = ()) -> FastAPI:
    """The application of a service, which it closes at its end.

    Args:
        service: looks at pictures.
        names: under which it may be asked, beside addresses of digits and ``localhost``.
    """
    films = Films(service.network, service.predictor.class_names, service.limits)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await anyio.to_thread.run_sync(films.close)
        service.close()

    app = _App(
        lambda inner: Guard(inner, names=[*names], metrics=service.metrics),
        title="yolokit",
        version=__version__,
        summary=f"Detects objects with {tamed(service.name)}",
        lifespan=lifespan,
        docs_url=None,  # its scripts come from another host
        redoc_url=None,
        redirect_slashes=False,  # to where, a proxy may know; the Host does not say
    )
    app.state.films = films
    _answer_errors(app, service)
    _add_health(app, service)
    _add_detect(app, service)
    _add_films(app, service, films)
    _add_page(app)
    return app


def _answer_errors(app: FastAPI, service: Service) -> None:
    def answer(
        status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        service.metrics.failed(kind)
        again = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
        body = error_body(kind, message)
        return Response(body, status, {**(headers or {}), **again}, "application/json")

    @app.exception_handler(RefusedError)
    async def refused(_request: Request, error: RefusedError) -> Response:
        return answer(error.status, error.kind, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][1:])
        return answer(422, "settings", f"{name}: {first['msg']}. GET /openapi.json lists them all")

    @app.exception_handler(HTTPException)
    async def other(_request: Request, error: HTTPException) -> Response:
        said = f"{error.detail}. GET /openapi.json lists all"
        return answer(error.status_code, "path", said, error.headers)  # of 405: what is allowed

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> Response:
        return answer(_CLOSED, "gone", "the client went away")

    @app.exception_handler(Exception)
    async def broken(_request: Request, error: Exception) -> Response:
        what = f"{type(error).__name__}. This is a bug in yolokit; the server's terminal says more"
        return answer(500, "bug", what)


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/live", tags=["health"])
    async def live() -> StateOut:
        """Whether the process answers."""
        return StateOut(state="live")

    @app.get("/ready", tags=["health"], responses=_problems(503))
    async def ready() -> StateOut:
        """Whether requests are taken: not while the server is about to end."""
        service.require_ready()
        return StateOut(state="ready")

    @app.get("/metrics", tags=["health"], response_class=Response)
    async def prometheus() -> Response:
        """Counts and times, for Prometheus."""
        return Response(service.metrics.text(), media_type=metrics.CONTENT_TYPE)

    @app.get("/v1/model", tags=["model"])
    async def model() -> ModelOut:
        """The model: classes, input, thresholds, scores, and what is taken at most."""
        return model_out(service.predictor, service.name, service.limits)


def _add_detect(app: FastAPI, service: Service) -> None:
    limits = service.limits

    @app.post(
        "/v1/detect",
        tags=["detect"],
        response_model=PictureOut,
        openapi_extra=_body("image/*"),
        responses={
            200: {"content": {"image/jpeg": _BINARY, "image/png": _BINARY}},
            **_problems(400, 403, 408, 413, 422, 500, 503, 504),
        },
    )
    async def detect(request: Request, asked: Annotated[AskedPicture, Query()]) -> Any:
        """Detect in one picture: the body itself, or a part of a form."""
        began = time.perf_counter()
        wanted = service.wanted(asked)
        service.require_place()
        with in_time(limits.deadline_s, 408, "the picture did not arrive in time"):
            data = await read_picture(request, limits.picture_bytes, service.arriving)
        with service.place():
            read_s = time.perf_counter() - began
            left = limits.deadline_s - read_s
            with in_time(left, 504, f"no answer within {limits.deadline_s:g} seconds. Try again"):
                found = await service.look(data, wanted)
                accept = request.headers.get("accept", "")
                if _wants_image(asked, accept):
                    png = "image/png" in accept and "image/jpeg" not in accept
                    body, kind = await service.drawn(data, found.detections, png=png)
                    return Response(body, media_type=kind)
        spent = {"read": read_s, **found.parts, "total": time.perf_counter() - began}
        height, width = found.image_hw
        out = PictureOut(
            width=width,
            height=height,
            orientation=found.orientation,
            detections=detections_out(found.detections, service.predictor),
            ms=Milliseconds(**{part: round(1000 * each, 3) for part, each in spent.items()}),
        )
        return Response(out.model_dump_json(), media_type="application/json")

    cameras = Cameras(service, set())

    @app.websocket("/v1/webcam")
    async def webcam(socket: WebSocket) -> None:
        await cameras.watch(socket)


def _wants_image(asked: AskedPicture, accept: str) -> bool:
    """What the request says, else what its Accept prefers."""
    if asked.format is not None:
        return asked.format == "image"
    return "image/" in accept and "application/json" not in accept


def _add_films(app: FastAPI, service: Service, films: Films) -> None:
    names, limits = service.predictor.class_names, service.limits

    @app.post(
        "/v1/films",
        tags=["films"],
        status_code=202,
        openapi_extra=_body("video/*"),
        responses=_problems(400, 403, 408, 413, 422, 503),
    )
    async def send(request: Request, asked: Annotated[AskedFilm, Query()]) -> FilmOut:
        """Have a film looked at; ask for its id how far it is."""
        service.require_ready()
        wanted = service.wanted(asked)
        film = films.place()
        try:
            with in_time(limits.upload_s, 408, "the film did not arrive in time"):
                most = limits.film_bytes
                called = await store_film(request, most, films.arriving, film.file)
            film.name = tamed(" ".join((asked.name or called or film.name).split()))
            film.video = None if asked.video == "none" else asked.video
            film.wanted = wanted
            films.start(film)
        except BaseException:
            films.remove(film)
            raise
        return film_out(film, names)

    @app.get("/v1/films/{number}", tags=["films"], responses=_problems(404))
    async def progress(number: str) -> FilmOut:
        """How far a film is."""
        return film_out(films.get(number), names)

    @app.delete("/v1/films/{number}", tags=["films"], responses=_problems(404))
    async def remove(number: str) -> FilmOut:
        """Stop looking at a film, and take its results away."""
        film = films.get(number)
        await anyio.to_thread.run_sync(films.remove, film)
        return film_out(film, names)

    @app.get("/v1/films/{number}/video", tags=["films"], response_class=FileResponse)
    async def video(number: str) -> FileResponse:
        """The film with its boxes."""
        return _result(films.get(number), "video")

    @app.get("/v1/films/{number}/detections", tags=["films"], response_class=FileResponse)
    async def detections(number: str) -> FileResponse:
        """A record a frame, as ``yolokit detect --save-json`` writes them."""
        return _result(films.get(number), "detections")


def _result(film: Film, part: str) -> FileResponse:
    path = getattr(film.progress, part)
    if path is None:
        raise RefusedError(
            404, "film", f"the film has no {part}; its state is {film.progress.state}"
        )
    kinds = {".json": "application/json", ".webm": "video/webm", ".mp4": "video/mp4"}
    return FileResponse(path, media_type=kinds[path.suffix])


def _add_page(app: FastAPI) -> None:
    for path, (content, kind) in page_files().items():
        answer = _page(content, kind)
        app.add_api_route(path, answer, include_in_schema=False, response_class=Response)


def _page(content: bytes, kind: str) -> Callable[[], Response]:
    return lambda: Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})
