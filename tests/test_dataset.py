"""Data sets: arrays of independent trials, shards that are the same bytes whenever they are made, splits that stay."""

import importlib.util

import numpy as np
import pytest
from typer.testing import CliRunner

from models import Estimate, Observation
from models.estimation import GridEstimator
from models.radio.gram import Gram
from scenarios import load, observations, open_dataset
from scenarios.commands.cli import app
from scenarios.figures.common import realization_seed
from scenarios.file.problems import ScenarioError
from scenarios.interop.arrays import ECHOES, SPLITS, VARIABLES, split_of
from scenarios.interop.dataset import Dataset
from scenarios.version import program_version

pytestmark = pytest.mark.skipif(importlib.util.find_spec("h5netcdf") is None, reason="needs h5netcdf and xarray")

SMALL = {
    "access_points.count": 6,
    "access_points.n_antennas": 4,
    "user_equipment.count": 2,
    "schedule.n_receivers": 3,
}
EXACT = 1e-12


@pytest.fixture(scope="module")
def small():
    return load("paper", SMALL)


@pytest.fixture(scope="module")
def made(small):
    return observations(small, seed=3, n=6, echoes=True)


def complex_of(array):
    return array.values[..., 0] + 1j * array.values[..., 1]


def test_a_trial_is_what_a_run_of_its_seed_fuses_first(small, made):
    seed = realization_seed(3, 4)
    cpi = small.build(seed=seed, estimator=None).run(1).cpis[0]
    trial = made.isel(trial=4)
    assert int(trial["seed"]) == seed
    assert np.array_equal(complex_of(trial["cross"]), cpi.observation.cross)
    assert np.array_equal(complex_of(trial["gram"])[1], cpi.observation.gram.values[0])
    for name in ("energy", "n_samples", "sensed_s"):
        assert np.array_equal(trial[name], getattr(cpi.observation, name))
    for name in ("truth_m", "peb_m", "peb_structured_m"):
        assert np.array_equal(trial[name], getattr(cpi, name))
    assert np.array_equal(np.flatnonzero(trial["mode"] == 1), trial["receivers"])
    assert np.array_equal(np.flatnonzero(trial["mode"] == 0), trial["transmitters"])


def test_statistics_follow_from_the_samples_of_the_same_trial(made):
    """Z = sum y x^H, E = sum |y|^2: samples are before quantisation, of 16 bits here."""
    heard, sent = complex_of(made["received"]), complex_of(made["sent"])
    cross = np.einsum("arsnl,atsml->arntm", heard, sent.conj())
    scale = np.abs(cross).max()
    np.testing.assert_allclose(complex_of(made["cross"]), cross, atol=1e-3 * scale)
    np.testing.assert_allclose(made["energy"], (np.abs(heard) ** 2).sum(axis=(2, 3, 4)), rtol=1e-3)
    gram = np.einsum("atsnl,atsml->atnm", sent, sent.conj())
    np.testing.assert_allclose(complex_of(made["gram"])[:, 0], gram, rtol=1e-9, atol=EXACT * np.abs(gram).max())


def test_an_estimator_runs_on_what_is_read_back(small, made):
    """The arrays hold all that an observation is made of."""
    trial = made.isel(trial=2)
    emulation = small.build(seed=int(trial["seed"]), estimator=None)
    run = emulation.run(1).cpis[0]
    seen = Observation(
        network=emulation.network,
        area=emulation.area,
        assignment=run.assignment,
        cross=complex_of(trial["cross"]),
        gram=Gram(complex_of(trial["gram"])),
        energy=trial["energy"].values,
        n_samples=trial["n_samples"].values,
        noise_power_w=made.attrs["noise_power_w"],
    )
    found, expected = (GridEstimator(grid_step_m=25.0).estimate(one) for one in (seen, run.observation))
    assert isinstance(found, Estimate)
    np.testing.assert_allclose(found.positions_m, expected.positions_m)


def test_trials_do_not_depend_on_their_company(small, made):
    one = observations(small, seed=3, n=1, first=5, echoes=True)
    assert one.isel(trial=0).equals(made.isel(trial=5))
    assert observations(small, seed=3, n=2, workers=2).equals(made.drop_vars(ECHOES).isel(trial=slice(0, 2)))


def test_every_variable_says_its_unit_and_what_it_is(made):
    assert set(made.data_vars) == set(VARIABLES)
    assert all(array.attrs["units"] and array.attrs["long_name"] for array in made.data_vars.values())


