/** A part of the work that does not depend on other parts: a partition of an output, or a client. */
export type Part = string

export interface Stop {
  readonly ms: number
  readonly part: Part
  /** The start of the stop, counted from the start of the load, in ms. */
  readonly beganAtMs: number
}

export interface Recovery {
  /** The process or broker that was killed. */
  readonly of: string
  readonly ms: number
}

interface OpenRecovery {
  readonly of: string
  readonly killedAt: number
  /** Parts without a result of an input that was sent after the kill. */
  readonly left: Set<Part>
}

/**
 * Measures the flow of results under disturbance. It measures the longest times without a result, and the time from each kill until every part
 * (`Part`: a partition or a client) had new results.
 */
export class Progress {
  readonly #now: () => number
  #beganAt = 0
  #endedAt: number | null = null
  readonly #cameAt = new Map<Part, number>()
  readonly #open = new Set<OpenRecovery>()
  readonly #recoveries: Recovery[] = []
  #longest: Stop = { ms: 0, part: '', beganAtMs: 0 }

  constructor({ parts, now }: { readonly parts: readonly Part[]; readonly now: () => number }) {
    this.#now = now
    for (const part of parts) this.#cameAt.set(part, 0)
    this.begin()
  }

  /** Begins to measure. Earlier results do not count. */
  begin(): void {
    this.#beganAt = this.#now()
    for (const part of this.#cameAt.keys()) this.#cameAt.set(part, this.#beganAt)
    this.#open.clear()
    this.#recoveries.length = 0
    this.#longest = { ms: 0, part: '', beganAtMs: 0 }
  }

  /** Ends the measurement when sending has ended. Later results and pauses do not count. */
  end(): void {
    this.#endedAt ??= this.#now()
  }

  killed(of: string): void {
    this.#open.add({ of, killedAt: this.#now(), left: new Set(this.#cameAt.keys()) })
  }

  /** Records a result of an input that was sent at `sentAt`. */
  came(part: Part, sentAt: number): void {
    const last = this.#cameAt.get(part)
    if (last === undefined || this.#endedAt !== null) return
    const now = this.#now()
    this.#cameAt.set(part, now)
    if (now - last > this.#longest.ms) this.#longest = { ms: now - last, part, beganAtMs: last - this.#beganAt }
    for (const recovery of this.#open) {
      if (sentAt < recovery.killedAt) continue
      recovery.left.delete(part)
      if (recovery.left.size > 0) continue
      this.#open.delete(recovery)
      this.#recoveries.push({ of: recovery.of, ms: now - recovery.killedAt })
    }
  }

  /** The part that has had no result for the longest time until now. */
  get standing(): Stop {
    const now = this.#endedAt ?? this.#now()
    const [part = '', at = now] = [...this.#cameAt].sort(([, a], [, b]) => a - b)[0] ?? []
    return { ms: now - at, part, beganAtMs: at - this.#beganAt }
  }

  get longestStop(): Stop {
    const standing = this.standing
    return standing.ms > this.#longest.ms ? standing : this.#longest
  }

  /** Kills after which every part has had new results. */
  get recoveries(): readonly Recovery[] {
    return this.#recoveries
  }

  /** Parts without new results since a kill. */
  get waitedFor(): readonly Part[] {
    return [...new Set([...this.#open].flatMap(({ left }) => [...left]))]
  }
}
