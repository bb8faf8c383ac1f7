"""Clocks: wall and CPU seconds, training speed, estimated time left."""

from __future__ import annotations

import time

from ffnet.config import Config
from ffnet.training.loop import Position


class Clock:
    """Wall seconds and CPU seconds, lap by lap."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def lap(self) -> dict[str, float]:
        """Return the seconds since the last lap."""
        wall, cpu = self.wall, self.cpu
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return {"seconds": self.wall - wall, "cpu_seconds": self.cpu - cpu}


class TrainingClock(Clock):
    """Training speed, estimated time left, and the age of the last checkpoint."""

    def __init__(self, config: Config, images: int, first: Position) -> None:
        super().__init__()
        self.batch = min(config.train.batch, images)
        self.steps = images // self.batch
        self.total = config.train.epochs * self.steps
        self.first = self.at_lap = self.done(first)
        self.began = self.wall
        self.saved()

    def done(self, position: Position) -> int:
        """Return the number of steps done since the start of training."""
        return position.epoch * self.steps + position.step

    def pace(self, position: Position) -> dict[str, float]:
        """Return the seconds, images and images per second since the last lap."""
        images, self.at_lap = (self.done(position) - self.at_lap) * self.batch, self.done(position)
        lap = self.lap()
        return {**lap, "images": images, "images_per_second": round(images / max(lap["seconds"], 1e-9), 1)}

    def left(self, position: Position) -> float:
        """Return the seconds of training left, at the mean speed since this process began."""
        seconds, steps = time.perf_counter() - self.began, self.done(position) - self.first
        return seconds / max(steps, 1) * (self.total - self.done(position))

    def saved(self) -> None:
        """Restart the age of the last checkpoint."""
        self._saved = time.monotonic()

    @property
    def since_saved(self) -> float:
        """Seconds since the last checkpoint."""
        return time.monotonic() - self._saved
