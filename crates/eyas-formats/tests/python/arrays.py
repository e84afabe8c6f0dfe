"""Checks arrays that Eyas wrote, and writes some for Eyas to read.

    arrays.py DIRECTORY
"""

import pathlib
import sys

import numpy as np

here = pathlib.Path(sys.argv[1])
expected = {
    "f32": np.array([[1.5, -2.0, 3.0], [4.0, 5.0, 6.0]], np.float32),
    "f64": np.array([0.1, np.pi]),
    "i64": np.array(-(2**40)),
    "u8": np.zeros((0, 3), np.uint8),
    "bool": np.array([[[True], [False]]]),
}
archive = np.load(here / "eyas.npz")
assert archive.files == list(expected)
for name, array in expected.items():
    for found in (archive[name], np.load(here / f"{name}.npy"), np.load(here / f"{name}.npy", mmap_mode="r")):
        assert found.dtype == array.dtype and found.shape == array.shape and (found == array).all(), name
np.savez(here / "numpy.npz", **expected)
np.save(here / "fortran.npy", np.asfortranarray(np.arange(24, dtype=np.int32).reshape(2, 3, 4)))
with open(here / "version2.npy", "wb") as file:
    np.lib.format.write_array(file, expected["f32"], version=(2, 0))
np.save(here / "big_endian.npy", np.array([1.0], ">f8"))
np.save(here / "fields.npy", np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]))
np.savez_compressed(here / "compressed.npz", a=np.zeros(9))
