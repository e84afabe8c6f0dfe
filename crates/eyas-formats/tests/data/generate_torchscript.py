"""Small TorchScript policies as the exporters of this field make them, with what torch computes from them.

The classes are the exporters of Isaac Lab 2.x (`isaaclab_rl/rsl_rl/exporter.py`, BSD-3-Clause) and legged_gym
(`legged_gym/utils/helpers.py`, BSD-3-Clause, which unitree_rl_gym took over), shortened to what they script.

    python generate_torchscript.py torchscript       # torch and rsl-rl-lib 2.x
"""

import copy
import json
import pathlib
import sys

import torch
from rsl_rl.modules import EmpiricalNormalization

TIMES, OBS, ACT = 12, 6, 4
out = pathlib.Path(sys.argv[1])
out.mkdir(exist_ok=True)


class _TorchPolicyExporter(torch.nn.Module):
    def __init__(self, actor, rnn, normalizer):
        super().__init__()
        self.is_recurrent = rnn is not None
        self.actor = copy.deepcopy(actor)
        if self.is_recurrent:
            self.rnn = copy.deepcopy(rnn)
            self.rnn_type = type(self.rnn).__name__.lower()
            self.register_buffer("hidden_state", torch.zeros(self.rnn.num_layers, 1, self.rnn.hidden_size))
            if self.rnn_type == "lstm":
                self.register_buffer("cell_state", torch.zeros(self.rnn.num_layers, 1, self.rnn.hidden_size))
                self.forward = self.forward_lstm
            else:
                self.forward = self.forward_gru
            self.reset = self.reset_memory
        self.normalizer = copy.deepcopy(normalizer) if normalizer else torch.nn.Identity()

    def forward_lstm(self, x):
        x = self.normalizer(x)
        x, (h, c) = self.rnn(x.unsqueeze(0), (self.hidden_state, self.cell_state))
        self.hidden_state[:] = h
        self.cell_state[:] = c
        x = x.squeeze(0)
        return self.actor(x)

    def forward_gru(self, x):
        x = self.normalizer(x)
        x, h = self.rnn(x.unsqueeze(0), self.hidden_state)
        self.hidden_state[:] = h
        x = x.squeeze(0)
        return self.actor(x)

    def forward(self, x):
        return self.actor(self.normalizer(x))

    @torch.jit.export
    def reset(self):
        pass

    def reset_memory(self):
        self.hidden_state[:] = 0.0
        if hasattr(self, "cell_state"):
            self.cell_state[:] = 0.0


class PolicyExporterLSTM(torch.nn.Module):
    def __init__(self, actor, memory):
        super().__init__()
        self.actor = copy.deepcopy(actor)
        self.memory = copy.deepcopy(memory)
        self.register_buffer("hidden_state", torch.zeros(self.memory.num_layers, 1, self.memory.hidden_size))
        self.register_buffer("cell_state", torch.zeros(self.memory.num_layers, 1, self.memory.hidden_size))

    def forward(self, x):
        out, (h, c) = self.memory(x.unsqueeze(0), (self.hidden_state, self.cell_state))
        self.hidden_state[:] = h
        self.cell_state[:] = c
        return self.actor(out.squeeze(0))

    @torch.jit.export
    def reset_memory(self):
        self.hidden_state[:] = 0.0
        self.cell_state[:] = 0.0


class Scaled(torch.nn.Module):
    """What no reader may take for its actor: the action is scaled behind it."""

    def __init__(self, actor):
        super().__init__()
        self.actor = actor

    def forward(self, x):
        return 0.25 * self.actor(x)


class Forgetful(torch.nn.Module):
    """A recurrent policy whose exporter lost the state."""

    def __init__(self, actor, memory):
        super().__init__()
        self.actor = actor
        self.memory = memory

    def forward(self, x):
        out, _ = self.memory(x.unsqueeze(0))
        return self.actor(out.squeeze(0))


def actor(inputs, activation=torch.nn.ELU, *end):
    linear = torch.nn.Linear
    return torch.nn.Sequential(linear(inputs, 8), activation(), linear(8, 5), activation(), linear(5, ACT), *end)


def save(name, module):
    torch.jit.script(module).save(out / f"{name}.pt")
    module = torch.jit.load(out / f"{name}.pt")
    x = torch.randn(TIMES, 1, OBS)
    with torch.no_grad():
        actions = [module(step).tolist() for step in x]
    (out / f"{name}.json").write_text(json.dumps({"input": x.tolist(), "action": actions}))


torch.manual_seed(3)
normalizer = EmpiricalNormalization(shape=[OBS], until=1e8)
normalizer(2.0 + 3.0 * torch.randn(256, OBS))
normalizer.eval()
gru, lstm = torch.nn.GRU(OBS, 7, num_layers=2), torch.nn.LSTM(OBS, 7)
save("isaaclab_mlp", _TorchPolicyExporter(actor(OBS), None, normalizer).eval())
save("isaaclab_gru", _TorchPolicyExporter(actor(7), gru, normalizer).eval())
save("isaaclab_lstm", _TorchPolicyExporter(actor(7, torch.nn.Tanh), lstm, None).eval())
save("legged_gym_lstm", PolicyExporterLSTM(actor(7), lstm).eval())
save("legged_gym_mlp", actor(OBS, torch.nn.SELU, torch.nn.Tanh()))
save("scaled", Scaled(actor(OBS)))
save("forgetful", Forgetful(actor(7), gru))
save("leaky", actor(OBS, lambda: torch.nn.LeakyReLU(0.2)))
