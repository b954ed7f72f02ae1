import type { Clock, TopicPartition } from '../ports.ts'
import type { ChangelogCopy } from './changelog-copy.ts'
import { type ChangelogEdges, type ChangelogEnds, noChangelog } from './changelog-ends.ts'
import type { StoreChangelog } from './changelog-topics.ts'
import { areRecordsGone } from './restoration.ts'

export interface StandbyOptions {
  readonly copies: readonly ChangelogCopy[]
  readonly ends: ChangelogEnds
  readonly clock: Clock
  /** The task's position in a topic that replaces a changelog; null if the position is unknown. */
  readonly positionIn: (place: TopicPartition) => Promise<number | null>
  /** Called once for each copy. */
  readonly onStart: (copy: ChangelogCopy) => void
  readonly onEnd: (copy: ChangelogCopy) => void
  /** Called when a changelog cannot be read at the moment. The standby tries again. */
  readonly onFailure: (error: unknown) => void
}

/** Keeps copies of the state of a task that runs in another process. `TaskStates.open` ends the standby when the task comes to this process. */
export class Standby {
  readonly copies: readonly ChangelogCopy[]
  readonly #options: StandbyOptions
  readonly #begun = new Set<ChangelogCopy>()
  /** The number of rounds. Work of an earlier round stops. */
  #round = 0
  #wake = () => {}
  #closed = false

  constructor(options: StandbyOptions) {
    this.copies = options.copies
    this.#options = options
    void this.#run()
  }

  close(): void {
    this.#closed = true
    this.#wake()
    for (const copy of this.copies) copy.close()
    for (const copy of this.#begun) this.#options.onEnd(copy)
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#closed; failures++) {
      try {
        await this.#follow()
        return
      } catch (error) {
        if (this.#closed) return
        this.#round++
        for (const copy of this.copies) copy.pause()
        if (areRecordsGone(error)) continue
        this.#options.onFailure(error)
        await this.#pause(Math.min(maxBackOffMs, backOffMs * 2 ** Math.min(10, failures)))
      }
    }
  }

  /** Follows the changelogs until the standby is closed or a read fails. */
  async #follow(): Promise<void> {
    const changelogs = this.copies.map(({ changelog }) => changelog)
    const edges = await this.#options.ends.now(changelogs.map(({ place }) => place))
    const positions = await Promise.all(changelogs.map((changelog) => this.#positionIn(changelog)))
    if (this.#closed) return
    this.copies.forEach((copy, at) => {
      this.#begin(copy, edges[at] ?? noChangelog, positions[at] ?? null)
    })
    const sources = this.copies.filter(({ changelog }) => changelog.isSource)
    const others = this.copies.filter(({ changelog }) => !changelog.isSource)
    await Promise.all([...others.map((copy) => copy.follow()), ...(sources.length === 0 ? [] : [this.#followTask(sources, ++this.#round)])])
  }

  #begin(copy: ChangelogCopy, { start, end, written, topicId }: ChangelogEdges, position: number | null): void {
    copy.begin({ start, end: copy.changelog.isSource ? (position ?? start) : (written ?? end), topicId })
    if (!this.#begun.has(copy)) this.#options.onStart(copy)
    this.#begun.add(copy)
  }

  /** Reads a source topic only up to the task's position, because the task's table does not have later records yet. */
  async #followTask(sources: readonly ChangelogCopy[], round: number): Promise<void> {
    const goesOn = () => !this.#closed && round === this.#round
    while (goesOn()) {
      for (const copy of sources) {
        const position = await this.#positionIn(copy.changelog)
        if (goesOn() && position !== null) await copy.readTo(position)
      }
      if (goesOn()) await this.#pause(followMs)
    }
  }

  async #positionIn({ place, isSource }: StoreChangelog): Promise<number | null> {
    return isSource ? this.#options.positionIn(place) : null
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(delayMs, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
  }
}

/** The interval of requests for a task's position, in ms. */
const followMs = 1000
const backOffMs = 100
const maxBackOffMs = 5000
