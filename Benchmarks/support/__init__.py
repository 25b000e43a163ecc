# SPDX-License-Identifier: Apache-2.0
"""What the benchmark programs share. Standard library only."""
