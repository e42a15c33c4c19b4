"""What the server answers, field by field: its OpenAPI is made of these."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Asked(BaseModel):
    """Which detections are reported; the same as the options of ``yolokit detect``."""

    model_config = ConfigDict(extra="forbid")

    conf: _Share = Field(0.25, description="Report what scores more")
    iou: _Share | None = Field(
        None,
        description="Of two boxes of a class that overlap by more, one falls; by default the "
        "model's own",
    )
    max_objects: int | None = Field(
        None, ge=1, le=100_000, description="At most this many; by default the model's own"
    )
    classes: str | None = Field(
        None,
        max_length=100_000,
        description="Report these classes only: names or numbers, with commas between",
    )


class AskedPicture(Asked):
    """A request for one picture."""

    format: Literal["json", "image"] | None = Field(
        None, description="image: the picture with its boxes; by default what Accept says"
    )


class AskedFilm(Asked):
    """A request for a film."""

    name: str | None = Field(None, max_length=255, description="What the film is called")
    video: Literal["webm", "mp4", "none"] = Field(
        "webm",
        description="webm plays in browsers; mp4 is quicker, and does where the server has ffmpeg",
    )


class DetectionOut(BaseModel):
    """One object."""

    name: str = Field(description="Of its class")
    category_id: int = Field(description="Of its class, in the training data")
    label: int = Field(description="Of its class, 0 to C-1")
    score: float = Field(description="0 to 1")
    box_xywh: tuple[float, float, float, float] = Field(
        description="Left, top, width and height in pixels of the picture"
    )


class Milliseconds(BaseModel):
    """Where the time went."""

    read: float = Field(description="Until the request was there")
    decode: float = Field(description="From the file's bytes to pixels")
    prepare: float = Field(description="Scaling to the network's input")
    wait: float = Field(description="For the network, or for other pictures")
    network: float = Field(description="The network, for all pictures that it was given together")
    postprocess: float = Field(description="From its answer to boxes")
    total: float


class PictureOut(BaseModel):
    """What was found in a picture, best first."""

    width: int = Field(description="Pixels of the upright picture")
    height: int
    orientation: int = Field(
        description="The file's EXIF tag, 1 to 8, which was applied before anything else; 1 is "
        "upright as stored"
    )
    detections: list[DetectionOut]
    ms: Milliseconds


class FrameOut(BaseModel):
    """What was found in a frame of a webcam."""

    frame: int = Field(description="Which of the frames that were sent, from 0")
    width: int
    height: int
    detections: list[DetectionOut]


class Problem(BaseModel):
    """Why there are no detections."""

    kind: str = Field(description="One word, for programs")
    message: str = Field(description="What is wrong and what to do, for people")


class ErrorOut(BaseModel):
    """The answer to a request that cannot be served."""

    error: Problem


class ClassOut(BaseModel):
    """A class that the model knows."""

    label: int
    name: str
    category_id: int
    colour: str = Field(description="As its boxes are drawn: #rrggbb")


class LimitsOut(BaseModel):
    """What is taken at most."""

    picture_bytes: int
    picture_pixels: int
    film_bytes: int
    film_frames: int


class ModelOut(BaseModel):
    """The model that is served."""

    name: str = Field(description="Of its file or folder")
    facts: dict[str, str] = Field(description="In words: architecture, input, what computes it")
    classes: list[ClassOut]
    input_hw: tuple[int, int] | None = Field(
        description="Height and width of the network's input; null: as large as the picture"
    )
    conf: float = Field(description="The default of a request")
    lowest_conf: float = Field(description="Below it this model reports nothing")
    iou: float = Field(description="The default of a request")
    max_objects: int = Field(description="The default of a request")
    metrics: dict[str, float | None] = Field(description="What it scored when it was saved")
    version: str = Field(description="Of yolokit")
    limits: LimitsOut


class FilmOut(BaseModel):
    """A film that is looked at."""

    id: str
    name: str
    state: Literal["waiting", "running", "done", "failed", "stopped"]
    frames: int = Field(description="That were looked at so far")
    total: int | None = Field(description="Frames the film states; null where it states none")
    message: str | None = Field(description="What went wrong, or was left out")
    video: bool = Field(description="Whether there is a video to fetch")
    detections: bool = Field(description="Whether there are detections to fetch")
    objects: dict[str, int] = Field(description="Class name: boxes in all frames")


class StateOut(BaseModel):
    """How the server is."""

    state: Literal["live", "ready"]
