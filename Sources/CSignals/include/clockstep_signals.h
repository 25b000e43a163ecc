// SPDX-License-Identifier: Apache-2.0
// What a signal handler may do is too little for Swift: a flag, a clock, an exit.
#ifndef CLOCKSTEP_SIGNALS_H
#define CLOCKSTEP_SIGNALS_H

/// Makes SIGTERM and SIGINT a wish to stop, and SIGUSR1 and SIGUSR2 the same two by the names that mpirun passes on.
/// The first is kept for clockstep_stop_signal(); a second one, half a second later or more, ends the process at once
/// with status 128 + its number.
void clockstep_catch_stop_signals(void);

/// The signal that asked to stop, SIGTERM or SIGINT; 0 if none has.
int clockstep_stop_signal(void);

/// Lets the kernel kill this process when the one that started it dies.
void clockstep_die_with_parent(void);

/// Ends the process with a status after that many seconds, whatever it is doing by then; 0 calls it off.
void clockstep_exit_after(unsigned seconds, int status);

#endif
