// SPDX-License-Identifier: Apache-2.0
// Preloaded into a process, counts the allocations of its main thread by call site.
//
// The stack is walked from the allocation outward to the first function of the program itself, or of a library that
// does its own work, Open MPI or oneDNN. What the runtimes of C, C++ and Swift allocate counts for their caller, and
// a stack without any such function counts for the program.
//
// At the end it writes FOLDER/RANK, where FOLDER is $ALLOCATION_COUNTS: the counts "program" and "libraries", then
// for each call site "at", the offsets of the four innermost functions of the program, and its count.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

// glibc's own names of the functions that are replaced: looking them up with dlsym would allocate.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

enum { DEPTH = 4, SITES = 8192 };

typedef struct {
  unsigned long frames[DEPTH];
  unsigned long count;
} Site;

typedef struct {
  unsigned long frames[DEPTH];
  int depth;
  int is_library;
} Stack;

static unsigned long program_start, program_end;
static unsigned long program_count, library_count;
static Site sites[SITES];
static int is_ready;
static __thread int is_inside;

static int is_library(const char *path) {
  static const char *const names[] = {"libmpi", "libopen-", "mca_", "libhwloc", "libevent", "libdnnl", "libgomp"};
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  for (size_t i = 0; i < sizeof names / sizeof *names; i += 1) {
    if (strncmp(name, names[i], strlen(names[i])) == 0) return 1;
  }
  return 0;
}

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument) {
  Stack *stack = argument;
  unsigned long address = _Unwind_GetIP(context);
  if (address >= program_start && address < program_end) {
    stack->frames[stack->depth] = address - program_start;
    stack->depth += 1;
    return stack->depth < DEPTH ? _URC_NO_REASON : _URC_END_OF_STACK;
  }
  struct dl_find_object found;
  if (stack->depth == 0 && _dl_find_object((void *)address, &found) == 0 && is_library(found.dlfo_link_map->l_name)) {
    stack->is_library = 1;
    return _URC_END_OF_STACK;
  }
  return _URC_NO_REASON;
}

static void count_site(const Stack *stack) {
  unsigned long hash = 0;
  for (int i = 0; i < DEPTH; i += 1) hash = hash * 1000003 + stack->frames[i];
  for (unsigned long i = 0; i < SITES; i += 1) {
    Site *site = &sites[(hash + i) % SITES];
    if (site->count == 0) memcpy(site->frames, stack->frames, sizeof site->frames);
    if (memcmp(site->frames, stack->frames, sizeof site->frames) == 0) {
      site->count += 1;
      return;
    }
  }
}

static void count_allocation(void) {
  if (!is_ready || is_inside || syscall(SYS_gettid) != getpid()) return;
  is_inside = 1;
  int error = errno;
  Stack stack = {{0}, 0, 0};
  _Unwind_Backtrace(visit, &stack);
  if (stack.is_library) {
    library_count += 1;
  } else {
    program_count += 1;
    count_site(&stack);
  }
  errno = error;
  is_inside = 0;
}

void *malloc(size_t size) {
  count_allocation();
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  count_allocation();
  return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
  count_allocation();
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  count_allocation();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  count_allocation();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
  count_allocation();
  void *made = __libc_memalign(alignment, size);
  if (!made) return ENOMEM;
  *result = made;
  return 0;
}

void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  count_allocation();
  return (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset);
}

static int find_program(struct dl_phdr_info *info, size_t size, void *unused) {
  (void)size;
  (void)unused;
  program_start = info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum; i += 1) {
    unsigned long end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
    if (info->dlpi_phdr[i].p_type == PT_LOAD && end > program_end) program_end = end;
  }
  return 1;  // The program comes first.
}

__attribute__((constructor)) static void begin(void) {
  dl_iterate_phdr(find_program, NULL);
  is_ready = getenv("ALLOCATION_COUNTS") != NULL;
}

__attribute__((destructor)) static void end(void) {
  is_ready = 0;
  const char *folder = getenv("ALLOCATION_COUNTS");
  const char *rank = getenv("OMPI_COMM_WORLD_RANK");
  char path[4096];
  if (!folder || snprintf(path, sizeof path, "%s/%s", folder, rank ? rank : "0") >= (int)sizeof path) return;
  FILE *file = fopen(path, "w");
  if (!file) return;
  fprintf(file, "program %lu\nlibraries %lu\n", program_count, library_count);
  for (int i = 0; i < SITES; i += 1) {
    if (sites[i].count == 0) continue;
    const unsigned long *at = sites[i].frames;
    fprintf(file, "at %lx,%lx,%lx,%lx %lu\n", at[0], at[1], at[2], at[3], sites[i].count);
  }
  fclose(file);
}
