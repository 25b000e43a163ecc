// SPDX-License-Identifier: Apache-2.0
// Open MPI's handles and constants are macros that Swift can't import, so they are functions and constants here. Also
// the processor's hint for spin loops, which Swift doesn't have.
#ifndef CLOCKSTEP_MPI_H
#define CLOCKSTEP_MPI_H

#include <mpi.h>
#include <stdint.h>

static inline MPI_Comm _Nonnull clockstep_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm _Nonnull clockstep_comm_self(void) { return MPI_COMM_SELF; }
static inline MPI_Comm _Nonnull clockstep_comm_null(void) { return MPI_COMM_NULL; }
static inline MPI_Errhandler _Nonnull clockstep_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline MPI_Info _Nonnull clockstep_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Request _Nonnull clockstep_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Status *_Nullable clockstep_status_ignore(void) { return MPI_STATUS_IGNORE; }
static inline void *_Nonnull clockstep_in_place(void) { return MPI_IN_PLACE; }

static inline MPI_Datatype _Nonnull clockstep_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype _Nonnull clockstep_double(void) { return MPI_DOUBLE; }
static inline MPI_Datatype _Nonnull clockstep_int32(void) { return MPI_INT32_T; }
static inline MPI_Datatype _Nonnull clockstep_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype _Nonnull clockstep_uint8(void) { return MPI_UINT8_T; }
static inline MPI_Datatype _Nonnull clockstep_uint32(void) { return MPI_UINT32_T; }
static inline MPI_Datatype _Nonnull clockstep_uint64(void) { return MPI_UINT64_T; }

static inline MPI_Op _Nonnull clockstep_sum(void) { return MPI_SUM; }
static inline MPI_Op _Nonnull clockstep_min(void) { return MPI_MIN; }
static inline MPI_Op _Nonnull clockstep_max(void) { return MPI_MAX; }
static inline MPI_Op _Nonnull clockstep_bitwise_and(void) { return MPI_BAND; }
static inline MPI_Op _Nonnull clockstep_bitwise_or(void) { return MPI_BOR; }

static inline void clockstep_relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static const int clockstep_success = MPI_SUCCESS;
static const int clockstep_err_in_status = MPI_ERR_IN_STATUS;
static const int clockstep_err_pending = MPI_ERR_PENDING;
static const int clockstep_any_source = MPI_ANY_SOURCE;
static const int clockstep_undefined = MPI_UNDEFINED;
static const int clockstep_tag_upper_bound = MPI_TAG_UB;
static const int clockstep_comm_type_shared = MPI_COMM_TYPE_SHARED;
enum {
  clockstep_max_error_string = MPI_MAX_ERROR_STRING,
  clockstep_max_library_version = MPI_MAX_LIBRARY_VERSION_STRING
};

// ThreadLevel has these raw values, and Swift's Int is sent as a 64-bit integer.
_Static_assert(MPI_THREAD_SINGLE == 0 && MPI_THREAD_FUNNELED == 1, "thread levels are ordered");
_Static_assert(MPI_THREAD_SERIALIZED == 2 && MPI_THREAD_MULTIPLE == 3, "thread levels are ordered");
_Static_assert(sizeof(intptr_t) == sizeof(int64_t), "Int is 64 bits wide");

#endif
