"""The fronthaul as a GraphML file: defaults of keys, attributes, names of nodes, and where files are sought."""

import gzip
import json
import math
import os
import resource
import time
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from typer.testing import CliRunner

from emulator.media.link_attributes import windows_ns
from scenarios.commands.cli import app
from scenarios.file.build import fronthaul_graph
from scenarios.file.files import dump, load
from scenarios.file.graphml import FORMS, graph_text, read_graph, write_graph
from scenarios.file.problems import ScenarioError
from scenarios.file.remarks import remarks
from scenarios.file.scenario import Scenario

NAMES = ("central", *(f"ap-{i}" for i in range(12)))
HEAD = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:y="http://www.yworks.com/xml/graphml">'


def key(name, kind="double", default=None, use="edge", odd=""):
    said = "" if default is None else f"<default>{default}</default>"
    return f'<key id="{name}" for="{use}" attr.name="{name}" attr.type="{kind}" {odd}>{said}</key>'


def edge(end, **data):
    said = "".join(f'<data key="{name}">{value}</data>' for name, value in data.items())
    return f'<edge source="central" target="{end}">{said}</edge>'


def site(keys="", edges=None, nodes=None):
    """Return a star of twelve APs as GraphML."""
    nodes = nodes or "".join(f'<node id="{name}"/>' for name in NAMES)
    edges = edges or "".join(edge(name) for name in NAMES[1:])
    return f'{HEAD}{keys}<graph edgedefault="undirected">{nodes}{edges}</graph></graphml>'


def star_with(**data):
    """Return edges of a star of which the first says something."""
    return edge("ap-0", **data) + "".join(edge(name) for name in NAMES[2:])


@pytest.fixture
def written(tmp_path):
    """Write a text as a file, and return its path."""

    def write(text, name="net.graphml"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return write


def graph_of(path, **overrides):
    keys = {f"fronthaul.{name}": value for name, value in overrides.items()}
    return fronthaul_graph(load("paper", {"fronthaul.topology": str(path), **keys}))


# -- what edges say ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["edge", "all"])
def test_the_default_of_a_key_holds_for_edges_that_say_nothing(written, use):
    """1 kbit/s by default; an edge's own rate goes before it, and it before the rate of the scenario."""
    keys = key("rate_bit_s", default="1000", use=use) + key("queue_bits", "int", default="5000", use=use)
    graph = graph_of(written(site(keys, star_with(rate_bit_s="2e9"))), rate_bit_s=1e6, latency_s=3e-6)
    assert graph.edges["ap-0", "central"] == {"rate_bit_s": 2e9, "queue_bits": 5000, "latency_s": 3e-6,
                                              "loss_probability": 0.0, "jitter_s": 0.0}  # fmt: skip
    assert graph.edges["central", "ap-5"]["rate_bit_s"] == 1000.0


def test_the_default_of_a_key_is_felt(small, written):
    """A report of 1 kbit/s takes seconds: none comes in time."""
    text = nx.generate_graphml(nx.star_graph(["central", *(f"ap-{i}" for i in range(6))]))
    whole = "\n".join(text).replace("<graph ", key("rate_bit_s", default="1000") + "<graph ")
    slow = small({"fronthaul.topology": str(written(whole))}).build(estimator=None).run(1)
    assert slow.cpis[0].reports_fused == 0


@pytest.mark.parametrize(
    ("name", "meant"),
    [("bandwidth", "rate_bit_s"), ("capacity", "rate_bit_s"), ("rate", "rate_bit_s"), ("delay", "latency_s"),
     ("loss", "loss_probability"), ("loss_rate", "loss_probability"), ("Latency_ms", "latency_s"),
     ("queue", "queue_bits"), ("rate_bits", "rate_bit_s"), ("mtu", None)],
)  # fmt: skip
@pytest.mark.parametrize("by", ["default", "edge"])
def test_attributes_that_no_link_has_are_refused(written, name, meant, by):
    keys = key(name, default="1" if by == "default" else None)
    edges = star_with(**{name: 1}) if by == "edge" else None
    with pytest.raises(ScenarioError) as caught:
        graph_of(written(site(keys, edges)))
    (problem,) = caught.value.problems
    assert f'the attribute "{name}" of the link central-ap-0' in problem
    assert "here: rate_bit_s, latency_s, queue_bits, loss_probability" in problem
    assert meant is None or f'did you mean "{meant}"' in problem
    assert ("and of 11 more" in problem) == (by == "default")


def test_attributes_of_drawing_programs_are_left_out(written):
    keys = "".join(key(name, "string", default="1") for name in ("weight", "color", "Edge Label", "description"))
    yed = '<key id="d9" for="edge" yfiles.type="edgegraphics"/>'
    line = "<y:PolyLineEdge><y:LineStyle color='#000000'/><y:EdgeLabel>fibre</y:EdgeLabel></y:PolyLineEdge>"
    graph = graph_of(written(site(keys + yed, star_with(d9=line))))
    assert set(graph.edges["ap-0", "central"]) == {"rate_bit_s", "latency_s", "loss_probability", "jitter_s"}
    told = remarks(load("paper", {"fronthaul.topology": written(site(keys + yed, star_with(d9=line)))}))
    assert [text.rpartition(": ")[2] for text in told] == ["Edge Label, color, description, label, weight"]
    assert remarks(load("paper", {"fronthaul.topology": written(site())})) == []


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [("rate_bit_s", "double", "NaN"), ("rate_bit_s", "double", "0"), ("rate_bit_s", "double", "-1"),
     ("rate_bit_s", "string", "1e9"), ("rate_bit_s", "boolean", "true"), ("rate_bit_s", "double", ""),
     ("latency_s", "double", "NaN"), ("latency_s", "double", "INF"), ("latency_s", "double", "-1e-9"),
     ("queue_bits", "int", "0"), ("loss_probability", "double", "1.01")],
)  # fmt: skip
def test_values_out_of_range_name_the_link_once(written, name, kind, value):
    with pytest.raises(ScenarioError) as caught:
        graph_of(written(site(key(name, kind), star_with(**{name: value}))))
    (problem,) = caught.value.problems
    assert f"{name} of the link central-ap-0 is " in problem
    assert "allowed: a number" in problem


