"""PyTorch and rsl_rl as a peer of `eyas bench`: the same works, in one thread, on the CPU or on a GPU.

    python pytorch.py [--compile] [--device cuda:0]

prints one line of JSON, {"peer": ..., "works": [...]}; then, for each line `NAME SECONDS` on standard input, runs that
work for about SECONDS and prints {"units": ..., "seconds": ...} or {"error": ...}. Needs torch 2; the works `ppo` and
`distillation` are offered where rsl-rl-lib 5 is installed. With --compile the physics goes through torch.compile, which
needs a C++ compiler and takes a minute or two at the first use. On a GPU there are gradient steps alone, each replayed as a
CUDA graph, in single precision without TF32.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # read when torch is imported

import argparse
import importlib.metadata
import json
import math
import sys
import time

import torch
from torch import nn

torch.set_num_threads(1)

DT = 0.01  # [s]
GRAVITY = 9.81  # [m/s²]
EPISODE_STEPS = 500
OBSERVATIONS, ACTIONS = 26, 4


# The quadrotor: RAPTOR's vehicles and rules, equations (M1) to (M7) of docs/model.md, one column for each env.
# State [17, N]: position, quaternion wxyz, velocity, angular velocity, rotor speeds in [0, 1].
# Products of two vectors are one matrix multiplication: in eager mode few calls count more than few operations.

POSITION, QUATERNION, VELOCITY, RATE, ROTORS = slice(0, 3), slice(3, 7), slice(7, 10), slice(10, 13), slice(13, 17)


def bilinear(rows, width):
    """Matrix [len(rows), 4 · width] of bilinear forms; a row lists (factor, index into a, index into b)."""
    matrix = torch.zeros(len(rows), 4, width)
    for row, terms in zip(matrix, rows):
        for factor, a, b in terms:
            row[a, b] += factor
    return matrix.flatten(1)


def apply(forms, a, b):
    """The bilinear forms of a [4, N] and b [width, N]."""
    return forms @ (a[:, None] * b[None]).flatten(0, 1)


ROTATION = bilinear(  # R(q) - 1, row-major
    [
        [(-2, 2, 2), (-2, 3, 3)], [(2, 1, 2), (-2, 0, 3)], [(2, 1, 3), (2, 0, 2)],
        [(2, 1, 2), (2, 0, 3)], [(-2, 1, 1), (-2, 3, 3)], [(2, 2, 3), (-2, 0, 1)],
        [(2, 1, 3), (-2, 0, 2)], [(2, 2, 3), (2, 0, 1)], [(-2, 1, 1), (-2, 2, 2)],
    ],
    4,
)  # fmt: skip
IDENTITY = torch.eye(3).reshape(9, 1)
UP, UPWARD = ROTATION[2::3].contiguous(), IDENTITY[2::3]
SPIN = bilinear(  # q̇ = ½ q ⊗ (0, ω)
    [
        [(-0.5, 1, 0), (-0.5, 2, 1), (-0.5, 3, 2)],
        [(0.5, 0, 0), (0.5, 2, 2), (-0.5, 3, 1)],
        [(0.5, 0, 1), (0.5, 3, 0), (-0.5, 1, 2)],
        [(0.5, 0, 2), (0.5, 1, 1), (-0.5, 2, 0)],
    ],
    3,
)


def uniform(low, high, *shape):
    return low + (high - low) * torch.rand(shape)


class Fleet:
    """Vehicles drawn as RAPTOR draws them: a scaled Crazyflie of other thrust, torque, mass and rotor lag."""

    def __init__(self, count):
        size = uniform(0.02 ** (1 / 3), 5 ** (1 / 3), count)  # [cube root of kg]
        mass = size**3
        thrust_to_weight = uniform(1.5, 5, count)
        torque_to_inertia = uniform(40, 1200, count)
        arm = 0.028 * size / 0.0306 ** (1 / 3)  # [m] along each axis
        rotor_thrust = thrust_to_weight * mass * GRAVITY / 4  # [N] at full speed
        inertia = math.sqrt(2) * arm * rotor_thrust / torque_to_inertia * torch.tensor([[1.0], [1.0242], [1.8541]])
        curve = torch.tensor([0.032, 0.131, 0.837])  # shares of c₀, c₁ and c₂
        self.c0, self.c1, self.c2 = (share * rotor_thrust.expand(4, -1) for share in curve)
        yaw = uniform(0.005, 0.05, count)  # [m]
        x, y = torch.tensor([1.0, -1, -1, 1]), torch.tensor([-1.0, -1, 1, 1])
        ones = torch.ones(4)
        self.mix = torch.stack(  # [4, 4, N] from thrusts to acceleration along z and angular acceleration
            [
                torch.outer(ones, 1 / mass),
                torch.outer(y, arm / inertia[0]),
                torch.outer(-x, arm / inertia[1]),
                torch.outer(x * y, yaw / inertia[2]),
            ]
        )
        self.inertia, self.inverse_inertia = inertia, 1 / inertia
        self.rising, self.falling = 1 / uniform(0.03, 0.1, 4, count), 1 / uniform(0.03, 0.3, 4, count)  # [1/s]
        self.force = torch.randn(3, count) * 0.016 * (thrust_to_weight - 1) * GRAVITY  # [m/s²]
        self.force[2] -= GRAVITY
        self.radius = 20 * math.sqrt(2) * arm  # [m] beyond which an episode ends

    def derivative(self, state, target):
        quaternion, velocity, rate, rotors = state[QUATERNION], state[VELOCITY], state[RATE], state[ROTORS]
        thrust = torch.addcmul(self.c0, rotors, torch.addcmul(self.c1, self.c2, rotors))
        wrench = (self.mix * thrust).sum(1)
        acceleration = torch.addcmul(self.force, UPWARD + apply(UP, quaternion, quaternion), wrench[:1])
        gyroscopic = torch.linalg.cross(rate, self.inertia * rate, dim=0)
        error = target - rotors
        return torch.cat(
            [
                velocity,
                apply(SPIN, quaternion, rate),
                acceleration,
                torch.addcmul(wrench[1:], self.inverse_inertia, gyroscopic, value=-1),
                error * torch.where(error < 0, self.falling, self.rising),
            ]
        )

    def step(self, state, action):
        """The state a control step later; classical Runge-Kutta, action [4, N] in [-1, 1]."""
        target = 0.5 + 0.5 * action.clamp(-1, 1)
        k1 = self.derivative(state, target)
        k2 = self.derivative(torch.add(state, k1, alpha=DT / 2), target)
        k3 = self.derivative(torch.add(state, k2, alpha=DT / 2), target)
        k4 = self.derivative(torch.add(state, k3, alpha=DT), target)
        state = torch.add(state, torch.add(k1 + k4, k2 + k3, alpha=2), alpha=DT / 6)
        body, rotors = state[:13], state[ROTORS].clamp(0, 1)
        quaternion = nn.functional.normalize(body[QUATERNION], dim=0)
        return torch.cat([body[POSITION], quaternion, body[7:], rotors])


def observe(state, action):
    """The teacher's observation [N, 26]: position, rotation matrix, velocities, last action, rotor speeds."""
    quaternion = state[QUATERNION]
    rotation = IDENTITY + apply(ROTATION, quaternion, quaternion)
    return torch.cat([state[POSITION], rotation, state[7:13], action, 2 * state[ROTORS] - 1]).T