@pytest.mark.parametrize(
    "overrides",
    [
        {"radio.illumination": "full"},
        {"access_points.node": [{"name": "ap-1", "n_antennas": 2}]},
        {"fronthaul.split": "statistics"},
        {"calibration.kind": "direct-path", "oscillators.preset": "white-rabbit-improved"},
        {"targets": []},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_other_scenarios_have_arrays_of_their_own(small, overrides):
    found = observations(small.with_(overrides), seed=1, n=2, echoes=True)
    assert np.isfinite(found["cross"]).all() and (found["n_samples"] > 0).all()
    pairs = 6 if overrides.get("radio.illumination") == "full" else 5
    assert found["gram"].ndim == pairs + 1


def test_what_has_no_statistics_is_refused(small):
    with pytest.raises(ValueError, match="receivers sum maps"):
        maps = {
            "fronthaul.split": "summed-map",
            "fronthaul.topology": "stripe",
            "estimator.kind": "map",
            "fronthaul.deadline_s": 5e-3,
        }
        observations(small.with_(maps), n=1)
    with pytest.raises(ValueError, match="no report was fused"):
        observations(small.with_({"fronthaul.loss_probability": 1.0}), n=1)


# -- splits -----------------------------------------------------------------------------------------------------------


def test_splits_have_their_shares_and_follow_from_the_seed_alone(made):
    counts = np.bincount([split_of(seed) for seed in range(4000)], minlength=len(SPLITS))
    for count, share in zip(counts, SPLITS.values(), strict=True):
        assert abs(count - 4000 * share) < 5 * np.sqrt(4000 * share * (1 - share))
    assert made["split"].values.tolist() == [split_of(int(seed)) for seed in made["seed"]]


# -- the folder -------------------------------------------------------------------------------------------------------


def dataset(scenario, folder, n_trials=4, **keys):
    return Dataset(scenario=scenario, folder=folder, n_trials=n_trials, **{"seed": 1, "per_shard": 2} | keys)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_data_set_that_grows_or_was_broken_off_has_the_same_bytes(small, tmp_path):
    list(dataset(small, tmp_path / "whole", 6).make())
    whole = content(tmp_path / "whole")
    assert sorted(whole) == ["README.md", "scenario.toml", *(f"shard-0000{i}.nc" for i in range(3))]
    list(dataset(small, tmp_path / "grown", 4).make())
    list(dataset(small, tmp_path / "grown", 6).make())
    next(dataset(small, tmp_path / "broken", 6).make())  # and never goes on
    (tmp_path / "broken" / "shard-00002.nc").unlink(missing_ok=True)
    list(dataset(small, tmp_path / "broken", 6).make(workers=2))
    assert content(tmp_path / "grown") == content(tmp_path / "broken") == whole


def test_shards_that_are_there_are_not_made_again(small, tmp_path):
    list(dataset(small, tmp_path).make())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    list(dataset(small, tmp_path).make())
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_other_settings_and_strangers_files_are_refused(small, tmp_path):
    list(dataset(small, tmp_path).make())
    with pytest.raises(ScenarioError, match="holds a result of other settings"):
        list(dataset(small, tmp_path, seed=2).make())
    with pytest.raises(ScenarioError, match="holds a result of other settings"):
        list(dataset(small, tmp_path, per_shard=4).make())
    (tmp_path / "shard-00007.nc").write_bytes(b"mine")
    with pytest.raises(ScenarioError, match=r"holds shard-00007\.nc, which this program did not write"):
        list(dataset(small, tmp_path).make())


def test_one_of_other_settings_goes_as_a_whole(small, tmp_path):
    list(dataset(small, tmp_path, 6).make())
    list(dataset(small, tmp_path, 2, seed=2, overwrite=True).make())
    assert sorted(content(tmp_path)) == ["README.md", "scenario.toml", "shard-00000.nc"]
    assert open_dataset(tmp_path).attrs["base_seed"] == 2


def test_a_shard_that_was_cut_is_named_and_not_taken_for_whole(small, tmp_path):
    list(dataset(small, tmp_path).make())
    whole = content(tmp_path)
    shard = tmp_path / "shard-00001.nc"
    shard.write_bytes(whole[shard.name][:3000])
    with pytest.raises(ValueError, match=r"shard-00001\.nc. cannot be read"):
        open_dataset(tmp_path)
    with pytest.raises(ScenarioError, match=r"shard-00001\.nc, which this program did not write, or which changed"):
        list(dataset(small, tmp_path).make())
    shard.unlink()
    list(dataset(small, tmp_path).make())
    assert content(tmp_path) == whole


def test_trials_fill_their_shards(small, tmp_path):
    with pytest.raises(ScenarioError, match="got 5; allowed: a multiple of the 2 trials of a shard"):
        dataset(small, tmp_path, 5)


def test_a_folder_is_opened_whole_or_by_split(small, tmp_path):
    list(dataset(small, tmp_path, 12, per_shard=6).make())
    whole = open_dataset(tmp_path)
    assert whole["trial"].values.tolist() == list(range(12))
    assert whole.equals(observations(small, seed=1, n=12))
    parts = [open_dataset(tmp_path, split).sizes["trial"] for split in SPLITS]
    assert sum(parts) == 12 and parts[0] == max(parts)
    with pytest.raises(ValueError, match="give train, validation, test"):
        open_dataset(tmp_path, "dev")
    with pytest.raises(ValueError, match="give a folder of dmimo dataset"):
        open_dataset(tmp_path / "nowhere")


def test_the_data_sheet_tells_of_every_variable_and_dimension(small, tmp_path):
    list(dataset(small, tmp_path, 2, echoes=True).make())
    sheet = (tmp_path / "README.md").read_text()
    there = open_dataset(tmp_path)
    for name, array in there.data_vars.items():
        assert f"| `{name}` | {', '.join(array.dims)} | {array.attrs['units']} |" in sheet
    assert all(f"| `{name}` | {n} |" in sheet for name, n in there.sizes.items() if name != "trial")
    assert "--seed 1 --shard 2 --trials N --echoes" in sheet and "**Licence.**" in sheet


def test_the_command(tmp_path):
    keys = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    out = str(tmp_path / "set")
    asked = ["dataset", "paper", "--trials", "2", "--shard", "2", "--workers", "1", "--out", out, *keys]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0 and "shard-00000.nc" in done.output
    assert CliRunner().invoke(app, [*asked, "--seed", "9"]).exit_code == 2


def test_the_version_of_the_program_counts_and_is_written_down(small, tmp_path, monkeypatch):
    list(dataset(small, tmp_path, 2).make())
    version = program_version()
    assert open_dataset(tmp_path).attrs["source"] == f"dmimo-isac {version}, emulated"
    assert f"dmimo-isac {version}" in (tmp_path / "README.md").read_text()
    monkeypatch.setattr("scenarios.interop.dataset.program_version", lambda: "9.9")
    with pytest.raises(ScenarioError, match=f'version: "{version}" there, "9.9" now'):
        list(dataset(small, tmp_path, 4).make())
