import type { Clock } from '../../processor/ports.ts'
import { timesInKey } from '../../topology/swarm/payload/claim-codec.ts'
import type { ClaimStore } from '../../topology/swarm/ports/claims.ts'
import { saidBy } from '../../topology/waggle-error.ts'
import type { ClaimCounts } from './claim-counts.ts'

export interface ClaimSweepOptions {
  readonly store: ClaimStore
  readonly clock: Clock
  /**
   * The time of the oldest unread record, in epoch ms. An object that was put after this time stays even if it has expired, because an unread record
   * may name it. Infinity: every record has been read. Null: the time is unknown, so nothing is deleted.
   */
  readonly oldestUnread: () => number | null
  readonly everyMs: number
  readonly onNotice: (notice: string) => void
  readonly counts: ClaimCounts
}

/**
 * Deletes expired objects. Some of them were never named by a record, because their process died before it wrote the record. The name of an object
 * contains its expiry. A sweep therefore reads only names, and each process deletes the objects of all processes.
 */
export class ClaimSweep {
  readonly #options: ClaimSweepOptions
  readonly #stop = new AbortController()
  #cancel = () => {}
  #sweeping: Promise<unknown> = Promise.resolve()

  constructor(options: ClaimSweepOptions) {
    this.#options = options
  }

  start(): void {
    const { clock, everyMs, onNotice } = this.#options
    const again = (afterMs: number) => {
      this.#cancel = clock.after(afterMs, () => {
        this.#sweeping = this.sweep()
          .catch((thrown: unknown) => {
            if (!this.#stop.signal.aborted) onNotice(`expired payloads stay for now: ${saidBy(thrown)}`)
          })
          .then(() => {
            if (!this.#stop.signal.aborted) again(everyMs)
          })
      })
    }
    again(Math.min(firstMs, everyMs))
  }

  /** Deletes expired objects, and returns their number. */
  async sweep(): Promise<number> {
    const { store, clock, oldestUnread, counts } = this.#options
    const { signal } = this.#stop
    let deleted = 0
    for (;;) {
      const unread = oldestUnread()
      if (unread === null) return deleted
      const keys = await store.list(String(Math.floor(clock.now())).padStart(13, '0'), pageKeys, signal)
      const over = keys.filter((key) => (timesInKey(key)?.putAt ?? Number.POSITIVE_INFINITY) < unread - marginMs)
      for (let at = 0; at < over.length; at += atOnce) await Promise.all(over.slice(at, at + atOnce).map((key) => store.delete(key, signal)))
      deleted += over.length
      counts.expiredObjects += over.length
      if (over.length === 0 || keys.length < pageKeys) return deleted
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#cancel()
    await this.#sweeping
  }
}

/** The first sweep runs a moment after the start, when the log knows its readers. */
const firstMs = 15_000
const pageKeys = 1_000
const atOnce = 8
/** The clock of a caller's record may differ from the clock of the process that put its payload. */
const marginMs = 3_600_000
