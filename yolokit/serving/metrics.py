"""What Prometheus can ask a server: requests, errors by kind, queue, times of parts, batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
_PICTURES = (1, 2, 4, 8, 16, 32)


class Metrics:
    """Counts of one server, apart from any other's of the process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "yolokit_requests",
            "Requests that were answered",
            ["route", "status"],
            registry=self._registry,
        )
        self._errors = Counter(
            "yolokit_errors", "Requests that got no detections", ["kind"], registry=self._registry
        )
        self._parts = Histogram(
            "yolokit_part_seconds",
            "Time of each part of a detection",
            ["part"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batches = Histogram(
            "yolokit_batch_pictures",
            "Pictures that the network was given together",
            buckets=_PICTURES,
            registry=self._registry,
        )

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Tell a number that is asked for when it is needed."""
        Gauge(f"yolokit_{name}", what, registry=self._registry).set_function(value)

    def answered(self, route: str, status: int) -> None:
        """One request, by the pattern of its path."""
        self._requests.labels(route, str(status)).inc()

    def failed(self, kind: str) -> None:
        """One that got no detections."""
        self._errors.labels(kind).inc()

    def batch(self, pictures: int) -> None:
        """One step of the network."""
        self._batches.observe(pictures)

    def parts(self, seconds: Mapping[str, float]) -> None:
        """One detection."""
        for part, each in seconds.items():
            self._parts.labels(part).observe(each)

    def text(self) -> bytes:
        """All of it, in the exposition format of Prometheus."""
        return generate_latest(self._registry)
