"""The fronthaul as a GraphML or node-link JSON file: which file, reading and writing it, and what is wrong with it.

JSON is what ``networkx.node_link_data`` gives, its links called "edges" or "links". The content counts,
not the suffix; it may be compressed with gzip. The ``<default>`` of a key holds for every edge that says nothing else.
Where a drawing program gave nodes identifiers of its own, as yEd does, their labels are their names.

A file is data, and may be a stranger's: it opens no other file, and is read in bounded time and memory. XML with a
document type, in which alone entities are declared, is refused as the declaration begins; XInclude and links to other
files are elements and attributes like others. JSON may not nest deeply, nor say a key twice.
"""

import gzip
import io
import json
import os
import re
import warnings
import xml.etree.ElementTree as ElementTree
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.media import TOPOLOGIES
from emulator.media.link_attributes import LINK_ATTRIBUTES, attribute_problems, drawing_attributes
from scenarios.file.plugins import found
from scenarios.file.problems import Problem, closest

if TYPE_CHECKING:
    import networkx as nx

__all__ = [
    "FORMS", "absolute", "graph_problems", "graph_remarks", "graph_text", "link_names", "read_graph", "write_graph",
]  # fmt: skip

_GZIP = b"\x1f\x8b"
_BEFORE_TEXT = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
"""Space, and what tells an encoding."""
MOST_BYTES = 16 << 20
"""Of a file, and of what it unpacks to: a star of 100 000 access points is half as long."""
DEEPEST = 10
"""Levels of lists and objects in JSON; windows of links, in the file's list of links, take five."""
FORMS = (".graphml", ".json")
"""How the name of a file that is written ends: its form."""
_NUMBERS = {"int": int, "long": int, "float": float, "double": float}
_AP_NAME = re.compile(r"ap-\d+")
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML, and in part no UTF-8, can hold."""
_TOPOLOGY = ("fronthaul.topology",)


def absolute(topology: str | os.PathLike[str], *folders: Path) -> str:
    """Return the path of a file, sought in these folders; a word that is no path as it is."""
    text = os.fspath(topology)
    paths = [os.path.abspath(folder / text) for folder in folders]
    found = next(filter(os.path.isfile, paths), None)
    return found or (paths[-1] if os.path.dirname(text) or os.path.splitext(text)[1] else text)


def read_graph(path: str) -> "nx.Graph":
    """Return the graph of a file, the defaults of its keys applied.

    Raises
    ------
    ValueError
        If the file cannot be read, is neither GraphML nor node-link JSON, or has parallel links; with the reason.
    """
    import networkx as nx

    data = _content(path)
    form, parse = _form(data)
    try:
        graph = parse(data)
    except Exception as error:
        raise ValueError(f"it cannot be read as {form}: {type(error).__name__}: {error}") from error
    if graph.is_multigraph():
        raise ValueError("it has parallel links, where one between two nodes is allowed")
    return nx.relabel_nodes(graph, _names(graph))


def _content(path: str) -> bytes:
    """Return what a file holds, unpacked."""
    packed = False
    try:
        with Path(path).open("rb") as file:
            packed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            data = (gzip.GzipFile(fileobj=file) if packed else file).read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"it cannot be {'unpacked' if packed else 'read'}: {type(error).__name__}: {error}") from error
    if len(data) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes{' when unpacked' if packed else ''}")
    return data


def _form(data: bytes) -> "tuple[str, Callable[[bytes], nx.Graph]]":
    """Return the form of a file, by the first character of its text in any encoding, and what reads it."""
    start = data.lstrip(_BEFORE_TEXT)
    if start[:1] == b"{":
        return "node-link JSON", _of_json
    if start[:1] == b"<":
        return "GraphML", _of_graphml
    begins = f"begins with {start[:12]!r}" if start else "is empty"
    raise ValueError(f"it is neither GraphML nor node-link JSON: it {begins}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, each key of which stands there once."""
    if twice := [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]:
        raise ValueError(f'the key "{twice[0]}" stands twice in one object; give it once')
    return dict(pairs)


def _is_deep(value: Any, levels: int) -> bool:
    """Return whether lists and objects nest in more levels than these."""
    inside = value.values() if isinstance(value, dict) else value
    return isinstance(value, dict | list) and (not levels or any(_is_deep(part, levels - 1) for part in inside))


