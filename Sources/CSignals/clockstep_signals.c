// SPDX-License-Identifier: Apache-2.0
// For _Fork, which is async-signal-safe.
#define _GNU_SOURCE
#include "clockstep_signals.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "handlers use lock-free atomics only");

static atomic_int stop_signal;
static atomic_llong first_time;
static atomic_int alarm_status;
static const char *_Atomic alarm_message;

static long long milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

// One request often arrives twice: from a signal to the whole process group, and from the launcher.
static void note_stop(int number) {
  int asked = number == SIGUSR1 ? SIGTERM : number == SIGUSR2 ? SIGINT : number;
  int none = 0;
  if (atomic_load(&stop_signal) == 0) atomic_store(&first_time, milliseconds());
  if (atomic_compare_exchange_strong(&stop_signal, &none, asked)) return;
  if (milliseconds() - atomic_load(&first_time) >= 500) _exit(128 + asked);
}

// oneDNN's generated kernels point the stack pointer into their heap buffers. A handler's frame would overwrite what
// lies below, so handlers run on an alternate stack.
static void use_own_stack(void) {
  static char stack[64 * 1024] __attribute__((aligned(64)));
  stack_t present, own = {.ss_sp = stack, .ss_size = sizeof stack};
  if (sigaltstack(0, &present) == 0 && (present.ss_flags & SS_DISABLE)) sigaltstack(&own, 0);
}

static void handle(int number, void (*handler)(int)) {
  use_own_stack();
  struct sigaction action = {0};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, 0);
  // The parent process may have blocked the signal.
  sigset_t own;
  sigemptyset(&own);
  sigaddset(&own, number);
  sigprocmask(SIG_UNBLOCK, &own, 0);
}

void clockstep_catch_stop_signals(void) {
  handle(SIGTERM, note_stop);
  handle(SIGINT, note_stop);
  handle(SIGUSR1, note_stop);
  handle(SIGUSR2, note_stop);
}

void clockstep_survive_file_limits(void) { signal(SIGXFSZ, SIG_IGN); }

int clockstep_stop_signal(void) { return atomic_load(&stop_signal); }

void clockstep_die_with_parent(void) {
  pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(75);
}

static int is_daemon(pid_t process) {
  char path[32], name[8] = "";
  snprintf(path, sizeof path, "/proc/%d/comm", process);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t got = read(file, name, sizeof name);
  close(file);
  return got == 6 && memcmp(name, "orted\n", 6) == 0;
}

void clockstep_end_daemon_after(unsigned seconds) {
  pid_t parent = getppid();
  if (!is_daemon(parent)) return;
  // Not its process id, which may have been reused by then.
  int daemon = (int)syscall(SYS_pidfd_open, parent, 0);
  if (daemon < 0 || _Fork() != 0) return;
  setsid();
  signal(SIGTERM, SIG_IGN);
  // The daemon reads its ranks' output until every copy of the pipe is closed, so keep none.
  dup2(daemon, 0);
  syscall(SYS_close_range, 1, ~0U, 0);
  struct pollfd ended = {.fd = 0, .events = POLLIN};
  if (poll(&ended, 1, (int)seconds * 1000) == 0) syscall(SYS_pidfd_send_signal, 0, SIGKILL, 0, 0);
  _exit(0);
}

static void leave(int number) {
  (void)number;
  // The daemon may have lost the launcher, too.
  clockstep_end_daemon_after(2);
  const char *message = atomic_load(&alarm_message);
  if (message && write(2, message, strlen(message)) < 0) _exit(atomic_load(&alarm_status));
  _exit(atomic_load(&alarm_status));
}

void clockstep_exit_after(unsigned seconds, int status, const char *message) {
  atomic_store(&alarm_status, status);
  atomic_store(&alarm_message, message);
  handle(SIGALRM, leave);
  alarm(seconds);
}
