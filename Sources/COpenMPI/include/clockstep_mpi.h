// SPDX-License-Identifier: Apache-2.0
#ifndef CLOCKSTEP_MPI_H
#define CLOCKSTEP_MPI_H
#include <mpi.h>
#endif
