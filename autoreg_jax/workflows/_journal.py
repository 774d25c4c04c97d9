"""The records of a run: in memory and, where there is a folder, in metrics.jsonl."""

import json
from pathlib import Path
from typing import Any

from autoreg_jax.errors import ArtifactError
from autoreg_jax.runtime import append_record, read_records, write_text

_FILE = "metrics.jsonl"


class Journal:
    """What each step of a run had to say, oldest first.

    Args:
        run: Folder of the run; made if missing. None keeps the records in memory only.
        resume: Take over what the folder holds.

    Raises:
        ValueError: If `resume` is asked without a folder.
        ArtifactError: If metrics.jsonl is damaged.
    """

    def __init__(self, run: Path | None, *, resume: bool = False) -> None:
        if resume and run is None:
            raise ValueError("resume needs the folder of a run.")
        self.run = run
        self.resume = resume
        self.records: list[dict[str, Any]] = []
        if run is not None:
            run.mkdir(parents=True, exist_ok=True)
            self.records = read_records(run / _FILE)

    def begin(self, stage: str, step: int) -> None:
        """Get ready for the steps of a stage that follow `step`.

        Records of the stage beyond that step were made after the last checkpoint, by a
        run that was interrupted; they are dropped, since they are made again.

        Raises:
            ArtifactError: If there are records of the stage and nobody asked to resume.
        """
        kept = [r for r in self.records if r["stage"] != stage or r["step"] <= step]
        if len(kept) == len(self.records):
            return
        if not self.resume:
            raise ArtifactError(
                f"{self.run}: holds records of the stage {stage!r} already; resume, or "
                "name another folder."
            )
        self.records = kept
        lines = "".join(json.dumps(record) + "\n" for record in kept)
        write_text(self.path, lines)

    def add(self, record: dict[str, Any]) -> None:
        """Keep one more record."""
        self.records.append(record)
        if self.run is not None:
            append_record(self.path, record)

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
    def path(self) -> Path:
        """The file of the records."""
        return Path(self.run or "") / _FILE
