# SPDX-License-Identifier: Apache-2.0
"""Virtual hosts of launch/local-cluster, with one core each, connected at a given bandwidth. Needs root."""

import os
import subprocess

from .program import ROOT, UNAVAILABLE, MeasurementError, fail

NETWORK = "10.77.0.0/24"
LAUNCHER = ROOT / "launch/local-cluster"


def check():
    """Exits unless hosts can be created on this machine."""
    done = subprocess.run([LAUNCHER, "1", "--", "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        fail(UNAVAILABLE, done.stderr.strip())


def call(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MeasurementError(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}")


class Hosts:
    """`with Hosts(2, "1gbit") as hosts:`; they exist until the end of the block or of this program."""

    def __init__(self, count, rate):
        self.count, self.rate = count, rate
        self.addresses = [f"10.77.0.{host}" for host in range(1, count + 1)]

    def __enter__(self):
        rate = ["--rate", self.rate] if self.rate else []
        # The cluster's command runs until its input ends, which also happens when this program is killed.
        self.cluster = subprocess.Popen(
            [LAUNCHER, str(self.count), "--slots", "1", *rate, "--", "sh", "-c", "echo ready; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        if self.cluster.stdout.readline() != "ready\n":
            raise MeasurementError(self.cluster.communicate()[1].strip())
        return self

    def __exit__(self, *_):
        self.cluster.communicate()

    def inside(self, host):
        """The prefix of a command that runs it on a host."""
        script = f'cd "$1" && shift && . "{ROOT}/launch/lib/cluster.bash" && enter_host {host} "$@"'
        return ["nsenter", "--target", str(self.cluster.pid), "--mount", "bash", "-c", script, "bash", os.getcwd()]

    @property
    def slots(self):
        return ",".join(f"node{host}:1" for host in range(1, self.count + 1))

    def gigabits(self, seconds=1.0):
        """The bandwidth of one TCP stream from host 1 to host 2, in Gbit/s."""
        server = subprocess.Popen([*self.inside(2), "python3", "-c", RECEIVER, self.addresses[1]],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            server.stdout.readline()
            call(*self.inside(1), "python3", "-c", SENDER, self.addresses[1], str(seconds))
            return float(server.stdout.readline()) / 1e9
        finally:
            server.kill()
            server.wait()


RECEIVER = """
import socket, sys, time
listener = socket.create_server((sys.argv[1], 5202))
print("ready", flush=True)
stream, total = listener.accept()[0], 0
start = time.perf_counter()
while part := stream.recv(1 << 20):
    total += len(part)
print(8 * total / (time.perf_counter() - start), flush=True)
"""
SENDER = """
import socket, sys, time
stream, end = socket.create_connection((sys.argv[1], 5202)), time.perf_counter() + float(sys.argv[2])
while time.perf_counter() < end:
    stream.sendall(bytes(1 << 18))
"""
