import { ProblemError } from '../../connectors/gateway/http/problem.ts'
import type { Application } from '../../processor/application/application.ts'
import type { Clock } from '../../processor/ports.ts'
import type { BeeTime, ProcessDebug, ProcessProfile } from '../../topology/swarm/process-debug.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { LogLevels } from '../process-log/log-line.ts'
import { isLogLevels } from '../process-log/log-threshold.ts'
import { threadProfiles } from './thread-profiles.ts'

export interface RunningProcessOptions {
  readonly clock: Clock
  readonly logLevels: LogLevels
  /** The running swarms. The list may change. */
  readonly swarms: readonly { readonly plan: { readonly swarm: string }; readonly application: Pick<Application, 'threads'> }[]
}

/** Information about this process for its operator. */
export class RunningProcess implements ProcessDebug {
  readonly #options: RunningProcessOptions
  /** Ends the running profile; null if no profile is running. */
  #end: (() => void) | null = null
  #profile: Promise<unknown> = Promise.resolve()

  constructor(options: RunningProcessOptions) {
    this.#options = options
  }

  get logLevel(): string {
    return this.#options.logLevels.text
  }

  setLogLevel(levels: string): void {
    if (levels.length > maxLevelCharacters || !isLogLevels(levels))
      throw new ProblemError(
        'WAGGLE_BAD_REQUEST',
        `level is debug, info, warn or error, one module’s as module=level, several with commas, not ${levels.slice(0, 100)}`,
      )
    this.#options.logLevels.set(levels)
  }

  profile(seconds: number): Promise<ProcessProfile> {
    if (this.#end !== null)
      return Promise.reject(
        new WaggleError('WAGGLE_PROFILE_RUNNING', {
          message: 'A profile of this process runs already',
          next: 'Wait until the running profile has ended.',
        }),
      )
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    this.#end = resolve
    const taken = this.#take(seconds, ended).finally(() => {
      this.#end = null
    })
    this.#profile = taken.catch(() => {})
    return taken
  }

  async close(): Promise<void> {
    this.#end?.()
    await this.#profile
  }

  async #take(seconds: number, ended: Promise<void>): Promise<ProcessProfile> {
    const { clock } = this.#options
    let [started_at, since, before] = [clock.now(), clock.elapsedMs(), this.#times()]
    let cancel = () => {}
    // The time counts from the moment at which the threads are being sampled. A busy thread begins late.
    const begun = () => {
      started_at = clock.now()
      since = clock.elapsedMs()
      before = this.#times()
      cancel = clock.after(seconds * 1000, () => this.#end?.())
    }
    try {
      const threads = await threadProfiles(clock, { begun, ended })
      return { started_at, seconds: (clock.elapsedMs() - since) / 1000, threads, bees: timesBetween(before, this.#times()) }
    } finally {
      cancel()
    }
  }

  #times(): ReadonlyMap<string, Times> {
    const times = new Map<string, Times>()
    for (const { plan, application } of this.#options.swarms)
      for (const { callMeters } of application.threads.here)
        for (const [bee, { durations, waits }] of callMeters) {
          const key = JSON.stringify([plan.swarm, bee])
          const known = times.get(key) ?? { swarm: plan.swarm, bee, calls: 0, callSeconds: 0, rows: 0, waitSeconds: 0 }
          times.set(key, {
            ...known,
            calls: known.calls + durations.count,
            callSeconds: known.callSeconds + durations.sum,
            rows: known.rows + waits.count,
            waitSeconds: known.waitSeconds + waits.sum,
          })
        }
    return times
  }
}

interface Times {
  readonly swarm: string
  readonly bee: string
  readonly calls: number
  readonly callSeconds: number
  readonly rows: number
  readonly waitSeconds: number
}

function timesBetween(before: ReadonlyMap<string, Times>, after: ReadonlyMap<string, Times>): readonly BeeTime[] {
  const spent = [...after].map(([key, now]) => {
    const then = before.get(key)
    const since = (of: (times: Times) => number) => Math.max(0, of(now) - (then === undefined ? 0 : of(then)))
    const [calls, rows] = [since((one) => one.calls), since((one) => one.rows)]
    const [callMs, waitMs] = [since((one) => one.callSeconds) * 1000, since((one) => one.waitSeconds) * 1000]
    const { swarm, bee } = now
    return { swarm, bee, calls, rows, wait_ms: rows === 0 ? null : waitMs / rows, call_ms: calls === 0 ? null : callMs / calls }
  })
  return spent
    .filter(({ calls, rows }) => calls + rows > 0)
    .sort((one, other) => (other.wait_ms ?? 0) + (other.call_ms ?? 0) - (one.wait_ms ?? 0) - (one.call_ms ?? 0))
}

const maxLevelCharacters = 1000
