"""Writes small checkpoints in the HDF5 layouts of RLtools with h5py; NumPy computes the actions.

    python generate_rltools.py

Needs h5py and numpy. The layouts are those of the `persist.h` files in github.com/rl-tools/rl-tools: a SAC
teacher as of 2025-10, a TD3 and a PPO actor as before, the latter in the newest version of the file format.
"""

import json
import pathlib

import h5py
import numpy as np

HERE = pathlib.Path(__file__).parent
random = np.random.default_rng(7)

ACTIVATIONS = {
    "RELU": lambda x: np.maximum(x, 0),
    "TANH": np.tanh,
    "FAST_TANH": lambda x: (c := np.clip(x, -3, 3)) * (27 + c * c) / (27 + 9 * c * c),
    "IDENTITY": lambda x: x,
}


def attributes(group, **values):
    for name, value in values.items():
        group.attrs[name] = value


def matrix(group, name, values):
    dataset = group.create_group(name).create_dataset("parameters", data=values.astype(np.float32))
    attributes(dataset, type="matrix", rows=str(values.shape[0]), cols=str(values.shape[1]))
    return values.astype(np.float32).astype(np.float64)


def dense(group, name, inputs, outputs, activation):
    layer = group.create_group(name)
    weights = matrix(layer, "weights", random.normal(size=(outputs, inputs)) / np.sqrt(inputs))
    biases = matrix(layer, "biases", random.normal(size=(1, outputs)) / 4)
    attributes(layer, type="dense", activation_function=activation)
    return lambda x: ACTIVATIONS[activation](x @ weights.T + biases)


def mlp(group, widths, hidden, last, old=False):
    attributes(group, type="mlp", num_layers=str(len(widths) - 1))
    layers = [dense(group, "input_layer", widths[0], widths[1], hidden)]
    folder = group if old else group.create_group("hidden_layers")
    for index in range(len(widths) - 3):
        name = f"hidden_layer_{index}" if old else str(index)
        layers.append(dense(folder, name, widths[index + 1], widths[index + 2], hidden))
    layers.append(dense(group, "output_layer", widths[-2], widths[-1], last))
    return layers


def standardize(group, name, width):
    layer = group.create_group(name)
    mean = matrix(layer, "mean", random.normal(size=(1, width)))
    # A precision of 0 stands for a feature that never varied: RLtools leaves out the product.
    precision = matrix(layer, "precision", 1 / np.append(0.004, random.uniform(0.5, 3, (1, width - 1)))[None])
    precision[0, 1] = layer["precision/parameters"][0, 1] = 0
    attributes(layer, type="standardize")
    return lambda x: (x - mean) * np.where(precision == 0, 1, precision)


def write(name, inputs, make, libver="earliest"):
    with h5py.File(HERE / f"{name}.h5", "w", libver=libver, track_order=False) as file:
        actor = file.create_group("actor")
        attributes(actor, checkpoint_name="experiments/teacher", meta='{"environment": {"name": "l2f"}}')
        attributes(actor, type="sequential")
        layers = make(actor.create_group("layers"))
        observations = random.normal(size=(1, 16, inputs)).astype(np.float32)
        actions = observations.astype(np.float64)
        for layer in layers:
            actions = layer(actions)
        example = file.create_group("example")
        for key, values in [("input", observations), ("output", actions.astype(np.float32))]:
            dataset = example.create_dataset(key, data=values)
            attributes(dataset, type="tensor", num_dims="3", dim_0="1", dim_1="16", dim_2=str(values.shape[2]))
    record = {"input": observations.tolist(), "action": actions.tolist()}
    (HERE / f"{name}.json").write_text(json.dumps(record) + "\n")


def sac(layers):
    made = mlp(layers.create_group("0"), [26, 64, 64, 8], "RELU", "IDENTITY")
    attributes(layers.create_group("1"), type="sample_and_squash")
    return [*made, lambda x: np.tanh(x[..., :4])]


def td3(layers):
    made = mlp(layers.create_group("0"), [6, 8, 8, 3], "RELU", "TANH", old=True)
    layers.create_group("1")
    return made


def ppo(layers):
    before = standardize(layers, "0", 6)
    group = layers.create_group("1")
    made = mlp(group, [6, 8, 8, 3], "TANH", "IDENTITY", old=True)
    matrix(group, "log_std", np.log([[0.5, 0.25, 0.125]]))
    return [before, *made]


def learnt_state(layers):
    made = [dense(layers, "0", 3, 4, "RELU")]
    layer = layers.create_group("1")
    attributes(layer, type="gru")
    for name, shape in [("weights_input", (12, 4)), ("weights_hidden", (12, 4)), ("biases_input", (12,)),
                        ("biases_hidden", (12,)), ("initial_hidden_state", (4,))]:
        layer.create_group(name).create_dataset("parameters", data=random.normal(size=shape).astype(np.float32))
    return [*made, dense(layers, "2", 4, 2, "IDENTITY")]


def fast_tanh(layers):
    return [dense(layers, "0", 3, 4, "FAST_TANH"), dense(layers, "1", 4, 2, "IDENTITY")]


write("made_rltools_sac", 26, sac)
write("made_rltools_td3", 6, td3)
write("made_rltools_ppo", 6, ppo, libver="latest")
write("made_rltools_fast_tanh", 3, fast_tanh)
# Its actions are not those of the whole network: it is there to be refused.
write("made_rltools_learnt_state", 3, learnt_state)
with h5py.File(HERE / "made_hdf5_other.h5", "w") as file:
    file.attrs["backend"] = "somewhere"
    weights = file.create_group("model_weights")
    weights.attrs["names"] = ["dense", "dense_1"]
    weights.create_dataset("kernel", data=np.eye(3))
    weights.create_dataset("steps", data=np.arange(3, dtype=np.uint64))
    file.create_group("optimizer_weights")
with h5py.File(HERE / "made_hdf5_chunked.h5", "w") as file:
    file.create_dataset("frames", data=np.zeros((4, 4), np.float32), chunks=(2, 2), compression="gzip")
