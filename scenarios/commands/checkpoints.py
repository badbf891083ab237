"""The checkpoint of a run: when it is written, where it lies, and who may go on from it.

It stands in the folder of the run under an entry of its own in the manifest, so that the rules for files hold for it,
too. It is written whole or not at all, and the one before stays until then. What a later one need not write again is
in the journal beside it, which has an entry of its own. A run that is done removes both.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.file.problems import ScenarioError
from scenarios.output.folders import OutputFolder, first_line_digest

if TYPE_CHECKING:
    from emulator.emulation import Emulation
    from emulator.journal import Journal
    from emulator.results import CpiResults

__all__ = ["CHECKPOINT", "JOURNAL", "Checkpoints"]

CHECKPOINT, JOURNAL = "checkpoint.dmimo", "checkpoint.journal"


@dataclass(kw_only=True)
class Checkpoints:
    """The checkpoints of a run.

    Attributes
    ----------
    folder
        Where they lie: an output folder with this one file.
    beside
        The same folder with the journal.
    every
        After how many CPIs one is written; None for none.
    resume
        Whether to go on from the one that is there, if any.
    """

    folder: OutputFolder
    beside: OutputFolder
    every: int | None
    resume: bool
    _journal: "Journal | None" = field(default=None, init=False)

    @classmethod
    def of(cls, run: OutputFolder, every: int | None, resume: bool) -> "Checkpoints":
        """Return the checkpoints of the run that writes to a folder."""
        folder = replace(run, command="run checkpoint", names=(CHECKPOINT,))
        beside = replace(run, command="run journal", names=(JOURNAL,), settings={}, digest=first_line_digest)
        return cls(folder=folder, beside=beside, every=every, resume=resume)

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
        self.beside.check()
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
            cpis = self._resumed(emulation) if self.resume and self.path.exists() else CpiResults()
            if self.every is not None:
                emulation.checkpoint()  # what cannot be written is known now, not after hours
        except CheckpointError as error:
            raise ScenarioError("--resume" if self.resume else "--checkpoint-every", [error]) from error
        if len(cpis) > n_cpis:
            raise ScenarioError(
                "--resume", [f"got {self.path} of {len(cpis)} CPIs; allowed: up to {n_cpis} of this run"]
            )
        return cpis

    def _resumed(self, emulation: "Emulation") -> "CpiResults":
        from emulator.checkpoint import journal_of

        if self.every is not None:
            self._journal = journal_of(self.path)
        return emulation.load(self.path)

    def keep(self, emulation: "Emulation", cpis: "CpiResults") -> None:
        """Write a checkpoint if one is due after these CPIs."""
        if self.every is None or len(cpis) % self.every:
            return
        self._journal = self._journal or self._new_journal()
        if self._journal.is_there():  # otherwise another command has begun anew in this folder, or is done
            content = emulation.checkpoint(cpis, self._journal)
            self.folder.write({CHECKPOINT: partial(_write, content)})

    def _new_journal(self) -> "Journal":
        from emulator.journal import Journal, first_line

        self.folder.check()
        self.folder.clear()  # what lies there goes with an earlier journal
        self.beside.write({JOURNAL: partial(_write, [first_line()])})
        return Journal(self.beside.path / JOURNAL)

    def end(self) -> None:
        """Remove the checkpoint and its journal: the results are there."""
        if self._journal is not None:
            self._journal.close()
        self.folder.clear()
        self.beside.clear()


def _write(content: list[bytes], path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(content)
