"""The checkpoint of a run: when it is written, where it lies, and who may go on from it.

It stands in the folder of the run under an entry of its own in the manifest, so that the rules for files hold for it,
too. It is written whole or not at all, and the one before stays until then. A run that is done removes it.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.file.problems import ScenarioError
from scenarios.output.folders import OutputFolder

if TYPE_CHECKING:
    from emulator.emulation import Emulation
    from emulator.results import CpiResults

__all__ = ["CHECKPOINT", "Checkpoints"]

CHECKPOINT = "checkpoint.dmimo"


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The checkpoints of a run.

    Attributes
    ----------
    folder
        Where they lie: an output folder with this one file.
    every
        After how many CPIs one is written; None for none.
    resume
        Whether to go on from the one that is there, if any.
    """

    folder: OutputFolder
    every: int | None
    resume: bool

    @classmethod
    def of(cls, run: OutputFolder, every: int | None, resume: bool) -> "Checkpoints":
        """Return the checkpoints of the run that writes to a folder."""
        folder = replace(run, command="run checkpoint", names=(CHECKPOINT,))
        return cls(folder=folder, every=every, resume=resume)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.folder.path / CHECKPOINT

    def check(self) -> None:
        """Refuse, before anything is computed, to lose a checkpoint that somebody may want to go on from.

        Raises
        ------
        ScenarioError
            If one is there and nothing was said about it, or it is not this run's.
        """
        self.folder.check()
        if self.path.exists() and not (self.resume or self.folder.overwrite):
            text = f'got "{self.folder.path}"; it holds {CHECKPOINT} of a run that did not end'
            raise ScenarioError("--out", [f"{text}; allowed: --resume to go on from it, --overwrite to begin anew"])

    def begin(self, emulation: "Emulation", n_cpis: int) -> "CpiResults":
        """Let a fresh emulation go on from the checkpoint, if asked to; return the results until then.

        Raises
        ------
        ScenarioError
            If the file is damaged or not of this run, or no checkpoint can be made of the emulation.
        """
        from emulator.checkpoint import CheckpointError
        from emulator.results import CpiResults

        try:
            cpis = emulation.load(self.path) if self.resume and self.path.exists() else CpiResults()
            if self.every is not None:
                emulation.checkpoint()  # what cannot be written is known now, not after hours
        except CheckpointError as error:
            raise ScenarioError("--resume" if self.resume else "--checkpoint-every", [error]) from error
        if len(cpis) > n_cpis:
            raise ScenarioError(
                "--resume", [f"got {self.path} of {len(cpis)} CPIs; allowed: up to {n_cpis} of this run"]
            )
        return cpis

    def keep(self, emulation: "Emulation", cpis: "CpiResults") -> None:
        """Write a checkpoint if one is due after these CPIs."""
        if self.every is not None and len(cpis) % self.every == 0:
            content = emulation.checkpoint(cpis)
            self.folder.write({CHECKPOINT: lambda path: _write(path, content)})

    def end(self) -> None:
        """Remove the checkpoint: the results are there."""
        self.folder.clear()


def _write(path: Path, content: list[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(content)
