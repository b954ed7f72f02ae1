/** What goes on by itself while others stand still: a partition of an output, a client. */
export type Part = string

export interface Stop {
  readonly ms: number
  readonly part: Part
  /** Since the load began. */
  readonly beganAtMs: number
}

export interface Recovery {
  /** What was killed. */
  readonly of: string
  readonly ms: number
}

interface OpenRecovery {
  readonly of: string
  readonly killedAt: number
  /** Where nothing has come yet of what was sent after the kill. */
  readonly left: Set<Part>
}

/** Where work comes out while it is disturbed: how long nothing came, and how long it took after a kill until everything came again. */
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

  /** What was before does not count. */
  begin(): void {
    this.#beganAt = this.#now()
    for (const part of this.#cameAt.keys()) this.#cameAt.set(part, this.#beganAt)
    this.#open.clear()
    this.#recoveries.length = 0
    this.#longest = { ms: 0, part: '', beganAtMs: 0 }
  }

  /** What comes from now on, or does not, does not count: nothing is sent any more. */
  end(): void {
    this.#endedAt ??= this.#now()
  }

  killed(of: string): void {
    this.#open.add({ of, killedAt: this.#now(), left: new Set(this.#cameAt.keys()) })
  }

  /** The outcome of what was sent at `sentAt`. */
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

  /** What has stood still longest until now. */
  get standing(): Stop {
    const now = this.#endedAt ?? this.#now()
    const [part = '', at = now] = [...this.#cameAt].sort(([, a], [, b]) => a - b)[0] ?? []
    return { ms: now - at, part, beganAtMs: at - this.#beganAt }
  }

  get longestStop(): Stop {
    const standing = this.standing
    return standing.ms > this.#longest.ms ? standing : this.#longest
  }

  /** Of kills after which everything has come again. */
  get recoveries(): readonly Recovery[] {
    return this.#recoveries
  }

  /** Of the other kills: where nothing has come yet. */
  get waitedFor(): readonly Part[] {
    return [...new Set([...this.#open].flatMap(({ left }) => [...left]))]
  }
}
