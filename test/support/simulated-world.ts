import type { LogTraits } from '../../processor/ports.ts'
import type { CrashPoint } from '../../processor/simulation/crash.ts'
import { SimulatedClock } from '../../processor/simulation/simulated-clock.ts'
import { SimulatedDisk } from '../../processor/simulation/simulated-disk.ts'
import { SimulatedLog } from '../../processor/simulation/simulated-log.ts'
import { SimulatedRandom } from '../../processor/simulation/simulated-random.ts'

const embeddedTraits: LogTraits = { atomicCommit: true, repeatsRecords: false, handsOn: true }

/** One machine over several crashes: a disk, a clock, and one log after the other. */
export class SimulatedWorld {
  readonly clock = new SimulatedClock()
  readonly disk = new SimulatedDisk()
  readonly random: SimulatedRandom
  readonly #traits: LogTraits
  readonly #keepsState: boolean

  constructor({
    seed = 1,
    traits = embeddedTraits,
    keepsState = true,
  }: { readonly seed?: number; readonly traits?: LogTraits; readonly keepsState?: boolean } = {}) {
    this.random = new SimulatedRandom(seed)
    this.#traits = traits
    this.#keepsState = keepsState
  }

  /** Opens the log, as a process that starts now does. */
  boot(crash: CrashPoint | null = null): SimulatedLog {
    return new SimulatedLog({
      disk: this.disk,
      clock: this.clock,
      random: this.random,
      traits: this.#traits,
      keepsState: this.#keepsState,
      maxStepMs: 5,
      crash,
    })
  }
}