def start(count):
    """Initial states [17, count] and the last actions [4, count] that belong to them."""
    moved = (torch.rand(count) > 0.1).float()  # one in ten starts at rest in its target
    half = 0.5 * torch.rand(count) * moved  # half the angle, which is up to 1 rad
    axis = nn.functional.normalize(torch.randn(3, count), dim=0)
    rotors = uniform(0, 0.5, 4, count)
    position, velocities = uniform(-0.5, 0.5, 3, count) * moved, uniform(-1, 1, 6, count) * moved
    return torch.cat([position, half.cos()[None], axis * half.sin(), velocities, rotors]), 2 * rotors - 1


class QuadrotorEnv:
    """Vectorised env as rsl_rl wants it; reward, termination and reset are RAPTOR's with a target at rest."""

    num_actions, max_episode_length, device, cfg = ACTIONS, EPISODE_STEPS, "cpu", {}

    def __init__(self, count):
        self.num_envs, self.fleet = count, Fleet(count)
        self.state, self.action = start(count)
        self.episode_length_buf = torch.randint(EPISODE_STEPS, (count,))

    def get_observations(self):
        from tensordict import TensorDict

        return TensorDict({"policy": observe(self.state, self.action)}, batch_size=[self.num_envs])

    def terminated(self):
        far = self.state[POSITION].abs().amax(0) > self.fleet.radius
        fast = self.state[VELOCITY].abs().amax(0) > 2
        return far | fast | (self.state[RATE].abs().amax(0) > 35)

    def step(self, actions):
        action = actions.T
        distance, turn = self.state[POSITION].norm(dim=0), (1 - self.state[6].abs()).acos()
        reward = 1.5 - distance - 0.2 * turn - (action - self.action).norm(dim=0)
        self.state, self.action = self.fleet.step(self.state, action), action.clone()
        self.episode_length_buf += 1
        terminated, truncated = self.terminated(), self.episode_length_buf >= EPISODE_STEPS
        ended = terminated | truncated
        self.reset(ended.nonzero()[:, 0])
        return self.get_observations(), reward.masked_fill(terminated, -100), ended, {"time_outs": truncated}

    def reset(self, envs):
        if len(envs):
            self.state[:, envs], self.action[:, envs] = start(len(envs))
            self.episode_length_buf[envs] = 0


