"""Reads a policy with safetensors and NumPy themselves: the same tensors and the same contract.

    tensors.py POLICY.safetensors POLICY.npz
"""

import json
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

path, archive = sys.argv[1:]
tensors = load_file(path)
with safe_open(path, framework="numpy") as file:
    contract = file.metadata()["eyas.contract"]
arrays = dict(np.load(archive))
assert bytes(arrays.pop("eyas.contract")).decode() == contract
assert json.loads(contract)["network"]["inputs"] == 5
assert set(arrays) == set(tensors) and "core.weight_ih_l0" in tensors, set(arrays) ^ set(tensors)
for name, tensor in tensors.items():
    assert arrays[name].dtype == tensor.dtype and (arrays[name] == tensor).all(), name
