// SPDX-License-Identifier: Apache-2.0
#include "clockstep_mpi.h"