# The works: each returns a function that does a piece of it and returns the units of that piece.


def mlp(*widths):
    layers = [layer for pair in zip(widths, widths[1:]) for layer in (nn.Linear(*pair), nn.ELU())]
    return nn.Sequential(*layers[:-1])


def mlp_inference(width, rows=4096):
    """Actions of an MLP of three hidden layers for a batch of observations; unit: an observation."""
    network, batch = mlp(OBSERVATIONS, width, width, width, ACTIONS), torch.randn(rows, OBSERVATIONS)

    @torch.inference_mode()
    def piece():
        network(batch)
        return rows

    return piece


def regression(network, batch, labels, units):
    """Gradient steps on the mean squared error; fused Adam is the fastest of PyTorch's variants."""
    adam = torch.optim.Adam(network.parameters(), fused=True)

    def piece():
        adam.zero_grad()
        nn.functional.mse_loss(network(batch), labels).backward()
        adam.step()
        return units

    return piece


def mlp_update(rows=256):
    """Gradient step of an MLP 26-256-256-256-4 on a batch of 256; unit: a sample."""
    network = mlp(OBSERVATIONS, 256, 256, 256, ACTIONS)
    return regression(network, torch.randn(rows, OBSERVATIONS), torch.randn(rows, ACTIONS), rows)


class Student(nn.Module):
    """RAPTOR's student: Linear 22-16 and ReLU, GRU 16, Linear 16-4."""

    def __init__(self):
        super().__init__()
        self.input, self.gru, self.output = nn.Linear(22, 16), nn.GRU(16, 16), nn.Linear(16, ACTIONS)

    def forward(self, sequences):
        return self.output(self.gru(self.input(sequences).relu())[0])


def gru_update(steps=EPISODE_STEPS, sequences=64):
    """Gradient step of RAPTOR's student through 500 steps of 64 sequences; unit: a sequence."""
    return regression(Student(), torch.randn(steps, sequences, 22), torch.randn(steps, sequences, ACTIONS), sequences)


def gradient(count=512, window=32):
    """Gradient step of a policy through the physics of 32 steps; unit: an env step, forward and backward."""
    env, policy = QuadrotorEnv(count), mlp(OBSERVATIONS, 64, 64, ACTIONS)
    adam = torch.optim.Adam(policy.parameters(), fused=True)

    def piece():
        state, action, cost = env.state, env.action, 0
        for _ in range(window):
            last, action = action, policy(observe(state, action)).tanh().T
            state = env.fleet.step(state, action)
            cost = cost + state[POSITION].square().sum() + 0.1 * state[7:13].square().sum()
            cost = cost + 0.1 * (action - last).square().sum()
        adam.zero_grad()
        (cost / (window * count)).backward()
        nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        adam.step()
        env.state, env.action = state.detach(), action.detach()
        env.episode_length_buf += window
        env.reset((env.terminated() | (env.episode_length_buf >= EPISODE_STEPS)).nonzero()[:, 0])
        return window * count

    return piece


def rsl_rl_model(width, stochastic):
    """Configuration of an rsl_rl MLP of three hidden layers."""
    noise = {"class_name": "GaussianDistribution", "init_std": 0.5} if stochastic else None
    return {"class_name": "MLPModel", "hidden_dims": [width] * 3, "activation": "elu", "distribution_cfg": noise}


def rsl_rl_iterations(runner_name, count, steps, config):
    """Iterations of an rsl_rl runner, collecting and learning; unit: an env step."""
    from rsl_rl import runners

    groups = {role: ["policy"] for role in config if role != "algorithm"}
    config = {"num_steps_per_env": steps, "save_interval": 1000, "obs_groups": groups, **config}
    runner = getattr(runners, runner_name)(QuadrotorEnv(count), config)
    if runner_name == "DistillationRunner":
        runner.alg.teacher_loaded = True  # random weights cost as much as trained ones

    def piece():
        runner.learn(1)
        return count * steps

    return piece