def test_a_rate_may_be_infinite(written):
    assert graph_of(written(site(key("rate_bit_s", default="INF")))).edges["ap-0", "central"]["rate_bit_s"] == math.inf


@pytest.mark.parametrize("default", ["fast", ""])
def test_a_default_that_is_no_number_is_refused(written, default):
    with pytest.raises(ScenarioError, match="cannot be read as GraphML"):
        graph_of(written(site(key("rate_bit_s", default=default))))


def test_two_keys_of_one_name_have_one_default(written):
    twice = key("rate_bit_s", default="1000") + key("rate_bit_s", default="{}").replace('id="rate_bit_s"', 'id="other"')
    with pytest.raises(ScenarioError, match=r"two keys rate_bit_s have the defaults 1000\.0 and 2000\.0; give one"):
        graph_of(written(site(twice.format(2000))))
    assert graph_of(written(site(twice.format("1e3")))).edges["ap-0", "central"]["rate_bit_s"] == 1000.0


def notes_on(path):
    return [text.rpartition("net.graphml: ")[2] for text in remarks(load("paper", {"fronthaul.topology": path}))]


@pytest.mark.parametrize(
    ("use", "default", "of"),
    [("node", "1e9", ""), ("graph", None, "graph"), ("node", None, "node"), ("all", None, "node"), ("edge", "1e9", "")],
)
def test_what_nodes_or_the_graph_say_of_links_is_noted(written, use, default, of):
    text, data = site(key("rate_bit_s", default=default, use=use)), '<data key="rate_bit_s">5</data>'
    places = {
        "": text,
        "node": text.replace('<node id="ap-0"/>', f'<node id="ap-0">{data}</node>'),
        "graph": text.replace('"undirected">', f'"undirected">{data}'),
    }
    note = "attributes of links are ignored where nodes or the graph have them: rate_bit_s"
    assert notes_on(written(places[of])) == ([note] if use != "edge" else [])


def test_an_access_point_that_the_scenario_lacks_is_noted(written):
    nodes = "".join(f'<node id="{name}"/>' for name in (*NAMES, "ap-12", "sw-1"))
    edges = star_with() + edge("ap-12") + edge("sw-1")
    assert notes_on(written(site(nodes=nodes, edges=edges))) == [
        "taken as switches, as the scenario has ap-0 to ap-11 alone: ap-12"
    ]


