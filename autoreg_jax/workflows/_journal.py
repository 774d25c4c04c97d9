"""The records of a run: in memory and, if there is a folder, in metrics.jsonl."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import append_record, flush_to_disk, write_text
from autoreg_jax.runtime import RunFolder, agreed_clock


class Journal:
    """Keeps what each step of a run reports, oldest first, and what it may be asked.

    Args:
        run: Folder of the run, created if missing. None keeps the records in memory.
        resume: Continue with the records of the folder.
        observe: Called as `(stage, step, state)` before the first step of a stage, with
            step 0 or that of the checkpoint, and after each record, before its
            checkpoint. The state holds ω and α or λ, as device arrays. Then no two
            records come from one call of a program.
        save_every: Least seconds between two checkpoints; 0 for one at every record.
        clock: Seconds, for the times in the records and for what they decide; the same
            in all processes.

    Raises:
        ValueError: If `resume` is given without a folder.
        ArtifactError: If metrics.jsonl is damaged.
    """

    def __init__(
        self,
        run: Path | str | None = None,
        *,
        resume: bool = False,
        observe: Callable[[str, int, Any], None] | None = None,
        save_every: float = 20.0,
        clock: Callable[[], float] = agreed_clock,
    ) -> None:
        if resume and run is None:
            raise ValueError("resume needs the folder of a run.")
        self.run = None if run is None else Path(run)
        self.resume = resume
        self.is_observed = observe is not None
        self.observe = observe or (lambda stage, step, state: None)
        self.save_every = save_every
        self.clock = clock
        self.records: list[dict[str, Any]] = []
        self._lock = threading.Lock()  # members of a population share a journal
        if self.run is not None:
            self.run.mkdir(parents=True, exist_ok=True)
            self.records = RunFolder(self.run).records()
            for number, record in enumerate(self.records, start=1):
                is_step = isinstance(record.get("step"), int)
                if not (is_step and {"stage", "seconds"} <= record.keys()):
                    raise ArtifactError(
                        f"{self._path}: line {number} is no record, which has a stage, "
                        "a step and seconds; restore the file, or start again."
                    )

    def begin(self, stage: str, step: int) -> None:
        """Get ready for the steps of a stage that follow `step`.

        Records of the stage beyond that step were made after the last checkpoint, by a
        run that was interrupted; they are dropped, since they are made again.

        Raises:
            ArtifactError: If there are records of the stage and `resume` is not set.
        """
        is_new = any(r["stage"] == stage and r["step"] > step for r in self.records)
        if is_new and not self.resume:
            raise ArtifactError(
                f"{self.run}: contains records of the stage {stage!r} already; resume, "
                "or choose another folder."
            )
        self.rewind(stage, step)

    def rewind(self, stage: str, step: int) -> None:
        """Drop the records of a stage beyond a step."""
        with self._lock:
            kept = [r for r in self.records if r["stage"] != stage or r["step"] <= step]
            if len(kept) == len(self.records):
                return
            self.records[:] = kept
            if self.run is not None:
                lines = "".join(json.dumps(record) + "\n" for record in kept)
                write_text(self._path, lines)

    def add(self, record: dict[str, Any]) -> None:
        """Keep one more record."""
        with self._lock:
            self.records.append(record)
            if self.run is not None:
                append_record(self._path, record, is_durable=False)

    def flush(self) -> None:
        """Make the records durable, before a checkpoint that depends on them."""
        if self.run is not None:
            flush_to_disk(self._path)

    def last(self, stage: str) -> dict[str, Any] | None:
        """The latest record of a stage, or None."""
        return next((r for r in reversed(self.records) if r["stage"] == stage), None)

    def of_stage(self, stage: str) -> list[dict[str, Any]]:
        """All records of a stage."""
        return [record for record in self.records if record["stage"] == stage]

    def seconds(self) -> dict[str, float]:
        """Seconds that each stage has taken so far, compilation included."""
        return {record["stage"]: record["seconds"] for record in self.records}

    @property
    def _path(self) -> Path:
        return RunFolder(self.run or "").metrics
