#include "clockstep_mpi.h"
