"""When a training ends: after its steps, its time, or when it is asked for no more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoreg_jax.config import TrainConfig
from autoreg_jax.errors import ArtifactError

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Budget:
    """The time of a training.

    Attributes:
        seconds: That it may take; None without a limit.
        begin: Seconds of its records at which the time begins.
        restart: Step at which it does.
    """

    seconds: float | None = None
    begin: float = 0.0
    restart: int = 0

    def used(self, passed: float) -> float | None:
        """Part of the time that is over, from the seconds of the last record."""
        if self.seconds is None:
            return None
        return min(1.0, max(0.0, (passed - self.begin) / self.seconds))

    def rule(self) -> Callable[[Sequence[Record]], dict[str, Any]] | None:
        """What ends the training: the last record for which the time suffices.

        The next one is expected after as long as the last one took, but the first one,
        in which programs are compiled, says nothing about the next.
        """
        if self.seconds is None:
            return None
        most = self.begin + self.seconds

        def stop(records: Sequence[Record]) -> dict[str, Any]:
            new = [r for r in records if r["step"] > self.restart]
            if not new:
                return {}
            last = new[-1]["seconds"]
            expected = last - new[-2]["seconds"] if len(new) > 2 else 0.0
            return {"stopped": "time"} if last + expected > most else {}

        return stop


def budget_of(settings: TrainConfig, records: Sequence[Record]) -> Budget:
    """The time of a training that has these records already."""
    if settings.minutes is None:
        return Budget()
    old = [r["seconds"] for r in records if r["step"] <= settings.restart]
    begin = old[-1] if settings.restart and old else 0.0
    return Budget(60 * settings.minutes, begin, settings.restart)


def is_finished(settings: TrainConfig, record: Record | None) -> bool:
    """Whether a training whose model is there has nothing more to do.

    Args:
        settings: Of the training that is asked for.
        record: The last one of the training, if it is known.

    Raises:
        ArtifactError: If it has fewer steps than are asked for, and nothing says that
            it is continued.
    """
    if record is None or record["step"] >= settings.steps:
        return True
    if 0 < settings.restart <= record["step"]:
        return "stopped" in record and record["step"] > settings.restart
    if "stopped" in record:
        return True
    raise ArtifactError(
        f"the training is finished after {record['step']} steps, not "
        f"{settings.steps}; for more steps use `autoreg train RUN --more N`, or set "
        f"train.restart={record['step']}."
    )
