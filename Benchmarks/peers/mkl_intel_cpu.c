// SPDX-License-Identifier: Apache-2.0
// Preloaded into torch. MKL calls this function to decide whether to use its fastest kernels; its own version returns
// 0 on processors of other vendors (102 instead of 242 GFLOP/s on Zen 5).
int mkl_serv_intel_cpu_true(void) { return 1; }