# -- names of nodes ---------------------------------------------------------------------------------------------------


def test_labels_are_names_where_a_drawing_program_numbered_the_nodes(written):
    keys = '<key id="d6" for="node" yfiles.type="nodegraphics"/>'
    nodes = "".join(
        f'<node id="n{i}"><data key="d6"><y:ShapeNode><y:NodeLabel>\n{name} </y:NodeLabel></y:ShapeNode></data></node>'
        for i, name in enumerate(NAMES)
    )
    edges = "".join(f'<edge source="n0" target="n{i}"/>' for i in range(1, 13))
    assert set(graph_of(written(site(keys, edges, nodes)))) == set(NAMES)
    twice = nodes.replace("ap-11", "ap-10")
    with pytest.raises(ScenarioError, match="lacks the nodes central"):
        graph_of(written(site(keys, edges, twice)))


def test_a_switch_may_bear_any_name(small, written):
    graph = nx.star_graph(["central", *(f"ap-{i}" for i in range(1, 6))])
    nx.add_path(graph, ("ap-0", "sw-1²3", "central"))
    path = written("\n".join(nx.generate_graphml(graph)))
    assert small({"fronthaul.topology": str(path)}).build(estimator=None).run(1).cpis[0].reports_fused == 9


def test_a_name_that_reads_as_a_link_is_refused(written):
    graph = nx.star_graph(["central", *NAMES[2:]])
    nx.add_path(graph, ("ap-0", "sw->1", "central"))
    with pytest.raises(ScenarioError, match="sw->1"):
        graph_of(written("\n".join(nx.generate_graphml(graph))))


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["NET.GRAPHML", "net.xml", "net", "net.graphml.gz", "net.graphmlz", "NET.GZ", "ät²"])
def test_the_content_of_a_file_counts_and_not_its_suffix(written, name):
    data = site().encode()
    path = written(gzip.compress(data, mtime=0) if "z" in name.lower() else data, name)
    assert set(graph_of(path)) == set(NAMES)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [("net.xml", b"<html><body/></html>", "cannot be read as GraphML"),
     ("net.graphml", b"", "neither GraphML nor node-link JSON: it is empty"),
     ("net.graphml.gz", gzip.compress(b"hello", mtime=0), "neither GraphML nor .*: it begins with b'hello'"),
     ("net.graphml.gz", gzip.compress(site().encode(), mtime=0)[:-9], "cannot be unpacked: EOFError"),
     ("net.graphml", b"\xff\xfe\x00", "neither GraphML nor node-link JSON: it is empty"),
     ("net.toml", b"[fronthaul]\n", "neither GraphML nor node-link JSON: it begins with b'.fronthaul"),
     ("net.graphml", site().replace("</graph>", "").encode(), "cannot be read as GraphML: ParseError")],
    ids=["html", "empty", "text in gzip", "cut gzip", "not text", "toml", "unclosed"],
)  # fmt: skip
def test_content_that_is_no_graph_is_refused(written, name, data, words):
    with pytest.raises(ScenarioError, match=words):
        graph_of(written(data, name))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", ["GraphML", "node-link JSON"])
