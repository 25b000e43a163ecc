// SPDX-License-Identifier: Apache-2.0
import MessagePassing
let e = try MPIEnvironment()
do { try GoldenChecks.run(e) } catch { print("check failed: rank \(e.world.rank): \(error)"); e.world.abort(status: 1) }
try e.finalise()
