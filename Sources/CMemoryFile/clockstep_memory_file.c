// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "clockstep_memory_file.h"

#include <sys/mman.h>

int clockstep_memory_file(void) { return memfd_create("lockstep", MFD_CLOEXEC); }
