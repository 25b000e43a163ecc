// SPDX-License-Identifier: Apache-2.0
// Swift's Glibc module lacks functions that exist on Linux only.
#ifndef CLOCKSTEP_MEMORY_FILE_H
#define CLOCKSTEP_MEMORY_FILE_H

/// memfd_create(2): opens an anonymous memory file, closed on exec. Returns -1 and sets errno on failure.
int clockstep_memory_file(void);

#endif
