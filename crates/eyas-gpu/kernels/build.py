"""Compiles the kernels of this folder to PTX, which is checked in: neither building nor running Eyas needs CUDA.

    pip install nvidia-cuda-nvrtc-cu12==12.4.127
    python crates/eyas-gpu/kernels/build.py [--check]

The version of NVRTC decides the version of PTX, and so the oldest driver that takes it: that of CUDA 12.4 takes 8.4.
Contraction is off: a multiply-add is one where the source says `fmaf`.
"""

import ctypes
import importlib.util
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent
OPTIONS = ["--gpu-architecture=compute_80", "--fmad=false", "--std=c++17", f"--include-path={FOLDER}"]

# What else a source is compiled with, for each file that is made of it. Functions that are put in when a kernel is handed to the
# driver stay calls.
FILES = {
    "fit": {"fit": []},
    "fly": {
        f"fly_{lanes}_{warps}": ["--relocatable-device-code=true", f"-DEYAS_LANES={lanes}", f"-DEYAS_WARPS={warps}"]
        for lanes, warps in ((8, 8), (32, 8), (32, 1))
    },
}


def library():
    found = importlib.util.find_spec("nvidia.cuda_nvrtc")
    if found is None:
        sys.exit("NVRTC is missing: pip install nvidia-cuda-nvrtc-cu12==12.4.127")
    return ctypes.CDLL(str(next((pathlib.Path(found.submodule_search_locations[0]) / "lib").glob("libnvrtc.so.*"))))


def compile_(nvrtc, path, more):
    program = ctypes.c_void_p()
    source = path.read_bytes()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, path.name.encode(), 0, None, None)
    options = [option.encode() for option in OPTIONS + more]
    failed = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    if failed:
        sys.exit(text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program))
    return text(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, program)


def text(size_of, get, program):
    size = ctypes.c_size_t()
    size_of(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    get(program, buffer)
    return buffer.value.decode()


def main():
    nvrtc = library()
    for path in sorted(FOLDER.glob("*.cu")):
        for name, more in FILES[path.stem].items():
            ptx = compile_(nvrtc, path, more)
            target = FOLDER / f"{name}.ptx"
            if "--check" not in sys.argv:
                target.write_text(ptx)
            elif target.read_text() != ptx:
                sys.exit(f"{target.name} is not what {path.name} gives: run `python {__file__}`")


main()
