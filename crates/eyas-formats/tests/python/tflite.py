"""Runs a TFLite policy with LiteRT over `[steps][features]`: `policy.tflite inputs.npy actions.npy`."""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

model, inputs, outputs = sys.argv[1:]
interpreter = Interpreter(model_path=model)
interpreter.allocate_tensors()
(given,), (left,) = interpreter.get_input_details(), interpreter.get_output_details()
assert (given["shape"].tolist(), left["shape"].tolist()) == ([1, 15], [1, 4]), (given, left)
operators = {operator["op_name"] for operator in interpreter._get_ops_details()}
assert operators <= {"FULLY_CONNECTED", "DELEGATE"}, operators

actions = []
for step in np.load(inputs):
    interpreter.set_tensor(given["index"], step[None])
    interpreter.invoke()
    actions.append(interpreter.get_tensor(left["index"])[0].copy())
np.save(outputs, np.stack(actions))
