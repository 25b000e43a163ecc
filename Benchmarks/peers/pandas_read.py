# SPDX-License-Identifier: Apache-2.0
"""Reads a CSV file with pandas' C engine and its default options (all columns become float64 or int64).

Prints one line of JSON. Seconds are those of read_csv: starting Python and importing pandas are not included.
"""

import argparse
import json
import resource
import time

import pandas


def main():
    parser = argparse.ArgumentParser("pandas_read.py", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file")
    options = parser.parse_args()
    start = time.perf_counter()
    frame = pandas.read_csv(options.file, engine="c")
    seconds = time.perf_counter() - start
    print(json.dumps({
        "seconds": seconds, "rows": len(frame), "columns": len(frame.columns),
        "dtypes": sorted({str(dtype) for dtype in frame.dtypes}),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "version": pandas.__version__,
    }))


if __name__ == "__main__":
    main()
