"""Runs the LEAPP bundles of a folder with the reference package over `inputs.npy`, `[steps][features]`: `NAME.npy`."""

import pathlib
import sys

import numpy as np
import torch
from leapp import InferenceManager

folder = pathlib.Path(sys.argv[1])
observations = torch.from_numpy(np.load(folder / "inputs.npy"))

for description in sorted(folder.glob("*.yaml")):
    manager = InferenceManager(str(description))
    assert manager.inputs == ["policy/obs"] and manager.outputs == ["policy/actions"]

    def fly():
        manager.reset()
            # Its reset writes zeros into the tensors that it was given.
        return torch.stack([manager({"policy/obs": step[None].clone()})["policy/actions"][0].clone() for step in observations])

    actions = fly()
    assert torch.equal(actions, fly()), "an episode begins anew after a reset"
    np.save(description.with_suffix(".npy"), actions.numpy())
