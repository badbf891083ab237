"""How things show themselves: short and true in a terminal, a table and a picture in a notebook, arrays and figures."""

import builtins
import re
import subprocess
import sys
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from PIL import Image
from rich.console import Console

from models.network import Network
from scenarios.output import markup
from scenarios.output.gallery import PICTURES
from scenarios.output.metrics import METRICS

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def emulation():
    from scenarios import load
    from tests.conftest import SMALL

    return load("paper", SMALL).build(seed=1)


@pytest.fixture(scope="module")
def result(emulation):
    return emulation.run(3)


class Balance(HTMLParser):
    """Counts tags that are open, and gathers the text."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.tags, self.pictures = [], [], set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "img":
            self.pictures.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def parsed(text):
    page = Balance()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


# -- in a terminal ----------------------------------------------------------------------------------------------------


def test_what_stands_in_a_terminal_is_one_true_line(small, result):
    assert repr(small()) == str(small()) == "Scenario(6 APs, 3 of them receiving, 3 UEs, 2 targets, 5 CPIs)"
    fresh = small().build(seed=7)
    assert repr(fresh) == "Emulation(6 APs, 3 UEs, 2 targets, seed 7: 0 slots until 0.000 ms)"
    cpi = result.cpis[0]
    count = cpi.score.status.count("resolved")
    assert repr(cpi).startswith(f"CpiResult(CPI 0: {count} of 2 targets resolved, sum SE {cpi.se_bit_s_hz.sum():.2f} ")
    assert repr(cpi).endswith("9 of 9 reports fused)")


# -- to rich ----------------------------------------------------------------------------------------------------------


def printed(shown, width=200):
    file = StringIO()
    Console(file=file, width=width, color_system=None).print(shown)
    return file.getvalue()


def test_rich_prints_the_tables_of_a_notebook(small, emulation, result):
    for shown in (small({"radio.transmit_power_dbm": 20}), emulation, result, result.cpis[0], result.cpis[-1]):
        text = printed(shown)
        for said in parsed(shown._repr_html_()).texts:
            assert said.strip() in text
    assert printed(small().build().run(0)).startswith("RunResult(0 CPIs")


def test_what_rich_prints_is_cut_nowhere_and_is_no_markup(small, result):
    assert max(map(len, printed(result, 60).splitlines())) <= 60
    assert "…" not in printed(result, 60)
    kind = type("[red]Odd[/red]", (type(small().build().central),), {})
    assert "[red]Odd[/red]" in printed(small().build(central=kind))


# -- in a notebook ----------------------------------------------------------------------------------------------------


def test_a_run_shows_its_metrics_its_targets_and_a_map(result):
    page = parsed(result._repr_html_())
    assert "Run of 3 CPIs, 9 slots" in page.texts
    assert {"Sum spectral efficiency", "Reports fused", "27 of 27", "Targets in CPI 2"} <= set(page.texts)
    (picture,) = page.pictures
    kind, content = picture["src"].split(",")
    assert kind == "data:image/png;base64"
    with Image.open(BytesIO(b64decode(content))) as image:
        assert image.width < 700
        assert np.ptp(np.asarray(image.convert("L"))) > 100
    assert len(result._repr_html_()) < 100_000


def legends(figure):
    """Return what the legends of a figure name, those of its parts among them."""
    found = figure.findobj(Legend)
    return {text.get_text() for legend in found for text in legend.get_texts()}


def test_a_cpi_shows_its_targets_and_a_map_with_the_network_where_it_knows_it(result):
    last, earlier = result.cpis[-1], result.cpis[0]
    for cpi in (last, earlier):
        page = parsed(cpi._repr_html_())
        assert len(page.pictures) == 1
        assert f"Targets in CPI {cpi.index}" in page.texts
    assert {"target", "access point, transmit"} <= legends(last.plot())
    assert "target" in legends(earlier.plot())
    assert "access point, transmit" not in legends(earlier.plot())


@pytest.mark.parametrize("changes", [{"targets": []}, {"radio.transmit_power_dbm": -60.0}])
def test_a_cpi_in_which_nothing_is_found_shows_itself_too(small, changes):
    cpi = small(changes).build().run(2).cpis[0]
    assert cpi.observation is None
    assert isinstance(cpi.plot(), Figure)
    parsed(cpi._repr_html_())


def test_an_emulation_shows_who_is_in_it_and_where(emulation):
    page = parsed(emulation._repr_html_())
    assert {"6 access points", "AccessPoint", "2 targets", "Target"} <= set(page.texts)
    assert len(page.pictures) == 1


def test_a_scenario_shows_what_differs_from_the_papers(paper):
    page = parsed(paper({"radio.transmit_power_dbm": 20, "oscillators.preset": "ocxo"})._repr_html_())
    at = page.texts.index("radio.transmit_power_dbm")
    assert page.texts[at : at + 3] == ["radio.transmit_power_dbm", "20.0", "30.0"]
    assert "oscillators.preset" in page.texts
    assert "radio.carrier_hz" not in page.texts
    assert "nothing differs" in parsed(paper()._repr_html_()).texts


def test_an_empty_run_and_one_without_targets_show_themselves(small):
    assert "0 CPIs" in small().build().run(0)._repr_html_()
    parsed(small({"targets": []}).build().run(1)._repr_html_())


def test_names_are_text_and_no_part_of_the_page(small):
    nasty = "<script>alert(1)</script>"
    shown = markup.table(nasty, [(nasty, 1)], [nasty, nasty]) + markup.picture(b"", f'"{nasty}')
    assert parsed(shown).tags == {"p", "table", "tr", "th", "td", "img"}
    kind = type(nasty, (type(small().build().central),), {})
    page = parsed(small().build(central=kind)._repr_html_())
    assert "script" not in page.tags
    assert nasty in page.texts


def test_without_scenarios_there_is_no_picture_and_no_table():
    code = (
        "from emulator.shown import Shown, presenter\n"
        "assert Shown()._repr_html_() is None\n"
        "one = Shown()\nassert one.__rich__() == repr(one)\n"
        "try: presenter()\n"
        "except RuntimeError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "import scenarios, which does" in done.stdout


# -- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("picture", [name.removesuffix(".png") for name in PICTURES])
def test_every_picture_of_a_run_is_a_figure_that_shows_itself(result, picture):
    figure = result.plot(picture)
    assert isinstance(figure, Figure)
    with Image.open(BytesIO(figure._repr_png_())) as image:
        assert np.ptp(np.asarray(image.convert("L"))) > 100


def test_a_picture_that_is_not_there_is_refused_in_words(small, result):
    allowed = ", ".join(name.removesuffix(".png") for name in PICTURES)
    with pytest.raises(ValueError, match=re.escape(f"picture: got 'mapp'; allowed: {allowed}")):
        result.plot("mapp")
    with pytest.raises(ValueError, match='nothing to draw in the picture "timeline"'):
        small().build(tracing=False).run(1).plot("timeline")
    with pytest.raises(ValueError, match="no CPI was run"):
        small().build().run(0).plot()


# -- arrays -----------------------------------------------------------------------------------------------------------


def test_a_run_as_a_dataset_has_what_was_measured_by_name_and_unit(result):
    data = result.to_xarray()
    assert dict(data.sizes) == {"cpi": 3, "target": 2, "xy": 2, "xy_too": 2, "ue": 3}
    assert np.array_equal(data.error_m, result.errors_m, equal_nan=True)
    for number, cpi in enumerate(result.cpis):
        one = data.isel(cpi=number)
        assert np.array_equal(one.truth_m, cpi.truth_m)
        assert np.array_equal(one.se_bit_s_hz, cpi.se_bit_s_hz)
        assert one.status.values.tolist() == list(cpi.score.status)
        assert float(one.start_s) == 1e-9 * cpi.start_ns
        assert int(one.reports_fused) == cpi.reports_fused
    assert data.truth_m.sel(xy="x").dims == ("cpi", "target")
    assert data.se_bit_s_hz.sel(ue="ue-1").attrs["units"] == "bit/s/Hz"
    for metric in METRICS:
        if metric.name in data:
            assert data[metric.name].attrs.get("units", "") == metric.unit
    assert data.attrs["slots"] == 9


def test_a_cpi_as_a_dataset_is_that_cpi_of_the_run(result):
    one, of_run = result.cpis[1].to_xarray(), result.to_xarray().isel(cpi=1)
    assert dict(one.sizes) == dict(of_run.sizes)
    for name, values in of_run.data_vars.items():
        np.testing.assert_array_equal(one[name], values)
    assert int(one.cpi) == result.cpis[1].index
    assert "ue" not in one.coords, "a CPI does not know their names"


def test_what_was_missed_is_nan_in_a_dataset(small):
    weak = small({"radio.transmit_power_dbm": -60.0}).build().run(2).to_xarray()
    assert set(weak.status.values.ravel()) == {"missed"}
    assert weak.estimate_m.dims == ("cpi", "target", "xy")
    assert weak.covariance_m2.isnull().all()


@pytest.mark.parametrize(
    "changes",
    [
        {"targets": []},
        {"user_equipment.count": 0},
        {"calibration.kind": "direct-path", "calibration.period_s": 1e-3},
        {"oscillators.kind": "static", "oscillators.phase_std_rad": 0.1},
    ],
)
def test_a_dataset_is_made_of_any_run_and_comes_back_from_a_file(small, changes, tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    data = small(changes).build().run(3).to_xarray()
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as again:
        assert set(again.variables) == set(data.variables)
        for name, values in data.data_vars.items():
            assert again[name].shape == values.shape
        assert np.array_equal(again.sum_se_bit_s_hz, data.sum_se_bit_s_hz, equal_nan=True)


def test_an_empty_run_has_no_dataset(small):
    with pytest.raises(ValueError, match="no CPI"):
        small().build().run(0).to_xarray()


def test_without_xarray_the_extra_is_named(result, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "xarray":
            raise ModuleNotFoundError(name, name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=re.escape('pip install "dmimo-isac[sweep]"')):
        result.to_xarray()


# -- randomness -------------------------------------------------------------------------------------------------------


def seed(scenario, **given):
    return scenario.build(estimator=None, **given).streams.seed


def test_a_seed_is_drawn_from_what_numpy_makes_random_numbers_of(small):
    scenario = small()
    assert seed(scenario) == seed(scenario, seed=1) == 1
    assert seed(scenario, rng=7) == seed(scenario, rng=7) == seed(scenario, rng=np.random.SeedSequence(7))
    assert seed(scenario, rng=7) == seed(scenario, rng=np.random.default_rng(7)) != seed(scenario, rng=8)
    assert seed(scenario, rng=None) != seed(scenario, rng=None)


def test_a_generator_gives_one_seed_after_the_other_and_the_seed_gives_the_run_again(small):
    rng = np.random.default_rng(3)
    seeds = [seed(small(), rng=rng) for _ in range(4)]
    assert len(set(seeds)) == 4
    one, again = (small().build(**given) for given in ({"rng": np.random.default_rng(3)}, {"seed": seeds[0]}))
    assert isinstance(one.network, Network)
    assert np.array_equal(one.network.ap_positions_m, again.network.ap_positions_m)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seed": 1, "rng": 2}, "got both seed and rng; give one of them"),
        ({"rng": "seven"}, "rng: got 'seven'; give None, a whole number, a SeedSequence or a Generator"),
        ({"rng": -1}, "rng: got -1; give"),
        ({"rng": 1.5}, "rng: got 1.5; give"),
    ],
)
def test_what_is_no_source_of_random_numbers_is_refused(small, given, said):
    with pytest.raises(TypeError, match=re.escape(said)):
        small().build(**given)