def ppo():
    """PPO: 2,048 envs of 32 steps, actor and critic 64-64-64, 3 epochs of 8 mini-batches; unit: an env step."""
    algorithm = {"class_name": "PPO", "num_learning_epochs": 3, "num_mini_batches": 8}
    models = {"actor": rsl_rl_model(64, True), "critic": rsl_rl_model(64, False)}
    return rsl_rl_iterations("OnPolicyRunner", 2048, 32, {"algorithm": algorithm, **models})


def distillation():
    """Distillation: 512 envs of 24 steps, student 256-256-256, teacher 64-64-64, 2 epochs; unit: an env step."""
    algorithm = {"class_name": "Distillation", "num_learning_epochs": 2, "gradient_length": 12}
    models = {"student": rsl_rl_model(256, True), "teacher": rsl_rl_model(64, False)}
    return rsl_rl_iterations("DistillationRunner", 512, 24, {"algorithm": algorithm, **models})


def graphed(network, inputs, labels, units, times=20):
    """Gradient steps on a GPU, recorded once as a CUDA graph and replayed: no launch is waited for."""
    device = DEVICE
    network, inputs, labels = network.to(device), inputs.to(device), labels.to(device)
    adam = torch.optim.Adam(network.parameters(), capturable=True, fused=True)

    def step():
        adam.zero_grad(set_to_none=True)
        nn.functional.mse_loss(network(inputs), labels).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):  # warm-up, as capturing asks for
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def piece():
        for _ in range(times):
            graph.replay()
        torch.cuda.synchronize()
        return times * units

    return piece


def graphed_mlp_update(rows=256):
    network = mlp(OBSERVATIONS, 256, 256, 256, ACTIONS)
    return graphed(network, torch.randn(rows, OBSERVATIONS), torch.randn(rows, ACTIONS), rows)


def graphed_gru_update(steps=EPISODE_STEPS, sequences=512):
    inputs, labels = torch.randn(steps, sequences, 22), torch.randn(steps, sequences, ACTIONS)
    return graphed(Student(), inputs, labels, sequences)


DEVICE = "cpu"
ON_GPU = {
    "gru_update_512": graphed_gru_update,
    "mlp_update": graphed_mlp_update,
    "mlp_update_16384": lambda: graphed_mlp_update(16384),
}
WORKS = {
    "mlp_inference_64": lambda: mlp_inference(64),
    "mlp_inference_256": lambda: mlp_inference(256),
    "mlp_update": mlp_update,
    "gru_update": gru_update,
    "gradient": gradient,
}


def measure(piece, seconds):
    """Runs whole pieces until `seconds` are over: their units and the seconds they took."""
    units, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds or not units:
        units += piece()
    return {"units": units, "seconds": elapsed}


def main():
    arguments = argparse.ArgumentParser(description="PyTorch as a peer of `eyas bench`")
    arguments.add_argument("--compile", action="store_true", help="run the physics through torch.compile")
    arguments.add_argument("--device", default="cpu", help="where to compute: cpu, or cuda:0 and so on")
    given = arguments.parse_args()
    compiled = given.compile
    global DEVICE
    DEVICE = given.device
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever a library prints
    name = f"PyTorch {torch.__version__.split('+')[0]}"
    try:
        version = importlib.metadata.version("rsl-rl-lib")
    except importlib.metadata.PackageNotFoundError:
        version = ""
    if DEVICE != "cpu":
        torch.cuda.set_device(DEVICE)
        WORKS.clear()
        WORKS.update(ON_GPU)
        name += f" on {torch.cuda.get_device_name()}, CUDA graphs"
    elif version.startswith("5."):
        WORKS.update(ppo=ppo, distillation=distillation)
        name += f", rsl_rl {version}"
    if compiled:
        Fleet.step, name = torch.compile(Fleet.step, dynamic=False), name + ", compiled physics"
    print(json.dumps({"peer": name, "works": list(WORKS)}), file=answers)
    pieces = {}
    for line in sys.stdin:
        try:
            work, seconds = line.split()
            if work not in WORKS:
                raise ValueError(f"no such work; there are {', '.join(WORKS)}")
            if work not in pieces:
                torch.manual_seed(0)
                pieces[work] = WORKS[work]()
                measure(pieces[work], 0.2)  # warm-up
            answer = measure(pieces[work], float(seconds))
        except Exception as problem:
            answer = {"error": f"{line.strip()}: {problem}"}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
