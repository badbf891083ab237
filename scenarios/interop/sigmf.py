"""Recordings as SigMF: of each access point and stream a file of samples and one that says what they are.

Samples are in the square root of a watt, antenna by antenna within a snapshot (``core:num_channels``). Each slot is a
capture segment, and an annotation; each CPI is an annotation, too. What SigMF has no word for stands under ``dmimo:``,
an extension that the files declare, of which docs/interop.md has the table.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emulator.slot import CpiPlan, Frame
from models.network import ModeAssignment, Network, Radio
from scenarios.interop.recording import Recording, Stream, Taken
from scenarios.output.folders import OutputFolder
from scenarios.version import SCHEMA_VERSION

__all__ = ["DATATYPES", "read_sigmf", "sigmf_files", "sigmf_names", "write_sigmf"]

DATATYPES = {"cf32_le": "<c8", "cf64_le": "<c16"}
"""Names of SigMF, and of NumPy."""
DATA, META = ".sigmf-data", ".sigmf-meta"
SPECIFICATION = "1.2.0"
EXTENSION = {"name": "dmimo", "version": f"{SCHEMA_VERSION}.0.0", "optional": True}
COMPARED = ("core:num_channels", "core:sample_rate")
"""What a file says beside all of ``dmimo:`` that a reader knows, too."""
ABOUT = {
    Stream.RECEIVED: "what an access point heard: echoes and its own noise",
    Stream.RADIATED: "what left the antennas of an access point",
    Stream.RECORD: "what an access point tells the central processor that it radiated, as far as it lights targets up",
}

Complex = NDArray[Any]
Json = dict[str, Any]


# -- out --------------------------------------------------------------------------------------------------------------


def sigmf_names(aps: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of all files that recordings of some access points may take."""
    return tuple(f"{ap}-{stream}{suffix}" for ap in aps for stream in Stream for suffix in (DATA, META))


def sigmf_files(recording: Recording, datatype: str = "cf32_le") -> dict[str, bytes]:
    """Return the files of a recording, by name.

    Parameters
    ----------
    recording
        The recording.
    datatype
        "cf32_le" for single precision, which every program reads, or "cf64_le" for all digits. Records are in single
        precision as they are sent.

    Raises
    ------
    ValueError
        If the datatype is another one.
    """
    if datatype not in DATATYPES:
        raise ValueError(f'datatype is "{datatype}": give {" or ".join(DATATYPES)}')
    files: dict[str, bytes] = {}
    for (ap, stream), taken in sorted(recording.streams.items()):
        own = "cf32_le" if stream is Stream.RECORD else datatype
        data = np.concatenate([samples for _, samples in taken], axis=1).T.astype(DATATYPES[own]).tobytes()
        meta = {
            "global": _about(recording, ap, stream, own) | {"core:sha512": hashlib.sha512(data).hexdigest()},
            "captures": list(_captures(recording, taken)),
            "annotations": _annotations(recording, taken),
        }
        files[f"{ap}-{stream}{DATA}"] = data
        files[f"{ap}-{stream}{META}"] = (json.dumps(meta, indent=1) + "\n").encode()
    return files


def write_sigmf(recording: Recording, folder: Path | str, datatype: str = "cf32_le") -> list[Path]:
    """Write the files of a recording to a folder, in the place of an earlier recording there, and return their paths.

    Raises
    ------
    ScenarioError
        If nothing can be written there, or a file of the same name is somebody else's.
    ValueError
        As ``sigmf_files``.
    """
    files = sigmf_files(recording, datatype)
    names = sigmf_names(recording.network.ap_names)
    out = OutputFolder(path=Path(folder), command="capture", names=names, settings={}, overwrite=True)
    out.check()
    return out.write(writers_of(files))


