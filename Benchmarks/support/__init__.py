# SPDX-License-Identifier: Apache-2.0
"""Common parts of the benchmark programs. Standard library only."""
