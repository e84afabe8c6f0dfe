"""Compares a file with the one that it was copied from, object by object.

    containers.py ORIGINAL COPY
"""

import sys

import torch

# The safe loader of torch 1 knows no number with a fraction.
original, copy = (torch.load(path, weights_only=torch.__version__ >= "2") for path in sys.argv[1:])
assert list(original) == list(copy)
for key, expected in original.items():
    found = copy[key]
    if torch.is_tensor(expected):
        assert found.dtype == expected.dtype and found.shape == expected.shape, key
        assert torch.equal(found, expected), key
    elif key == "device":
        assert found == str(expected), key
    else:
        assert found == expected, (key, found, expected)
