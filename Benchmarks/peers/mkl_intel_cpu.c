// SPDX-License-Identifier: Apache-2.0
// Preloaded into torch: its MKL asks this before it uses the kernels that the processor has, and says no on other
// makers' processors (102 against 242 GFLOP/s on Zen 5).
int mkl_serv_intel_cpu_true(void) { return 1; }
