"""Loads a student as the user of distillation.py would, strictly and with torch's safe default.

    student.py CHECKPOINT RESULT.json (mlp|gru)
"""

import json
import sys

import torch
from torch import nn

path, result, kind = sys.argv[1:]


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(5, 4), nn.ELU(), nn.Linear(4, 3), nn.ELU(), nn.Linear(3, 2))

    def forward(self, steps):
        return self.network(steps)


class Gru(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_layer, self.gru, self.output_layer = nn.Linear(22, 16), nn.GRU(16, 16), nn.Linear(16, 4)

    def forward(self, steps):
        return self.output_layer(self.gru(torch.relu(self.input_layer(steps)))[0])


torch.manual_seed(0)
# That of torch 1 knows no number with a fraction.
saved = torch.load(path, weights_only=torch.__version__ >= "2")
policy = Mlp() if kind == "mlp" else Gru()
policy.load_state_dict(saved["model_state_dict"], strict=True)
optimizer = torch.optim.Adam(policy.parameters())
optimizer.load_state_dict(saved["optimizer_state_dict"])
inputs = torch.randn(6, 3, 5 if kind == "mlp" else 22)
output = policy(inputs)
report = {"epoch": saved["epoch"], "best_return": saved["best_return"], "best_return_type": type(saved["best_return"]).__name__,
          "input": inputs.tolist(), "action": output.tolist(), "contract": saved["eyas"]["extra"]["contract"]}
output.square().mean().backward()
optimizer.step()
with open(result, "w") as file:
    json.dump(report, file)
