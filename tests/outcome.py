"""What a run came to, for comparing runs to the byte."""

import json
import pickle
from io import BytesIO

from scenarios.output.results import run_data


def essence(result):
    """Everything a run's JSON says, as text, and its trace as bytes."""
    data = run_data(result, seed=1)
    data.pop("wall_s", None)
    columns = result.trace.columns() if result.trace is not None else {}
    return json.dumps(data, sort_keys=True), b"".join(column.tobytes() for column in columns.values())


def sketch(picture):
    """What a picture would be drawn of, as bytes: of equal values the same, whoever holds them."""
    content = BytesIO()
    pickler = pickle.Pickler(content)
    pickler.fast = True  # nothing is told of what stands in several places
    pickler.dump(picture)
    return content.getvalue()
