// SPDX-License-Identifier: Apache-2.0
// What NeuralCore needs of oneDNN: its headers, and its threads held to one.
#ifndef CLOCKSTEP_ONEDNN_H
#define CLOCKSTEP_ONEDNN_H

#include <oneapi/dnnl/dnnl.h>

/// Holds oneDNN's OpenMP runtime to one thread on the calling thread.
///
/// Debian's oneDNN starts one OpenMP thread a core otherwise, and a rank is one core.
/// `OMP_NUM_THREADS` is read when libgomp is loaded, so it can't be set from inside.
void clockstep_onednn_use_one_thread(void);

#endif
