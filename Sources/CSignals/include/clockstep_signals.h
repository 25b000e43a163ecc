// SPDX-License-Identifier: Apache-2.0
// What a signal handler may do is too little for Swift: a flag, a clock, an exit.
#ifndef CLOCKSTEP_SIGNALS_H
#define CLOCKSTEP_SIGNALS_H

/// Makes SIGTERM and SIGINT a wish to stop, and SIGUSR1 and SIGUSR2 the same two by the names that mpirun passes on.
/// The first is kept for clockstep_stop_signal(); a second one, half a second later or more, ends the process at once
/// with status 128 + its number.
void clockstep_catch_stop_signals(void);

/// Makes writing beyond the limit on file sizes (ulimit -f) an error of the write, EFBIG, rather than the process's end.
void clockstep_survive_file_limits(void);

/// The signal that asked to stop, SIGTERM or SIGINT; 0 if none has.
int clockstep_stop_signal(void);

/// Lets the kernel kill this process when the one that started it dies.
void clockstep_die_with_parent(void);

/// Ends the process with a status after that many seconds, whatever it is doing by then; 0 calls it off.
///
/// It says the message, a string that stays, or nothing for a null pointer. Open MPI's daemon is ended 2 seconds later,
/// as clockstep_end_daemon_after() does.
void clockstep_exit_after(unsigned seconds, int status, const char *message);

/// Ends Open MPI's daemon on this host, orted, if it started this process and is still there after that many seconds.
///
/// A daemon that has lost its launcher with words on the way waits until TCP gives up, a quarter of an hour. The watch
/// is kept by a process of its own, which outlives this one and ends with the daemon. May be called by a signal handler.
void clockstep_end_daemon_after(unsigned seconds);

#endif
