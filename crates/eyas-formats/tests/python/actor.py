"""Loads an actor that was written by itself, strictly and with torch's safe default.

    actor.py CHECKPOINT RESULT.json
"""

import json
import sys

import torch
from torch import nn

path, result = sys.argv[1:]
torch.manual_seed(0)
# That of torch 1 knows no number with a fraction.
saved = torch.load(path, weights_only=torch.__version__ >= "2")
actor = saved["actor_state_dict"]


def take(prefix):
    return {key.removeprefix(prefix): actor.pop(key) for key in list(actor) if key.startswith(prefix)}


normalizer = take("obs_normalizer.")
std = take("distribution.")["std_param"]
mlp = nn.Sequential(nn.Linear(5, 4), nn.ELU(), nn.Linear(4, 3), nn.ELU(), nn.Linear(3, 2))
mlp.load_state_dict(take("mlp."), strict=True)
assert not actor and set(saved) == {"actor_state_dict", "iter", "infos", "eyas"}, saved
inputs = torch.randn(6, 3, 5)
with torch.inference_mode():
    # rsl_rl's EmpiricalNormalization adds this epsilon.
    action = mlp((inputs - normalizer["_mean"]) / (normalizer["_std"] + 1e-2))
report = {"iteration": saved["iter"], "std": std.tolist(), "input": inputs.tolist(), "action": action.tolist()}
with open(result, "w") as file:
    json.dump(report, file)
