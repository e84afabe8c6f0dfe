"""Runs the TorchScript policies of a folder that Eyas wrote over `inputs.npy`, `[steps][batch][features]`: `NAME.npy`."""

import json
import pathlib
import sys

import numpy as np
import torch

folder = pathlib.Path(sys.argv[1])
observations = torch.from_numpy(np.load(folder / "inputs.npy"))


def fly(policy, observations):
    policy.reset()
    with torch.no_grad():
        return torch.stack([policy(step) for step in observations])


for model in sorted(folder.glob("*.pt")):
    extra = {"eyas.contract": ""}
    policy = torch.jit.load(str(model), _extra_files=extra)
    contract = json.loads(extra["eyas.contract"])
    assert contract["contract_version"] == 2
    actions = fly(policy, observations)
    # An episode begins anew after a reset, whatever the number of vehicles was.
    alone = fly(policy, observations[:, :1])
    assert torch.allclose(alone, actions[:, :1], atol=1e-6), (alone - actions[:, :1]).abs().max()
    # A state that is no number does not outlive a reset.
    policy(torch.full_like(observations[0, :1], float("nan")))
    vectors = contract["test"]
    replayed = fly(policy, torch.tensor(vectors["observations"])[:, None])[:, 0]
    error = (replayed - torch.tensor(vectors["actions"])).abs().max().item()
    assert error <= vectors["tolerance"], (model, error)
    np.save(model.with_suffix(".npy"), actions.numpy())
