# SPDX-License-Identifier: Apache-2.0
"""Decompresses a gzip file with zlib, block by block, and discards the result. Prints one line of JSON."""

import argparse
import json
import time
import zlib

BLOCK = 1 << 18


def main():
    parser = argparse.ArgumentParser("zlib_inflate.py", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file")
    options = parser.parse_args()
    start = time.perf_counter()
    size = 0
    with open(options.file, "rb") as file:
        inflater = zlib.decompressobj(wbits=31)
        while block := file.read(BLOCK):
            size += len(inflater.decompress(block))
    print(json.dumps({"seconds": time.perf_counter() - start, "bytes": size, "version": zlib.ZLIB_RUNTIME_VERSION}))


if __name__ == "__main__":
    main()
