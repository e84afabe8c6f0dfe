"""Prints what an HDF5 file holds as JSON: attributes of every group and dataset, shapes and types, and the numbers.

    python rltools.py FILE RESULT
"""

import json
import sys

import h5py

found = {}


def visit(name, node):
    entry = {"attributes": {key: str(value) for key, value in node.attrs.items()}}
    if isinstance(node, h5py.Dataset):
        entry.update(shape=list(node.shape), dtype=str(node.dtype), sum=float(node[...].astype("float64").sum()))
    found[name] = entry


with h5py.File(sys.argv[1], "r") as file:
    file.visititems(visit)
with open(sys.argv[2], "w") as result:
    json.dump(found, result)
