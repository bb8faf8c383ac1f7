"""Clocks: seconds on the wall and of the CPU, the pace of training, the time that is left."""

from __future__ import annotations

import time

from ffnet.config import Config
from ffnet.training.loop import Position


class Clock:
    """Seconds on the wall and of the CPU, lap by lap."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def lap(self) -> dict[str, float]:
        """Return the seconds since the last lap."""
        wall, cpu = self.wall, self.cpu
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return {"seconds": self.wall - wall, "cpu_seconds": self.cpu - cpu}


class TrainingClock(Clock):
    """How fast training goes, how much time is left, and how old the last checkpoint is."""

    def __init__(self, config: Config, images: int, first: Position) -> None:
        super().__init__()
        self.batch = min(config.train.batch, images)
        self.steps = max(1, images // self.batch)
        self.total = config.train.epochs * self.steps
        self.first = self.at_lap = self.done(first)
        self.began = self.wall
        self.saved()

    def done(self, position: Position) -> int:
        """Return how many steps are done."""
        return position.epoch * self.steps + position.step

    def pace(self, position: Position) -> dict[str, float]:
        """Return the seconds of training since the last lap, and the images per second."""
        images, self.at_lap = (self.done(position) - self.at_lap) * self.batch, self.done(position)
        lap = self.lap()
        return {**lap, "images": images, "images_per_second": round(images / max(lap["seconds"], 1e-9), 1)}

    def left(self, position: Position) -> float:
        """Return the seconds of training that are left, at the mean speed so far."""
        past, new = time.perf_counter() - self.began, self.done(position) - self.first
        return past / max(new, 1) * (self.total - self.done(position))

    def saved(self) -> None:
        """Note that a checkpoint was written."""
        self._saved = time.monotonic()

    @property
    def since_saved(self) -> float:
        """Seconds since the last checkpoint."""
        return time.monotonic() - self._saved
