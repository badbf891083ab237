"""What is measured and what is true in many independent trials, as arrays with named dimensions and units.

A trial is the first CPI of a run of its own, whose seed follows from the seed of all and the number of the trial: which
trials are made together, in which order and how many, changes none of them. Nothing is estimated. Complex numbers are
pairs along the dimension ``part``, real and imaginary, as files of this kind have none.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emulator.emulation import Emulation
from emulator.randomness import Streams
from emulator.results import CpiResult
from models.network import Mode
from models.observation import Observation
from scenarios.extras import extra
from scenarios.figures.common import each_realization, realization_seed
from scenarios.file.files import dump
from scenarios.file.scenario import Scenario
from scenarios.interop.recording import Recording, Stream, record_iq
from scenarios.version import program_version

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SPLITS", "VARIABLES", "Variable", "observations", "split_of"]

SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}
"""Shares of the trials."""
MODES = tuple(Mode)
MOST_PILOTS = 1000
"""CPIs of pilots before the first of data, at most."""


class Variable(NamedTuple):
    """An array of a data set."""

    dims: tuple[str, ...]
    """After that of the trials."""
    unit: str
    about: str


RX, TX = ("receiver", "antenna"), ("transmitter", "sent_antenna")
SAMPLES = ("slot", "antenna", "snapshot", "part")
VARIABLES = {
    "seed": Variable((), "1", "Seed of the run that the trial is the first CPI of."),
    "split": Variable(
        (), "1", f"{', '.join(f'{i} {name}' for i, name in enumerate(SPLITS))}; follows from the seed alone."
    ),
    "mode": Variable(("ap",), "1", "Role of each access point: 0 transmits, 1 receives, 2 is idle."),
    "ap_position_m": Variable(("ap", "xy"), "m", "Where the survey has antenna 0 of each access point."),
    "boresight_rad": Variable(("ap",), "rad", "Direction in which each array looks, counter-clockwise from +x."),
    "receivers": Variable(("receiver",), "1", "Numbers of the access points that receive."),
    "transmitters": Variable(("transmitter",), "1", "Numbers of the access points that transmit."),
    "cross": Variable((*RX, *TX, "part"), "W", "Z: sum over snapshots of what was received times what was sent^H."),
    "gram": Variable(
        ("receiver", *TX, "sent_antenna_2", "part"), "W", "Q: of what each transmitter sent, with itself."
    ),
    "energy": Variable(("receiver",), "W", "E: sum over antennas and snapshots of what was received, squared."),
    "n_samples": Variable(("receiver",), "1", "Complex samples in E."),
    "sensed_s": Variable(("transmitter",), "s", "When each transmitter sensed, from the middle of the CPI."),
    "truth_m": Variable(("target", "xy"), "m", "Where the targets were at the middle of the CPI."),
    "peb_m": Variable(("target",), "m", "Coherent bound of the position error, real free amplitudes; NaN: none."),
    "peb_structured_m": Variable(("target",), "m", "The same with structured amplitudes."),
    "received": Variable(("receiver", *SAMPLES), "W^(1/2)", "What was heard: echoes and noise, before quantisation."),
    "sent": Variable(
        ("transmitter", *SAMPLES), "W^(1/2)", "What the records of the transmitters say; 0 where nothing."
    ),
}
"""What a data set holds; the last two where echoes are asked for."""
ECHOES = ("received", "sent")
TOGETHER = Variable(
    ("receiver", *TX, "transmitter_2", "sent_antenna_2", "part"), "W", "Q: of what all transmitters sent, all pairs."
)
"""Q where transmitters are on the air together."""

Trial = dict[str, NDArray[Any]]


def observations(
    scenario: Scenario, seed: int = 1, n: int = 100, *, first: int = 0, echoes: bool = False, workers: int | None = 1
) -> "xr.Dataset":
    """Return statistics, truth, bounds and roles of some trials of a scenario.

    Parameters
    ----------
    scenario
        The scenario; what it leaves out is drawn anew in each trial, as positions of targets.
    seed
        Seed of all trials.
    n, first
        How many, and the number of the first.
    echoes
        Whether the samples are there, too.
    workers
        Processes; None: one for each core. The arrays are the same for any number.

    Raises
    ------
    ScenarioError
        If xarray is not installed, or a number is below 1.
    ValueError
        If a trial has no statistics, or not as many transmitters as others.
    """
    with extra("sweep", "a data set"):
        import xarray as xr
    made = each_realization(partial(_trial, scenario, seed, first, echoes), n, workers, "Trial")
    variables = {name: _stacked(name, [trial[name] for trial in made]) for name in made[0]}
    network, radio = _parts(scenario, seed, first)
    about = {
        "title": "Distributed MIMO sensing: statistics, truth and bounds of independent coherent processing intervals",
        "source": f"dmimo-isac {program_version()}, emulated",
        "scenario": dump(scenario),
        "base_seed": seed,
        "carrier_hz": network.carrier_hz,
        "noise_power_w": radio.noise_power_w,
        "illumination": radio.illumination,
    }
    return xr.Dataset(variables, coords={"trial": np.arange(first, first + n)}, attrs=about)


def split_of(seed: int) -> int:
    """Return in which split the trial of a seed is: it stays there, whatever trials are added.

    >>> [split_of(seed) for seed in range(12)].count(0) > 6
    True
    """
    place = Streams(seed).generator("dataset", "split").uniform()
    return int(np.searchsorted(np.cumsum([*SPLITS.values()])[:-1], place, side="right"))


def _parts(scenario: Scenario, seed: int, first: int) -> tuple[Any, Any]:
    """Return network and radio of a trial."""
    emulation = scenario.build(realization_seed(seed, first), estimator=None, tracing=False)
    return emulation.network, emulation.central.radio


def _stacked(name: str, arrays: Sequence[NDArray[Any]]) -> tuple[tuple[str, ...], NDArray[Any], dict[str, str]]:
    """Return the variable of all trials, with its dimensions and what is told of it."""
    if len(shapes := {array.shape for array in arrays}) > 1:
        raise ValueError(f"{name} has other shapes in other trials, {sorted(shapes)}: take a selector of fixed numbers")
    variable = TOGETHER if name == "gram" and arrays[0].ndim == len(TOGETHER.dims) else VARIABLES[name]
    about = {"units": variable.unit, "long_name": variable.about}
    return ("trial", *variable.dims), np.stack(arrays), about


def _trial(scenario: Scenario, seed: int, first: int, echoes: bool, index: int) -> Trial:
    """Return the arrays of a trial."""
    own = realization_seed(seed, first + index)
    emulation = scenario.build(own, estimator=None, tracing=False)
    recording = record_iq(emulation) if echoes else None
    cpi = next(cpi for cpi in emulation.cpis(MOST_PILOTS) if not cpi.has_pilots)
    found = {"seed": np.array(own), "split": np.array(split_of(own), dtype=np.int8)}
    found |= _roles(emulation, cpi) | _statistics(cpi)
    found |= {"truth_m": cpi.truth_m, "peb_m": cpi.peb_m, "peb_structured_m": cpi.peb_structured_m}
    return found if recording is None else found | _samples(recording, cpi)


def _roles(emulation: Emulation, cpi: CpiResult) -> Trial:
    network, assignment = emulation.network, cpi.assignment
    return {
        "mode": np.array([MODES.index(mode) for mode in assignment.modes], dtype=np.int8),
        "ap_position_m": network.ap_positions_m,
        "boresight_rad": network.boresights_rad,
        "receivers": assignment.receivers,
        "transmitters": assignment.transmitters,
    }


def _statistics(cpi: CpiResult) -> Trial:
    seen = cpi.observation
    if seen is None:
        why = "receivers sum maps" if cpi.area_map is not None else f"no report was fused in CPI {cpi.index}"
        raise ValueError(f"there are no statistics: {why}; take another split, or links that lose less")
    return {
        "cross": _in_parts(seen.cross),
        "gram": _in_parts(_of_each_receiver(seen)),
        "energy": seen.energy,
        "n_samples": seen.n_samples,
        "sensed_s": seen.sensed_s if seen.sensed_s is not None else np.zeros(seen.gram.n_tx),
    }


def _of_each_receiver(seen: Observation) -> NDArray[Any]:
    """Return Q of each receiver, also where all share one."""
    values = seen.gram.values
    return np.broadcast_to(values, (len(seen.energy), *values.shape[1:]))


def _in_parts(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return complex numbers as real and imaginary part along a last axis."""
    return np.stack([values.real, values.imag], axis=-1)


def _samples(recording: Recording, cpi: CpiResult) -> Trial:
    """Return what the receivers heard, and what the transmitters say that they sent, 0 where there is nothing."""
    names = recording.network.ap_names
    rows = (Stream.RECEIVED, cpi.assignment.receivers), (Stream.RECORD, cpi.assignment.transmitters)
    return {
        name: _in_parts(np.array([_of_stream(recording, names[ap], stream, cpi.index) for ap in aps]))
        for name, (stream, aps) in zip(ECHOES, rows, strict=True)
    }


def _of_stream(recording: Recording, ap: str, stream: Stream, cpi: int) -> NDArray[Any]:
    """Return the samples of an access point in a CPI, shape (n_slots, N, n_snapshots)."""
    frame = recording.frame
    whole = np.zeros((frame.n_slots, recording.network.n_antennas, frame.n_snapshots), dtype=complex)
    for slot, samples in recording.streams.get((ap, stream), []):
        if slot.cpi == cpi:
            whole[slot.position, : len(samples)] = samples
    return whole
