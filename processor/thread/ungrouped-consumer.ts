import { InterruptibleWait } from '../../topology/interruptible-wait.ts'
import type { AssignmentListener, Clock, Consumer, Gap, Log, Position, Reader, RecordRun, TopicPartition } from '../ports.ts'

export interface UngroupedConsumerOptions {
  readonly log: Log
  readonly clock: Clock
  readonly inputs: readonly TopicPartition[]
  readonly listener: AssignmentListener
  /** The position of an input in the last commit. */
  readonly committed: (input: TopicPartition) => number | null
  /** Called for records that were deleted before they were read. */
  readonly onGap: (gap: Gap, cause?: Error) => void
}

interface Input extends TopicPartition {
  reader: Reader | null
  /** The number of seeks so far. The result of a read that began before a seek is dropped. */
  epoch: number
  run: RecordRun | null
  paused: boolean
  /** True when the records that the input held at the start have all been polled. */
  isPast: boolean
}

/** Reads all partitions of its topics without a group. Every process reads the topics of global stores like this. */
export class UngroupedConsumer implements Consumer {
  readonly #options: UngroupedConsumerOptions
  readonly #inputs: Input[]
  /** Callbacks of inputs that wait until their run has been polled. A callback lets its input read on. */
  readonly #takers = new Map<Input, () => void>()
  #isAssigned = false
  #failure: unknown = null
  readonly #wait: InterruptibleWait
  #closed = false

  constructor(options: UngroupedConsumerOptions) {
    this.#options = options
    this.#wait = new InterruptibleWait(options.clock)
    this.#inputs = options.inputs.map(({ topic, partition }) => ({
      topic,
      partition,
      reader: null,
      epoch: 0,
      run: null,
      paused: false,
      isPast: false,
    }))
  }

  /** True when the records that existed at the start have all been polled. */
  get isCaughtUp(): boolean {
    return this.#inputs.every(({ isPast, run }) => isPast && run === null)
  }

  async poll({ maxRecords, maxWaitMs }: { readonly maxRecords: number; readonly maxWaitMs: number }): Promise<readonly RecordRun[]> {
    if (!this.#isAssigned) {
      this.#isAssigned = true
      await this.#options.listener.assigned(this.#options.inputs)
      for (const input of this.#inputs) if (input.reader === null) await this.#begin(input, this.#options.committed(input))
    }
    const runs = this.#collect(maxRecords)
    if (runs.length > 0 || maxWaitMs <= 0 || this.#wait.takeWakeup()) return runs
    await this.#wait.for(maxWaitMs)
    this.#wait.takeWakeup()
    return this.#collect(maxRecords)
  }

  wakeup(): void {
    this.#wait.wakeup()
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const input of this.#of(partitions)) input.paused = true
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const input of this.#of(partitions)) input.paused = false
    this.wakeup()
  }

  hasMore(partition: TopicPartition): boolean {
    return this.#of([partition]).some(({ run }) => run !== null)
  }

  endOf(): null {
    return null
  }

  async committed(partition: TopicPartition): Promise<Position | null> {
    const offset = this.#options.committed(partition)
    return offset === null ? null : { offset, metadata: '' }
  }

  seek(partition: TopicPartition, offset: number): void {
    for (const input of this.#of([partition])) {
      void input.reader?.close()
      input.run = null
      void this.#begin(input, offset)
    }
  }

  rejoin(): void {}

  async close(): Promise<void> {
    this.#closed = true
    this.wakeup()
    for (const { reader } of this.#inputs) await reader?.close()
  }

  /** Reads the existing records first, and then new records. So the end of the existing records is noticed. */
  async #begin(input: Input, from: number | null): Promise<void> {
    const { log, onGap } = this.#options
    const { topic, partition } = input
    const epoch = ++input.epoch
    try {
      const { start, end, written } = (await log.topic(topic))?.offsets[partition] ?? { start: 0, end: 0 }
      const first = Math.max(start, from ?? start)
      const to = Math.max(first, written ?? end)
      if (this.#closed || input.epoch !== epoch) return
      if (from !== null && from < start) onGap({ topic, partition, from, to: start })
      const there = log.read({ topic, partition, from: first, to, onGap })
      input.reader = there
      void this.#pump(input, there, () => {
        input.isPast = true
        const rest = log.read({ topic, partition, from: to, onGap })
        input.reader = rest
        void this.#pump(input, rest, () => {})
        this.wakeup()
      })
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Reads ahead by one run: the next run is read before the last one has been polled. */
  async #pump(input: Input, reader: Reader, done: () => void): Promise<void> {
    try {
      for await (const run of reader) {
        if (this.#closed || input.reader !== reader) return
        input.run = run
        this.#wait.end()
        while (input.run === run && !this.#closed) await this.#taken(input)
      }
      if (!this.#closed && input.reader === reader) done()
    } catch (error) {
      if (!this.#closed && input.reader === reader) this.#fail(error)
    }
  }

  #taken(input: Input): Promise<void> {
    return new Promise((resolve) => this.#takers.set(input, resolve))
  }

  #collect(maxRecords: number): RecordRun[] {
    if (this.#failure !== null) {
      const failure = this.#failure
      this.#failure = null
      throw failure
    }
    const runs: RecordRun[] = []
    let left = maxRecords
    for (const input of this.#inputs) {
      const { run } = input
      if (run === null || input.paused || left <= 0) continue
      runs.push(run)
      left -= run.records.length
      input.run = null
      this.#takers.get(input)?.()
    }
    return runs
  }

  #fail(error: unknown): void {
    this.#failure = error
    this.#wait.end()
  }

  #of(partitions: readonly TopicPartition[]): readonly Input[] {
    return this.#inputs.filter((input) => partitions.some(({ topic, partition }) => topic === input.topic && partition === input.partition))
  }
}
