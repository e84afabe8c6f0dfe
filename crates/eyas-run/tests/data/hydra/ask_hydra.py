"""What Hydra makes of the overrides in overrides.jsonl, written beside them.

    pip install hydra-core==1.3.2
    python3 ask_hydra.py overrides.jsonl > answered.jsonl

Each line holds `overrides`, a command line, and `config`, unless it is `config.yaml`. The answer is `changed`, the values that differ from the configuration
without overrides, and `removed`, the keys that it lacks; or `refused`, the first line of Hydra's message. The schema is
that of the Rust test which reads the table.
"""

import json
import math
import os
import pathlib
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException


@dataclass
class Scene:
    num_envs: int = 512


@dataclass
class Sim:
    device: str = "cpu"
    dt_s: float = 0.01


@dataclass
class Env:
    scene: Scene = field(default_factory=Scene)
    sim: Sim = field(default_factory=Sim)
    seed: int = 42


@dataclass
class Agent:
    seed: int = 42
    run_name: str = ""
    hidden_dims: List[int] = field(default_factory=lambda: [64, 64])
    learning_rate: float = 1e-3
    clip_actions: Optional[float] = None
    shuffle: bool = True


@dataclass
class Config:
    env: Env = field(default_factory=Env)
    agent: Agent = field(default_factory=Agent)
    extras: Dict[str, Any] = field(default_factory=dict)


def plain(value):
    """As JSON: floats that it has no text for are tagged."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def leaves(name, overrides):
    config = compose(config_name=name, overrides=overrides)
    found = {}

    def visit(value, key):
        if isinstance(value, dict) and value and set(value) != {"float"}:
            for name, item in value.items():
                visit(item, f"{key}.{name}" if key else name)
        else:
            found[key] = value

    visit(plain(OmegaConf.to_container(config, resolve=True, throw_on_missing=True)), "")
    return found


def answer(name, overrides, base):
    try:
        found = leaves(name, overrides)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        message = str(error) or str(error.__cause__)
        return {"refused": message.strip().splitlines()[0]}
    # 1, 1.0 and True are equal in Python.
    is_same = {key for key in found if key in base and repr(found[key]) == repr(base[key])}
    told = {"changed": {key: value for key, value in found.items() if key not in is_same}}
    removed = sorted(key for key in base if key not in found)
    return {**told, "removed": removed} if removed else told


def main():
    # A variable that `cargo test` sets for the tests of this crate.
    os.environ["CARGO_PKG_NAME"] = "eyas-run"
    ConfigStore.instance().store(name="schema", node=Config)
    lines = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as folder:
        conf = pathlib.Path(folder) / "conf"
        shutil.copytree(pathlib.Path(__file__).parent / "conf", conf)
        for config in conf.glob("*.yaml"):
            text = config.read_text()
            if "- config\n" not in text:
                config.write_text(text.replace("defaults:\n", "defaults:\n- schema\n", 1))
        with initialize_config_dir(str(conf), version_base="1.3"):
            base = leaves("config", [])
            for line in lines:
                asked = json.loads(line)
                asked = {key: asked[key] for key in ("config", "overrides") if key in asked}
                told = {**asked, **answer(asked.get("config", "config"), asked["overrides"], base)}
                print(json.dumps(told, ensure_ascii=False))


main()
