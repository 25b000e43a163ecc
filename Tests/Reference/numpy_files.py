#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the files of Tests/Reference/numpy with NumPy: numpy_files.py [FOLDER]

Each x holds the numbers 0 to 23 as 4 rows of 6, and each y the classes of these rows.
"""

import pathlib
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "numpy")
folder.mkdir(exist_ok=True)
x = np.arange(24).reshape(4, 6)
y = np.array([3, 1, 3, 2])
text = np.array(["rød", "b", "rød", "🙂"])

for kind in ["i1", "u8", ">i2", ">u4", "<f2", ">f8"]:
    np.save(folder / f"x-{kind.replace('<', 'little-').replace('>', 'big-')}.npy", x.astype(kind))
np.save(folder / "x-fortran.npy", np.asfortranarray(x.astype("f4")))
np.save(folder / "x-images.npy", x.reshape(4, 3, 2).astype("u1"))
np.save(folder / "x-fortran-images.npy", np.asfortranarray(x.reshape(4, 3, 2, 1).astype(">f4")))
for version in [(2, 0), (3, 0)]:
    with open(folder / f"x-version-{version[0]}.npy", "wb") as file:
        np.lib.format.write_array(file, x.astype("f4"), version=version)

np.save(folder / "y.npy", y)
np.save(folder / "y-column.npy", y.reshape(4, 1, 1).astype(">f4"))
np.save(folder / "y-one-hot.npy", np.eye(4, dtype=bool)[y])
np.save(folder / "y-text.npy", text)
np.save(folder / "y-text-big-endian.npy", text.astype(">U3"))
np.save(folder / "y-bytes.npy", np.array([b"c", b"a", b"c", b"bb"]))
np.save(folder / "y-objects.npy", y.astype(object))
np.save(folder / "y-dates.npy", y.astype("M8[D]"))
np.save(folder / "y-structured.npy", np.zeros(4, dtype=[("a", "f4"), ("b", "i4")]))

half = x.astype("f4")
np.savez(folder / "stored.npz", X=half, y=y)
np.savez_compressed(
    folder / "mnist.npz", x_train=half, y_train=y, x_test=half[:2], y_test=y[:2])
