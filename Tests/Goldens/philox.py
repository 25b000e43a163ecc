# SPDX-License-Identifier: Apache-2.0
"""The random number generator Philox4x32-10, and the dropout masks drawn with it."""

import functools

MASK = 0xFFFFFFFF
DROPOUT = 5

# Known answers of the Random123 library (kat_vectors): counter, key, result.
KNOWN_ANSWERS = (
    ((0, 0, 0, 0), (0, 0),
     (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((MASK, MASK, MASK, MASK), (MASK, MASK),
     (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
     (0xA4093822, 0x299F31D0),
     (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
)


def philox4x32(counter, key):
    """Four 32-bit words; Salmon et al., SC 2011."""
    x0, x1, x2, x3 = counter
    k0, k1 = key
    for _ in range(10):
        product0, product1 = 0xD2511F53 * x0, 0xCD9E8D57 * x2
        x0, x1, x2, x3 = ((product1 >> 32) ^ x1 ^ k0, product1 & MASK,
                          (product0 >> 32) ^ x3 ^ k1, product0 & MASK)
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return x0, x1, x2, x3


def check_known_answers():
    for counter, key, expected in KNOWN_ANSWERS:
        found = philox4x32(counter, key)
        assert found == expected, (counter, key, found)


@functools.lru_cache(maxsize=None)
def dropout_mask(seed, layer, update, rows, units, probability):
    """Rows of 0 and 1: which units of a batch's rows are kept.

    `layer` is the number of the dropout layer, `update` counts from 1.  The
    counter has room for 24 bits of the number; the others change the key.
    """
    threshold = round(probability * 2 ** 32)
    key = (seed & MASK, (seed >> 32) ^ (layer >> 24))
    mask = []
    for row in range(rows):
        words = []
        for block in range((units + 3) // 4):
            words += philox4x32(
                (block, row, update, (DROPOUT | layer << 8) & MASK), key)
        mask.append([int(word >= threshold) for word in words[:units]])
    return mask
