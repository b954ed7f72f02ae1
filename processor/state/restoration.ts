import { WaggleError } from '../../topology/waggle-error.ts'
import type { TopicPartition } from '../ports.ts'
import type { ChangelogCopy, ChangelogRange } from './changelog-copy.ts'

export interface RestorationOptions {
  readonly task: string
  readonly copies: readonly ChangelogCopy[]
  /** Where each changelog lies now; asked for once. */
  readonly ranges: (copies: readonly ChangelogCopy[]) => Promise<readonly ChangelogRange[]>
  /** Of each copy: it begins, with where it is to come to; and it is there, or is given up before. */
  readonly onStart: (copy: ChangelogCopy, end: number) => void
  readonly onEnd: (copy: ChangelogCopy, how: 'restored' | 'suspended') => void
}

/** A task's stores on their way to where its changelogs are. */
export class Restoration {
  readonly task: string
  readonly done: Promise<void>
  readonly #options: RestorationOptions
  readonly #copies: readonly ChangelogCopy[]
  #ends: ReadonlyMap<ChangelogCopy, number> = new Map()
  /** Begun, and not there. */
  readonly #open = new Set<ChangelogCopy>()
  #closed = false
  #isDone = false

  constructor(options: RestorationOptions) {
    this.task = options.task
    this.#options = options
    this.#copies = options.copies
    this.done = this.#run()
    // Who waits for it is told.
    this.done.catch(() => this.close())
  }

  /** Records, at the most: there may be offsets without one. */
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

  /** What goes while it is read is no failure: it is begun anew with what there is. */
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
    for (const copy of this.#copies) copy.rest()
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

/** A changelog is not what it was when it was begun. */
export function areRecordsGone(thrown: unknown): boolean {
  return thrown instanceof WaggleError && thrown.code === 'WAGGLE_RECORDS_GONE'
}

/** Partitions with where the task stands in them, as `Restoration` wants them of topics that stand for changelogs. */
export type SourcePositions = readonly (TopicPartition & { readonly offset: number })[]