def test_a_file_in_any_encoding_is_called_by_its_own_form_when_it_is_cut(written, form, encoding):
    whole = (site() if form == "GraphML" else JSON).encode(encoding)
    assert set(graph_of(written(whole, "net"))) == set(NAMES)
    for length in (20, 50, len(whole) // 2, len(whole) - 10):
        with pytest.raises(ScenarioError, match=f"cannot be read as {form}: "):
            graph_of(written(whole[:length], "net"))
        with pytest.raises(ScenarioError, match="cannot be unpacked: EOFError"):
            graph_of(written(gzip.compress(whole)[: 10 + length // 10], "net"))


@pytest.mark.parametrize("name", ["grid", "no/such.graphml", "", "a\0b", "x" * 5000, "net.xml"], ids=range(6))
def test_a_topology_that_is_neither_word_nor_file_is_refused(name):
    with pytest.raises(
        ScenarioError,
        match=r"star, ring, tree, stripe, mesh or the path of a GraphML or node-link JSON file.*no such file",
    ):
        load("paper", {"fronthaul.topology": name})


@pytest.mark.parametrize(("name", "what"), [(".", "a folder"), (os.sep, "a folder"), (os.devnull, "no regular file")])
def test_a_topology_that_is_no_file_is_called_what_it_is(name, what):
    with pytest.raises(ScenarioError, match=f"the path of a GraphML or node-link JSON file, and that is {what}$"):
        load("paper", {"fronthaul.topology": name})


def test_a_word_that_is_nearly_a_topology_is_recognised():
    with pytest.raises(ScenarioError, match=r'got "strype".*no such file; did you mean "stripe"\?'):
        load("paper", {"fronthaul.topology": "strype"})


@pytest.mark.parametrize("kind", ["double", "float", "int", "long", "boolean"])
def test_a_default_that_says_nothing_is_named(written, kind):
    with pytest.raises(ScenarioError, match="the <default> of the key latency_s is empty"):
        graph_of(written(site(key("latency_s", kind, default=""))))


def test_a_path_is_sought_in_the_working_directory_with_a_bundled_scenario(written, monkeypatch):
    path = written(site())
    monkeypatch.chdir(path.parent)
    scenario = load("paper", {"fronthaul.topology": path.name})
    monkeypatch.chdir("/")
    assert scenario.fronthaul.topology == str(path)
    assert set(fronthaul_graph(scenario.with_({"schedule.cpis": 2}))) == set(NAMES)
    assert load("paper", {"fronthaul.topology": path.relative_to("/")}) == scenario


def test_a_path_in_a_file_is_sought_beside_the_file(written, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    beside, other = written(site()), written(site(key("rate_bit_s", default="1e6")), "elsewhere/net.graphml")
    file = written('[fronthaul]\ntopology = "net.graphml"\n', "mine.toml")
    monkeypatch.chdir(other.parent)
    assert load(file).fronthaul.topology == str(beside)
    other.rename(other.parent / "set.graphml")
    assert load(file, {"fronthaul.topology": "set.graphml"}).fronthaul.topology == str(other.parent / "set.graphml")
    assert load(file, {"fronthaul.topology": "./net.graphml"}).fronthaul.topology == str(beside)


def test_a_path_may_be_given_as_a_path(written):
    path = written(site())
    by_key = load("paper", {"fronthaul.topology": path})
    assert f'topology = "{path}"' in dump(by_key)
    assert by_key == load("paper", {"fronthaul": {"topology": path, "latency_s": np.float64(25e-6)}})
    assert by_key == Scenario(fronthaul={"topology": path}) == load("paper").with_({"fronthaul.topology": path})
    assert load("paper", {"fronthaul.topology": Path("ring")}).fronthaul.topology == "ring"


# -- files of strangers -----------------------------------------------------------------------------------------------

ENTITY = '<!DOCTYPE graphml [<!ENTITY name "ap-0">]>'
TEN_FOLD = "".join(f'<!ENTITY a{i} "{10 * f"&a{i - 1};"}">' for i in range(1, 10))
LAUGHS = f'<!DOCTYPE graphml [<!ENTITY a0 "ha">{TEN_FOLD}]>'
MOST_S, MOST_RSS_KB = 3.0, 400 << 10


@pytest.fixture
def bounded():
    """Refuse a test that takes seconds of the processor, or hundreds of MB more than there were."""
    began_s, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - began_s < MOST_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_RSS_KB


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    ("declaration", "used"),
    [
        (ENTITY, "&name;"),
        (LAUGHS, "&a9;"),
        (f'<!DOCTYPE graphml [<!ENTITY a "{100_000 * "x"}">]>', 1000 * "&a;"),
        ('<!DOCTYPE graphml [<!ENTITY x SYSTEM "file:///SECRET">]>', "&x;"),
        ('<!DOCTYPE graphml [<!ENTITY % x SYSTEM "file:///SECRET"> %x;]>', ""),
        ('<!DOCTYPE graphml SYSTEM "file:///SECRET">', ""),
        ('<!DOCTYPE graphml PUBLIC "-//G//D" "http://127.0.0.1:9/graphml.dtd">', ""),
    ],
    ids=["entity", "billion laughs", "one long entity", "external", "parameter", "DTD in a file", "DTD elsewhere"],
)
def test_a_document_type_is_refused_before_anything_in_it_is_read(written, declaration, used, encoding):
    text = site(nodes="".join(f'<node id="{name}"/>' for name in NAMES) + f"<node id='n'><desc>{used}</desc></node>")
    secret = written("a word of mine", "secret.txt")
    whole = f'<?xml version="1.0" encoding="{encoding}"?>{declaration}{text}'.replace("/SECRET", str(secret))
    with pytest.raises(ScenarioError, match=r"declares a document type \(<!DOCTYPE graphml>\)") as refused:
        graph_of(written(whole.encode(encoding)))
    assert "a word of mine" not in str(refused.value)


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(
    "odd",
    [
        '<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="SECRET" parse="text"/>',
        '<locator xmlns:l="http://www.w3.org/1999/xlink" l:href="file://SECRET"/>',
        '<?xml-stylesheet href="file://SECRET"?>',
        "<desc>file://SECRET</desc>",
        20_000 * "<a>" + 20_000 * "</a>",
        200 * "<node id='x' yfiles.foldertype='group'><graph id='g' edgedefault='undirected'>"
        + 200 * "</graph></node>",
    ],
    ids=["XInclude", "XLink", "instruction", "text", "deep", "groups in groups"],
)
def test_other_files_that_an_element_names_are_not_read(written, odd):
    secret = written("a word of mine", "secret.txt")
    nodes = odd.replace("SECRET", str(secret)) + "".join(f'<node id="{name}"/>' for name in NAMES)
    graph = graph_of(written(site(nodes=nodes)))
    assert set(NAMES) <= set(graph)
    assert "a word of mine" not in repr(list(graph.nodes(data=True)))


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(
    ("keys", "edges", "words"),
    [
        (key("rate_bit_s", "int"), star_with(rate_bit_s=100_000 * "9"), "cannot be read as GraphML: ValueError"),
        (
            key("rate_bit_s", "double"),
            star_with(rate_bit_s="file:///etc/hostname"),
            "could not convert string to float",
        ),
        (key("down_s", "string"), star_with(down_s="__import__('os').abort()"), "down_s of the link central-ap-0"),
    ],
)
def test_values_of_graphml_are_numbers_or_refused(written, keys, edges, words):
    with pytest.raises(ScenarioError, match=words):
        graph_of(written(site(keys, edges)))


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("head", [b"<graphml>", b"{", b""])
def test_a_small_file_that_unpacks_to_much_is_refused(written, head):
    """To 4 GiB."""
    packed = gzip.compress(head) + 4096 * gzip.compress(b" " * (1 << 20))
    with pytest.raises(ScenarioError, match="more than 16777216 bytes when unpacked"):
        graph_of(written(packed, "net.graphml.gz"))


def test_a_file_that_is_too_long_is_refused(written):
    with pytest.raises(ScenarioError, match="more than 16777216 bytes"):
        graph_of(written(site() + " " * (16 << 20)))


JSON = json.dumps(nx.node_link_data(nx.star_graph(NAMES), edges="edges"))
FIRST = '"target": "ap-0"'


def json_with(said):
    """Return a star as node-link JSON, of which the first link says something."""
    assert FIRST in JSON
    return JSON.replace(FIRST, f"{FIRST}, {said}")


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json_with('"rate_bit_s": 1e9, "rate_bit_s": 5'), 'the key "rate_bit_s" stands twice in one object'),
        (JSON[:-1] + ', "edges": []}', 'the key "edges" stands twice in one object'),
        (json_with(f'"label": {15 * "["}{15 * "]"}'), "nest in more than 10 levels"),
        (json_with(f'"label": {900 * "["}{900 * "]"}'), "nest in more than 10 levels"),
        (json_with(f'"label": {200_000 * "["}{200_000 * "]"}'), "cannot be read as node-link JSON: RecursionError"),
        (f'{{"nodes": {200_000 * "["}', "cannot be read as node-link JSON: RecursionError"),
        (json_with(f'"rate_bit_s": {100_000 * "9"}'), "node-link JSON: ValueError: Exceeds the limit"),
        (json_with('"rate_bit_s": NaN'), "rate_bit_s of the link central-ap-0 is nan"),
        (json_with('"latency_s": Infinity'), "latency_s of the link central-ap-0 is inf"),
        (json_with('"latency_s": 1e999'), "latency_s of the link central-ap-0 is inf"),
        (json_with(f'"latency_s": {4000 * "9"}'), "latency_s of the link central-ap-0 is inf"),
        (json_with('"down_s": [[NaN, 1]]'), "down_s of the link central-ap-0"),
        (JSON.replace('{"id": "ap-3"}', '{"id": {"a": 1}}'), "cannot be read as node-link JSON: TypeError"),
        (JSON.replace('"edges": [', '"edges": [5, '), "cannot be read as node-link JSON: TypeError"),
        (json_with('"py/object": "os.system"'), 'the attribute "py/object" of the link central-ap-0'),
    ],
    ids=["twice", "links twice", "15 deep", "900 deep", "very deep", "unclosed", "digits", "NaN", "Infinity", "1e999",
         "large", "NaN in a window", "identifier", "link", "object"],
)  # fmt: skip
def test_json_that_is_odd_is_refused_in_words(written, text, words):
    with pytest.raises(ScenarioError) as refused:
        graph_of(written(text, "net.json"))
    assert words in str(refused.value)
    assert len(str(refused.value)) < 1000


def test_what_json_names_beside_links_is_not_followed(written):
    secret = written("a word of mine", "secret.txt")
    node = f'{{"id": "ap-3", "$ref": "file://{secret}", "py/object": "os.system", "__class__": "X"}}'
    graph = graph_of(written(JSON.replace('{"id": "ap-3"}', node), "net.json"))
    assert set(graph) == set(NAMES)
    assert graph_of(written(json_with(f'"rate_bit_s": {4000 * "9"}'), "net.json")), "as good as infinite"


# -- out --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("topology", ["star", "ring", "tree", "stripe", "mesh"])
def test_a_graph_that_is_written_is_read_back_the_same(form, topology, tmp_path):
    graph = fronthaul_graph(load("paper", {"fronthaul.topology": topology}))
    link = next(iter(graph.edges))
    graph.edges[link].update(rate_bit_s=1e6, queue_bits=5e5, down_s=[(1e-3, 2.5e-3), (0.1, 1.0)])
    write_graph(graph, tmp_path / f"net{form}")
    back = graph_of(tmp_path / f"net{form}", latency_s=1.0)
    assert nx.utils.nodes_equal(graph.nodes(data=True), back.nodes(data=True))
    windows = [edge.pop("down_s") for edge in (graph.edges[link], back.edges[link])]
    assert windows_ns(windows[0]) == windows_ns(windows[1]) == ((1_000_000, 2_500_000), (100_000_000, 1_000_000_000))
    assert nx.utils.edges_equal(graph.edges(data=True), back.edges(data=True), directed=True)


def test_a_graph_is_written_in_forms_that_are_known_and_can_hold_it(tmp_path):
    graph = nx.DiGraph([("central", "ap-0", {"rate_bit_s": math.inf})])
    with pytest.raises(ValueError, match=r"ends in \.graphml or \.json"):
        write_graph(graph, tmp_path / "net.dot")
    with pytest.raises(ValueError, match="no infinite numbers"):
        write_graph(graph, tmp_path / "net.json")
    write_graph(graph, tmp_path / "net.graphml")
    assert read_graph(str(tmp_path / "net.graphml")).edges["central", "ap-0"] == {"rate_bit_s": math.inf}


def test_the_command_writes_a_graph_that_a_scenario_takes(tmp_path):
    out = tmp_path / "net.graphml"
    done = CliRunner().invoke(app, ["graph", "paper", "--out", str(out), "--set", 'fronthaul.topology="ring"'])
    assert done.exit_code == 0
    ring = fronthaul_graph(load("paper", {"fronthaul.topology": "ring"}))
    assert ring.adj == graph_of(out).adj  # what GraphML says of the whole graph is its own
    refused = CliRunner().invoke(app, ["graph", "paper", "--out", str(tmp_path / "net.svg")])
    assert refused.exit_code == 2


@pytest.mark.parametrize("odd", ["\x0b", "\x00", "\ud800"])
def test_a_name_that_no_file_can_hold_is_refused(written, odd):
    graph = nx.star_graph(["central", *NAMES[2:]])
    nx.add_path(graph, ("ap-0", f"sw{odd}1", "central"))
    with pytest.raises(ScenarioError, match="has a character that XML cannot hold"):
        graph_of(written(json.dumps(nx.node_link_data(graph, edges="edges"))))
    with pytest.raises(ValueError, match="write JSON"):
        graph_text(graph.to_directed(), ".graphml")
