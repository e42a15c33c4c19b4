"""What a server takes on at most, so that no client can take it down."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one server.

    Args:
        picture_bytes: of an encoded picture, or of a request that holds one.
        picture_pixels: of a picture, by its header: more are never decoded.
        film_bytes: of a film, or of a request that holds one.
        film_frames: of a film that are looked at.
        films: that wait or run; as many that have ended are kept.
        film_kept_s: seconds for which an ended film's results can be fetched.
        queue: pictures that are looked at or wait at a time.
        arriving: pictures or films of the largest size whose bytes may be arriving at a time.
        connections: at a time; the process's limit of open files may allow fewer.
        silence_s: seconds for which a client may send no request, or no 64 KB of one.
        unread_s: seconds for which a client may read nothing of its answer.
        cameras: webcams that are watched at a time.
        frame_s: seconds for which a webcam may send no frame.
        deadline_s: seconds from a request's arrival to its answer.
        upload_s: seconds for a film to arrive.
        batch: pictures that the network is given together.
        patience_s: seconds for which a picture waits for others that are being decoded.
    """

    picture_bytes: int = 32 * 2**20
    picture_pixels: int = 50_000_000
    film_bytes: int = 512 * 2**20
    film_frames: int = 100_000
    films: int = 4
    film_kept_s: float = 1800.0
    queue: int = 64
    arriving: int = 16
    connections: int = 512
    silence_s: float = 15.0
    unread_s: float = 60.0
    cameras: int = 8
    frame_s: float = 30.0
    deadline_s: float = 15.0
    upload_s: float = 900.0
    batch: int = 8
    patience_s: float = 0.003