def _of_json(data: bytes) -> "nx.Graph":
    import networkx as nx

    table = json.loads(data, object_pairs_hook=_unique)
    if _is_deep(table, DEEPEST):
        raise ValueError(f"lists and objects nest in more than {DEEPEST} levels")
    if "nodes" not in table or not {"edges", "links"} & table.keys():
        raise ValueError('it lacks "nodes", or "edges" or "links"')
    links = "links" if "links" in table else "edges"
    graph = nx.node_link_graph({**table, "multigraph": False}, edges=links)
    if graph.number_of_edges() < len(table[links]):
        return nx.node_link_graph({**table, "multigraph": True}, edges=links)
    return nx.relabel_nodes(graph, {node: str(node) for node in graph})


class _NoDocumentType(ElementTree.TreeBuilder):
    """Builds the tree of a document without a type, and so without entities of its own."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse a declaration as it begins, before anything in it is read."""
        raise ValueError(f"it declares a document type (<!DOCTYPE {name[:80]}>), which no GraphML needs; take it out")


def _of_graphml(data: bytes) -> "nx.Graph":
    import networkx as nx

    root = ElementTree.fromstring(data, ElementTree.XMLParser(target=_NoDocumentType()))
    _check_keys(root)
    with warnings.catch_warnings(action="ignore"):  # of what networkx leaves out, and no link has
        graph = nx.read_graphml(io.BytesIO(data))
    defaults = dict(_edge_defaults(root))
    for *_, edge in graph.edges(data=True):
        edge.update(defaults | edge)
    return graph


def write_graph(graph: "nx.DiGraph", path: str | os.PathLike[str]) -> None:
    """Write a graph as GraphML or as node-link JSON, as the path ends; reading it gives the same graph.

    Raises
    ------
    ValueError
        If the path ends otherwise, or the graph holds what the form has no word for.
    """
    Path(path).write_text(graph_text(graph, Path(path).suffix), encoding="utf-8")


def graph_text(graph: "nx.DiGraph", form: str) -> str:
    """Return a graph as the text of a file in one of the `FORMS`; raises as ``write_graph``."""
    import networkx as nx

    if form == ".json":
        try:
            return json.dumps(nx.node_link_data(graph, edges="edges"), indent=1, allow_nan=False) + "\n"
        except ValueError as error:
            raise ValueError("JSON has no infinite numbers: leave the attribute out, or write GraphML") from error
    if form != ".graphml":
        raise ValueError(f'the form "{form}" is unknown: give a path that ends in {" or ".join(FORMS)}')
    if odd := [node for node in map(str, graph) if _UNWRITABLE.search(node)]:
        raise ValueError(f"the name of the node {odd[0]!a} has a character that XML cannot hold: write JSON")
    return "\n".join(nx.generate_graphml(_with_windows_as_text(graph))) + "\n"


def _with_windows_as_text(graph: "nx.DiGraph") -> "nx.DiGraph":
    """Return a graph with lists of windows as text, as GraphML has no lists."""
    other = graph.copy()
    for *_, edge in other.edges(data=True):
        if isinstance(edge.get("down_s"), list | tuple):
            edge["down_s"] = "; ".join(f"{start!r}-{end!r}" for start, end in edge["down_s"])
    return other


