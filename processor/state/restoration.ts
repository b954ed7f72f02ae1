import { WaggleError } from '../../topology/waggle-error.ts'
import type { TopicPartition } from '../ports.ts'
import type { ChangelogCopy, ChangelogRange } from './changelog-copy.ts'

export interface RestorationOptions {
  readonly task: string
  readonly copies: readonly ChangelogCopy[]
  /** Finds the current offsets of each changelog. Called once. */
  readonly ranges: (copies: readonly ChangelogCopy[]) => Promise<readonly ChangelogRange[]>
  /** Called for each copy when it begins, with the offset to reach. */
  readonly onStart: (copy: ChangelogCopy, end: number) => void
  readonly onEnd: (copy: ChangelogCopy, how: 'restored' | 'suspended') => void
}

/** The restoration of a task's stores from their changelogs. */
export class Restoration {
  readonly task: string
  readonly done: Promise<void>
  readonly #options: RestorationOptions
  readonly #copies: readonly ChangelogCopy[]
  #ends: ReadonlyMap<ChangelogCopy, number> = new Map()
  /** Copies that have begun and are not restored yet. */
  readonly #open = new Set<ChangelogCopy>()
  #closed = false
  #isDone = false

  constructor(options: RestorationOptions) {
    this.task = options.task
    this.#options = options
    this.#copies = options.copies
    this.done = this.#run()
    // Callers that await `done` get the failure.
    this.done.catch(() => this.close())
  }

  /** An upper bound of the records still to read. Some offsets have no record. */
  get remaining(): number {
    let remaining = 0
    for (const [copy, end] of this.#ends) remaining += Math.max(0, end - copy.position)
    return remaining
  }

  get isDone(): boolean {
    return this.#isDone
  }

  close(): void {
    this.#closed = true
    for (const copy of this.#copies) copy.close()
    this.#suspend()
  }

  /** Restores the copies. If retention deletes records meanwhile, the copies begin again with the remaining records. */
  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        return await this.#bring()
      } catch (thrown) {
        for (const copy of this.#copies) copy.pause()
        this.#suspend()
        if (!areRecordsGone(thrown)) throw thrown
      }
    }
  }

  async #bring(): Promise<void> {
    const found = await this.#options.ranges(this.#copies)
    if (this.#closed) return
    this.#copies.forEach((copy, at) => {
      copy.begin(found[at] ?? { start: 0, end: 0, topicId: null })
    })
    this.#ends = new Map(this.#copies.map((copy, at) => [copy, found[at]?.end ?? 0]))
    await Promise.all([...this.#ends].map(([copy, end]) => this.#read(copy, end)))
    if (this.#closed) return
    this.#isDone = true
    for (const copy of this.#copies) copy.freeBuffers()
  }

  async #read(copy: ChangelogCopy, end: number): Promise<void> {
    this.#open.add(copy)
    this.#options.onStart(copy, end)
    await copy.readTo(end)
    if (!this.#closed && this.#open.delete(copy)) this.#options.onEnd(copy, 'restored')
  }

  #suspend(): void {
    for (const copy of this.#open) this.#options.onEnd(copy, 'suspended')
    this.#open.clear()
  }
}

/** True for the error of a changelog that changed while it was read. */
export function areRecordsGone(thrown: unknown): boolean {
  return thrown instanceof WaggleError && thrown.code === 'WAGGLE_RECORDS_GONE'
}

/** The task's positions in topics that replace changelogs. */
export type SourcePositions = readonly (TopicPartition & { readonly offset: number })[]
