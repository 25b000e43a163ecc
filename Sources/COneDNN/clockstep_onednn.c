// SPDX-License-Identifier: Apache-2.0
#include "clockstep_onednn.h"

// gcc's <omp.h> is not on clang's header path, so the only function needed is declared here.
extern void omp_set_num_threads(int);

void clockstep_onednn_use_one_thread(void) { omp_set_num_threads(1); }
