// SPDX-License-Identifier: Apache-2.0
// Glibc's module in Swift leaves out what only Linux has.
#ifndef CLOCKSTEP_MEMORY_FILE_H
#define CLOCKSTEP_MEMORY_FILE_H

/// memfd_create(2): an open file of memory without a name, closed on exec; -1 and errno if there is none.
int clockstep_memory_file(void);

#endif