def writers_of(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what writes each of some files."""
    return {name: (lambda path, content=content: path.write_bytes(content)) for name, content in files.items()}


def _about(recording: Recording, ap: str, stream: Stream, datatype: str) -> Json:
    """Return what a stream says of itself as a whole."""
    network, radio, index = recording.network, recording.radio, recording.network.ap_names.index(ap)
    common = {
        "core:datatype": datatype,
        "core:version": SPECIFICATION,
        "core:num_channels": int(network.antennas[index]),
        "core:sample_rate": radio.bandwidth_hz,
        "core:recorder": "dmimo-isac",
        "core:hw": "emulated",
        "core:description": f"{ap}: {ABOUT[stream]}; in the square root of a watt",
        "core:extensions": [EXTENSION],
    }
    own = {
        "dmimo:node": ap,
        "dmimo:stream": str(stream),
        "dmimo:position_m": network.ap_positions_m[index].tolist(),
        "dmimo:boresight_rad": float(network.boresights_rad[index]),
        "dmimo:ap_names": list(network.ap_names),
        "dmimo:noise_power_w": radio.noise_power_w,
        "dmimo:illumination": radio.illumination,
        "dmimo:frame": asdict(recording.frame),
    }
    return common | own


def _captures(recording: Recording, taken: Taken) -> Iterator[Json]:
    for at, slot in _starts(taken):
        yield {
            "core:sample_start": at,
            "core:frequency": recording.network.carrier_hz,
            "dmimo:start_ns": slot.start_ns,
        }


def _starts(taken: Taken) -> Iterator[tuple[int, Any]]:
    """Yield the slots, each with the number of its first sample."""
    at = 0
    for slot, samples in taken:
        yield at, slot
        at += samples.shape[1]


def _annotations(recording: Recording, taken: Taken) -> list[Json]:
    """Return what is said of the CPIs and of their slots, in the order of samples, as SigMF asks for."""
    n_snapshots = recording.frame.n_snapshots
    found: list[Json] = []
    for cpi, group in groupby(_starts(taken), key=lambda one: one[1].cpi):
        slots = list(group)
        whole = {"core:sample_start": slots[0][0], "core:sample_count": len(slots) * n_snapshots}
        found.append(whole | _about_cpi(recording.plans[cpi]))
        for at, slot in slots:
            label = f"slot {slot.index}: {slot.sensing_transmitter} {'sends a pilot' if slot.is_pilot else 'senses'}"
            about = {"core:label": label, "dmimo:slot": slot.index}
            found.append({"core:sample_start": at, "core:sample_count": n_snapshots} | about)
    return found


def _about_cpi(plan: CpiPlan) -> Json:
    return {
        "core:label": f"CPI {plan.cpi}",
        "dmimo:cpi": plan.cpi,
        "dmimo:transmitters": list(plan.transmitters),
        "dmimo:receivers": list(plan.receivers),
        "dmimo:sensing_transmitters": [slot.sensing_transmitter for slot in plan.slots],
        "dmimo:has_pilots": plan.slots[0].is_pilot,
    }


# -- in ---------------------------------------------------------------------------------------------------------------


def read_sigmf(folder: Path | str, network: Network, radio: Radio) -> Recording:
    """Return the recording of the files of a folder.

    Parameters
    ----------
    folder
        Where ``write_sigmf`` or ``dmimo capture`` wrote.
    network, radio
        The survey and the air interface, as an emulation has them under ``network`` and ``central.radio``.

    Raises
    ------
    ValueError
        If there is no recording, one is of another survey, air interface or version, or stands there twice, or the
        samples are not those that its metadata speak of.
    """
    paths = sorted(Path(folder).glob(f"*{META}"))
    if not paths:
        raise ValueError(f'there is no {META} in "{folder}": give a folder of dmimo capture')
    recording: Recording | None = None
    for path in paths:
        try:
            recording = _with_stream(recording, path, network, radio)
        except ValueError as error:
            raise ValueError(f"{path.name} cannot be used: {error}") from error
        except (KeyError, IndexError, TypeError, OSError) as error:
            text = f"{type(error).__name__}: {error}"
            raise ValueError(f"{path.name} is none of a capture of this program: {text}") from error
    assert recording is not None, "there are paths"
    return recording


def _with_stream(recording: Recording | None, path: Path, network: Network, radio: Radio) -> Recording:
    """Return a recording with what a stream holds added, a new one for the first."""
    meta = json.loads(path.read_text(encoding="utf-8"))
    about = meta["global"]
    if tuple(about["dmimo:ap_names"]) != network.ap_names:
        raise ValueError("it is of another network: give that of the scenario it was captured from")
    recording = recording or Recording(network=network, radio=radio, frame=Frame(**about["dmimo:frame"]))
    _check_stream(recording, meta)
    _read_stream(recording, path, meta)
    return recording


def _check_stream(recording: Recording, meta: Json) -> None:
    """Refuse a stream of another survey, air interface, calendar or version, and a second one of the same."""
    about, names = meta["global"], recording.network.ap_names
    ap, stream, datatype = about["dmimo:node"], Stream(about["dmimo:stream"]), about["core:datatype"]
    if ap not in names or datatype not in DATATYPES:
        allowed = f"{names[0]} to {names[-1]}, {' or '.join(DATATYPES)}"
        raise ValueError(f"got samples of {ap} as {datatype}; allowed: {allowed}")
    if EXTENSION not in about["core:extensions"]:
        raise ValueError(f"it lacks {EXTENSION} among its core:extensions: capture it anew with this version")
    if (ap, stream) in recording.streams:
        raise ValueError(f"it is a second recording of {ap}, {stream}; keep one")
    own = _about(recording, ap, stream, datatype)
    for key in (key for key in own if key in COMPARED or key.startswith("dmimo:")):
        _check_same(key, about[key], own[key])
    for capture in meta["captures"]:
        _check_same("core:frequency", capture["core:frequency"], recording.network.carrier_hz)


def _check_same(key: str, got: Any, own: Any) -> None:
    if got != own:
        raise ValueError(f"{key} is {got}, and {own} in the scenario and the files before it: it is of another one")


def _read_stream(recording: Recording, path: Path, meta: Json) -> None:
    """Add what a stream holds to a recording."""
    about, n_slots = meta["global"], recording.frame.n_slots
    samples = _slot_by_slot(_samples(path.with_suffix(DATA), about), meta, recording.frame.n_snapshots)
    for note in meta["annotations"]:
        if "dmimo:cpi" in note:
            plan = _plan(recording, note)
            _check_same(f"CPI {plan.cpi}", _about_cpi(plan), _about_cpi(recording.plans.setdefault(plan.cpi, plan)))
        elif "dmimo:slot" in note:
            cpi, position = divmod(note["dmimo:slot"], n_slots)
            slot = recording.plans[cpi].slots[position]
            recording.take(about["dmimo:node"], Stream(about["dmimo:stream"]), slot, next(samples))


def _slot_by_slot(samples: Complex, meta: Json, n_snapshots: int) -> Iterator[Complex]:
    """Return the samples of each slot that is told of, shape (N, n_snapshots); nothing else may be there."""
    starts = [note["core:sample_start"] for note in meta["annotations"] if "dmimo:slot" in note]
    whole = len(starts) * n_snapshots
    if starts != list(range(0, whole, n_snapshots)) or len(samples) != whole:
        raise ValueError(f"its {len(samples)} samples are not the slots of {n_snapshots} that it tells of")
    return (samples[at:][:n_snapshots].T for at in starts)


def _samples(path: Path, about: Json) -> Complex:
    """Return the samples of a file, shape (n_samples, N), complete and as they were written."""
    data = path.read_bytes()
    if hashlib.sha512(data).hexdigest() != about["core:sha512"]:
        raise ValueError(f"{path.name} is not what its metadata speak of: its SHA-512 differs")
    samples = np.frombuffer(data, DATATYPES[about["core:datatype"]]).reshape(-1, about["core:num_channels"])
    if not np.isfinite(samples).all():
        raise ValueError(f"{path.name} holds samples that are not finite")
    return samples.astype(np.complex64 if about["dmimo:stream"] == Stream.RECORD else np.complex128)


def _plan(recording: Recording, note: Json) -> CpiPlan:
    """Return the plan of a CPI as far as a recording tells of it."""
    names, frame, cpi = recording.network.ap_names, recording.frame, note["dmimo:cpi"]
    sizes = recording.network.array_sizes
    return CpiPlan(
        cpi=cpi,
        assignment=_assignment(names, note),
        ap_names=names,
        slots=frame.slots(cpi, tuple(note["dmimo:sensing_transmitters"]), is_pilot=note["dmimo:has_pilots"]),
        deadline_ns=frame.cpi_start_ns(cpi + 1) + frame.deadline_ns,
        array_sizes=() if sizes is None else tuple(sizes.tolist()),
    )


def _assignment(names: tuple[str, ...], note: Json) -> ModeAssignment:
    indices = {name: i for i, name in enumerate(names)}
    roles = ("transmitters", "receivers", "sensing_transmitters")
    sending, hearing, _ = ([indices[name] for name in note[f"dmimo:{role}"]] for role in roles)
    return ModeAssignment.of(len(names), transmitters=sending, receivers=hearing)
