// SPDX-License-Identifier: Apache-2.0
// oneDNN's headers, and a function that limits oneDNN to one thread.
#ifndef CLOCKSTEP_ONEDNN_H
#define CLOCKSTEP_ONEDNN_H

#include <oneapi/dnnl/dnnl.h>

/// Limits oneDNN's OpenMP runtime to one thread, for calls from the calling thread.
///
/// Otherwise Debian's oneDNN starts one OpenMP thread per core, but there is one rank per core.
/// `OMP_NUM_THREADS` is read when libgomp is loaded, so it cannot be set from within the process.
void clockstep_onednn_use_one_thread(void);

#endif
