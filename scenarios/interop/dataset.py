"""A data set in a folder: shards of trials as netCDF, and a data sheet.

Each shard is written once, whole or not at all; a command that is run again makes those that are missing, and more of
them are added by asking for more trials. A shard follows from the scenario, the seed and its number.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.extras import extra
from scenarios.file.contents import contents
from scenarios.file.files import dump
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario
from scenarios.interop.arrays import SPLITS, observations
from scenarios.output.folders import OutputFolder, Writer, flat_settings
from scenarios.version import SCHEMA_VERSION, program_version

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Dataset", "data_sheet", "open_dataset"]

SHEET, SCENARIO, SHARDS = "README.md", "scenario.toml", "shard-*.nc"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set that is asked for.

    Attributes
    ----------
    scenario, seed, echoes
        As of ``scenarios.interop.arrays.observations``.
    per_shard
        Trials of a shard.
    n_trials
        How many there are to be, a multiple of that.
    folder
        Where.
    overwrite
        Whether one of other settings may be replaced.

    Raises
    ------
    ScenarioError
        If the trials do not fill their shards.
    """

    scenario: Scenario
    seed: int
    per_shard: int
    n_trials: int
    folder: Path
    echoes: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.n_trials % self.per_shard:
            text = f"got {self.n_trials}; allowed: a multiple of the {self.per_shard} trials of a shard (--shard)"
            raise ScenarioError("--trials", [text])

    @property
    def shards(self) -> dict[str, int]:
        """Names of the shards, and the number of the first trial of each."""
        return {f"shard-{i:05d}.nc": i * self.per_shard for i in range(self.n_trials // self.per_shard)}

    @property
    def out(self) -> OutputFolder:
        """The folder; shards that are there and not asked for belong to the data set, too."""
        there = {path.name for path in self.folder.glob(SHARDS)}
        own = {"seed": self.seed, "shard": self.per_shard, "echoes": self.echoes}
        made_by = {"layout": SCHEMA_VERSION, "version": program_version()}
        return OutputFolder(
            path=self.folder,
            command="dataset",
            names=(SCENARIO, SHEET, *sorted(there | set(self.shards))),
            settings=own | made_by | flat_settings(self.scenario.data()) | contents(self.scenario),
            overwrite=self.overwrite,
        )

    def check(self) -> None:
        """Refuse a folder in which it cannot be written; raises ScenarioError."""
        self.out.check()

    def make(self, workers: int | None = 1) -> Iterator[Path]:
        """Make the shards that are missing, and yield the path of each as it is there."""
        self.check()
        self._begin(observations(self.scenario, self.seed, 1, echoes=self.echoes))
        for name, first in self.shards.items():
            if not (self.folder / name).exists():
                made = observations(
                    self.scenario, self.seed, self.per_shard, first=first, echoes=self.echoes, workers=workers
                )
                self.out.update(name, partial(_save, made))
            yield self.folder / name

    def _begin(self, example: "xr.Dataset") -> None:
        """Write scenario and data sheet, unless they are there; with other ones all shards that are there go."""
        texts = {SCENARIO: dump(self.scenario), SHEET: data_sheet(self, example)}
        if all(_holds(self.folder / name, text) for name, text in texts.items()):
            return
        writers: dict[str, Writer] = {name: partial(_write_text, text) for name, text in texts.items()}
        self.out.write(writers)


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _save(made: "xr.Dataset", path: Path) -> None:
    with extra("sweep", "a data set"):
        import h5netcdf  # noqa: F401 - xarray says nothing of use where it is missing
    made.to_netcdf(path, engine="h5netcdf")


def open_dataset(folder: Path | str, split: str | None = None) -> "xr.Dataset":
    """Return the trials of a folder, all or those of a split ("train", "validation", "test").

    Raises
    ------
    ValueError
        If there is no shard, one cannot be read, or there is no such split.
    """
    with extra("sweep", "a data set"):
        import xarray as xr
    if split is not None and split not in SPLITS:
        raise ValueError(f'split is "{split}": give {", ".join(SPLITS)}, or None for all')
    paths = sorted(Path(folder).glob(SHARDS))
    if not paths:
        raise ValueError(f'there is no shard in "{folder}": give a folder of dmimo dataset')
    whole = xr.concat([_load(path) for path in paths], dim="trial", data_vars="minimal")
    return whole if split is None else whole.isel(trial=whole["split"].values == list(SPLITS).index(split))


def _load(path: Path) -> "xr.Dataset":
    import xarray as xr

    try:
        return xr.load_dataset(path, engine="h5netcdf")
    except OSError as error:
        raise ValueError(f'"{path}" cannot be read: {error}; delete it, and run dmimo dataset again') from error


# -- the data sheet ---------------------------------------------------------------------------------------------------


def data_sheet(dataset: Dataset, example: "xr.Dataset") -> str:
    """Return the data sheet of a data set, in Markdown; the example is one trial of it."""
    return _SHEET.format(
        per_shard=dataset.per_shard,
        seed=dataset.seed,
        echoes=" --echoes" if dataset.echoes else "",
        version=program_version(),
        splits=", ".join(f"{name} {share:.0%}" for name, share in SPLITS.items()),
        sizes=_table(("dimension", "size"), {name: (str(n),) for name, n in example.sizes.items() if name != "trial"}),
        variables=_table(("variable", "dimensions", "unit", "what"), dict(_rows(example))),
    )


def _rows(example: "xr.Dataset") -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, array in example.data_vars.items():
        yield str(name), (", ".join(map(str, array.dims)), array.attrs["units"], array.attrs["long_name"])


def _table(heading: tuple[str, ...], rows: Mapping[Any, tuple[str, ...]]) -> str:
    lines = [heading, ("---",) * len(heading), *((f"`{name}`", *cells) for name, cells in rows.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_SHEET = """\
# Data sheet

**What it is.** Sufficient statistics of the echoes of phase-coherent distributed MIMO sensing, with the truth, bounds
of the position error and the roles of the access points. Each trial is the first coherent processing interval without
pilots of an emulated run of its own; positions and phases that the scenario leaves out are drawn anew in each.

**How it was made.** `dmimo dataset scenario.toml --seed {seed} --shard {per_shard} --trials N{echoes} --out DIR`, by
dmimo-isac {version}; the scenario lies beside this page, and in each file. Nothing in it was measured. Run again with a
larger N it grows; what is there stays, to the byte. Another version of the program is refused.

**Files.** `shard-00000.nc`, `shard-00001.nc` ... of {per_shard} trials each, netCDF-4, which is HDF5.
`xarray.open_dataset(path, engine="h5netcdf")` opens one.

**Splits.** {splits}, drawn for each trial from its seed alone, so that a trial stays where it is as others are added.
Trials are independent of each other.

**Licence.** Yours to choose: data that you make are your own. The program is under the BSD 3-Clause licence.

## Dimensions

{sizes}

`part` is real and imaginary part. Access points are numbered from 0; `receiver` and `transmitter` count those of a
trial, in ascending order.

## Variables

{variables}

## Known limits

- The channel is a model: point targets, free space to the target and back, no clutter and no direct path.
- The far field, no range resolution: a band of this width tells no delays.
- Statistics are as the links delivered them, quantised; samples, where they are there, are as the antennas heard them.
- Antennas that an access point lacks are zero.
- Targets rest or move as the scenario says; the truth is that of the middle of the interval.
"""