def link_names(topology: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the links of a topology of some access points, a path or one of the names; () if it has none.

    What is wrong with a file is said of the topology, by ``graph_problems``. Those of a mesh rest on where the access
    points are: there are none to tell without.
    """
    from emulator.messages import ARROW

    if topology == "mesh":
        return ()
    try:
        graph = found(TOPOLOGIES[topology])(names) if topology in TOPOLOGIES else read_graph(topology)
    except ValueError:
        return ()
    return tuple(ARROW.join(ends) for ends in graph.to_directed().edges)


def _check_keys(root: ElementTree.Element) -> None:
    if empty := _empty_defaults(root):
        raise ValueError(f"the <default> of the key {', '.join(empty)} is empty, where a number is needed")
    found: dict[str, Any] = {}
    for name, value in _edge_defaults(root):
        if name in LINK_ATTRIBUTES and found.setdefault(name, value) != value:
            raise ValueError(f"two keys {name} have the defaults {found[name]!r} and {value!r}; give one")


def _empty_defaults(root: ElementTree.Element) -> list[str]:
    """Return the names of the keys of numbers and switches whose default says nothing."""
    keys = [key for key in root.iterfind("{*}key") if key.get("attr.type") in (*_NUMBERS, "boolean")]
    defaults = ((key.get("attr.name", ""), key.find("{*}default")) for key in keys)
    return [name for name, default in defaults if default is not None and not (default.text or "").strip()]


def _edge_defaults(root: ElementTree.Element) -> Iterator[tuple[str, Any]]:
    """Yield what edges say that say nothing themselves: name and value."""
    for key in root.iterfind("{*}key"):
        default, name = key.find("{*}default"), key.get("attr.name")
        if default is not None and name is not None and key.get("for", "all") in ("edge", "all"):
            yield name, _NUMBERS.get(key.get("attr.type", ""), str)(default.text or "")


def _names(graph: "nx.Graph") -> dict[str, str]:
    """Return the names of the nodes: identifiers, or labels if one of those is the central processor's."""
    from emulator.messages import CENTRAL

    labels = {node: str(label or "").strip() or node for node, label in graph.nodes(data="label")}
    by_label = CENTRAL not in graph and CENTRAL in labels.values() and len(set(labels.values())) == len(graph)
    return labels if by_label else {}


def graph_problems(path: str, names: tuple[str, ...], words: tuple[str, ...]) -> Iterator[Problem]:
    """Return what is wrong with a file for these access points; ``words`` are topologies by name."""
    if not os.path.isfile(path):
        allowed = f"{', '.join(words)} or the path of a GraphML or node-link JSON file"
        hint = closest(path, words)
        said = f"; {hint}" if hint.startswith("did you mean") else ""
        other = "that is a folder" if os.path.isdir(path) else "that is no regular file"
        found = other if os.path.exists(path) else f"there is no such file{said}"
        yield Problem(_TOPOLOGY, f'got "{path}"; allowed: {allowed}, and {found}')
        return
    try:
        graph = read_graph(path)
    except ValueError as error:
        yield Problem(_TOPOLOGY, f'got "{path}"; {error}')
        return
    yield from (Problem(_TOPOLOGY, f'"{path}": {text}') for text in _link_problems(graph))
    yield from (
        Problem((*_TOPOLOGY, "access_points.count", "access_points.positions_m"), f'got "{path}"; {text}')
        for text in _node_problems(graph, names)
    )


def graph_remarks(path: str, names: tuple[str, ...]) -> Iterator[str]:
    """Yield what is worth saying of a file that is valid for these access points: what has no effect in it."""
    graph = read_graph(path)
    if drawing := drawing_attributes(edge for *_, edge in graph.edges(data=True)):
        yield f"attributes of links that serve its drawing are ignored: {', '.join(drawing)}"
    said = {*graph.graph, *graph.graph.get("node_default", ())}.union(*(node for _, node in graph.nodes(data=True)))
    if misplaced := sorted(said & set(LINK_ATTRIBUTES)):
        yield f"attributes of links are ignored where nodes or the graph have them: {', '.join(misplaced)}"
    if spare := sorted(node for node in graph if _AP_NAME.fullmatch(node) and node not in names):
        yield f"taken as switches, as the scenario has {names[0]} to {names[-1]} alone: {', '.join(spare[:8])}"


def _link_problems(graph: "nx.Graph") -> Iterator[str]:
    """Return what is wrong with what links say of themselves; of links with the same fault the first is named."""
    found = [(f"{a}-{b}", problem) for a, b, edge in graph.edges(data=True) for problem in attribute_problems(edge)]
    count = Counter(problem for _, problem in found)
    first = {problem: link for link, problem in reversed(found)}
    for problem, link in reversed(first.items()):
        more = f" and of {count[problem] - 1} more" if count[problem] > 1 else ""
        yield problem.of(f"of the link {link}{more}")


def _node_problems(graph: "nx.Graph", names: tuple[str, ...]) -> Iterator[str]:
    import networkx as nx

    from emulator.messages import ARROW, CENTRAL

    if odd := [node for node in graph if ARROW in node]:
        yield f'it has "{ARROW}" in the name of the node {odd[0]}, as only links have; rename it'
    if odd := [node for node in graph if _UNWRITABLE.search(node)]:
        yield f"the name of the node {odd[0]!a} has a character that XML cannot hold; rename it"
    if missing := [name for name in (CENTRAL, *names) if name not in graph]:
        yield f"it lacks the nodes {', '.join(missing[:8])}"
        return
    directed = graph.to_directed()
    joined = nx.ancestors(directed, CENTRAL) & nx.descendants(directed, CENTRAL)
    if apart := [name for name in names if name not in joined]:
        yield f"{', '.join(apart[:8])} cannot reach central and be reached from it"
