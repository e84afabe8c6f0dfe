"""Checks a graph with onnx itself and flies it with onnxruntime, the state fed back.

    onnx_graph.py MODEL.onnx INPUTS.npy ACTIONS.npy      inputs [T, B, O], actions [T, B, A]
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime

path, inputs, actions = sys.argv[1:]
model = onnx.load(path)
onnx.checker.check_model(model, full_check=True)
assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
contract = json.loads({prop.key: prop.value for prop in model.metadata_props}["eyas.contract"])
assert contract["contract_version"] == 2 and len(contract["test"]["observations"]) == 50

observations = np.load(inputs)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
names = [port.name for port in session.get_inputs()]
outputs = [port.name for port in session.get_outputs()]
assert names == ["obs", "h_in", "c_in"][: len(names)] and outputs == ["actions", "h_out", "c_out"][: len(names)]


def fly(observations):
    """Actions of a batch from the zero state, whatever its size."""
    batch = observations.shape[1]
    sizes = [[size if isinstance(size, int) else batch for size in port.shape] for port in session.get_inputs()]
    state = [np.zeros(size, np.float32) for size in sizes[1:]]
    flown = []
    for step in observations:
        action, *state = session.run(None, dict(zip(names, [step, *state])))
        flown.append(action)
    return np.stack(flown)


np.save(actions, fly(observations))
vectors = contract["test"]
replayed = fly(np.array(vectors["observations"], np.float32)[:, None])[:, 0]
error = np.abs(replayed - np.array(vectors["actions"], np.float32)).max()
assert error <= vectors["tolerance"], error
