// SPDX-License-Identifier: Apache-2.0
// Signal handlers in C: Swift code is not async-signal-safe.
#ifndef CLOCKSTEP_SIGNALS_H
#define CLOCKSTEP_SIGNALS_H

/// Makes SIGTERM and SIGINT requests to stop; SIGUSR1 and SIGUSR2, which mpirun forwards, stand for the same two.
/// clockstep_stop_signal() returns the first. A second one, at least half a second later, exits the process at once with
/// status 128 + its number.
void clockstep_catch_stop_signals(void);

/// Makes exceeding the file size limit (ulimit -f) an error of the write, EFBIG, instead of a fatal signal.
void clockstep_survive_file_limits(void);

/// The signal that requested a stop, SIGTERM or SIGINT; 0 if there was none.
int clockstep_stop_signal(void);

/// Makes the kernel kill this process when its parent dies.
void clockstep_die_with_parent(void);

/// Exits the process with a status after a number of seconds, whatever it is doing then; 0 cancels it.
///
/// First writes the message, a string with static lifetime, to standard error unless it is a null pointer. Open MPI's
/// daemon is killed 2 seconds later, as by clockstep_end_daemon_after().
void clockstep_exit_after(unsigned seconds, int status, const char *message);

/// Kills Open MPI's daemon on this host, orted, if it is this process's parent and still runs after a number of seconds.
///
/// A daemon that loses its launcher with unsent data waits for TCP to time out, a quarter of an hour. A separate process
/// watches it, which outlives this one and exits with the daemon. Async-signal-safe.
void clockstep_end_daemon_after(unsigned seconds);

#endif
