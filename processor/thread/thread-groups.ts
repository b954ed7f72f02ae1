import type { Subtopology } from '../../topology/subtopology.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { AssignmentListener, Clock, Consumer, Log, RecordRun, TopicPartition } from '../ports.ts'
import type { TaskStates } from '../state/task-states.ts'
import type { SkippedRecords } from './skipped-records.ts'
import { startOffset } from './start-offset.ts'
import { type SpreadOptions, ThreadAssignor } from './thread-assignor.ts'
import type { ThreadProgram } from './thread-program.ts'
import { resetOf } from './thread-tasks.ts'
import { UngroupedConsumer } from './ungrouped-consumer.ts'

export interface ThreadGroupsOptions {
  /** The thread's name, which distinguishes its static members. */
  readonly name: string
  readonly program: ThreadProgram
  readonly log: Log
  readonly clock: Clock
  readonly states: TaskStates | null
  readonly spread: SpreadOptions | null
  readonly partitionsOf: (topic: string) => number
  readonly listenerOf: (group: string) => AssignmentListener
  /** The position of an input that is stored with its task's state. */
  readonly positionOf: (group: string, input: TopicPartition) => number | null
  readonly skipped: SkippedRecords
  /** Called with the reason why tasks of a group run nowhere. */
  readonly onProblem: (problem: WaggleError) => void
  /** Called when the leader has sent a new assignment. */
  readonly onReceived: () => void
}

interface GroupOfThread {
  readonly group: string
  readonly consumer: Consumer
}

/** The records of one group's poll, or its error. */
export interface PolledGroup {
  readonly group: string
  readonly runs: readonly RecordRun[]
  readonly failure: { readonly error: unknown } | null
}

/**
 * The groups of a thread, with one consumer each. If every process keeps its own global stores, the topics of these stores are read without a group.
 */
export class ThreadGroups {
  readonly #options: ThreadGroupsOptions
  readonly #assignors = new Map<string, ThreadAssignor>()
  #consumers: readonly GroupOfThread[] = []

  constructor(options: ThreadGroupsOptions) {
    this.#options = options
  }

  get consumers(): readonly GroupOfThread[] {
    return this.#consumers
  }

  /** The assignors, one for each group; none if the log itself spreads partitions. */
  get assignors(): readonly ThreadAssignor[] {
    return [...this.#assignors.values()]
  }

  /** True when the records that inputs without a group held at the start have all been polled. */
  get isCaughtUp(): boolean {
    return this.#consumers.every(({ consumer }) => !(consumer instanceof UngroupedConsumer) || consumer.isCaughtUp)
  }

  consumerOf(group: string): Consumer | undefined {
    return this.#consumers.find((one) => one.group === group)?.consumer
  }

  async open(): Promise<void> {
    const opened: GroupOfThread[] = []
    // If a later consumer cannot be opened, the consumers in this list are closed.
    this.#consumers = opened
    for (const { group, topics, subtopologies } of this.#options.program.groups) {
      const isAlone = this.#options.states !== null && subtopologies.some(({ isGlobal }) => isGlobal)
      opened.push({ group, consumer: isAlone ? this.#ungrouped(group, topics) : await this.#member(group, topics, subtopologies) })
    }
  }

  /** Joins a group again if a copy that this process keeps of one of the group's tasks has caught up. Then the task can move to this thread. */
  rejoinWhereReady(): void {
    for (const [group, assignor] of this.#assignors) if (assignor.takeRejoin()) this.consumerOf(group)?.rejoin()
  }

  /** Polls all groups at the same time. The first poll that ends, with records or an error, ends the others. */
  async poll(options: { readonly maxRecords: number; readonly maxWaitMs: number }): Promise<readonly PolledGroup[]> {
    const consumers = this.#consumers
    const polls = consumers.map((one) => polled(one, options))
    if (consumers.length > 1 && options.maxWaitMs > 0) endTogether(consumers, polls)
    return Promise.all(polls)
  }

  wakeup(): void {
    for (const { consumer } of this.#consumers) consumer.wakeup()
  }

  async close(): Promise<void> {
    // Assignors close first, because their copies still ask the consumers for positions.
    for (const assignor of this.#assignors.values()) assignor.close()
    for (const { consumer } of this.#consumers) await consumer.close()
  }

  #member(group: string, topics: readonly string[], subtopologies: readonly Subtopology[]): Promise<Consumer> {
    const { log, clock, spread, name, listenerOf } = this.#options
    const assignor = this.#assignor(group, subtopologies)
    return log.subscribe({
      group,
      topics,
      offsetReset: 'earliest',
      outOfRange: async ({ topic, partition }, was) => {
        const reader = subtopologies.find(({ sources }) => sources.includes(topic))
        const to = await startOffset(log, clock, { topic, partition, was }, reader === undefined ? 'earliest' : resetOf(reader, topic))
        this.#options.skipped.add({ topic, partition, from: was, to })
        return to
      },
      onUnreadable: (gap, cause) => this.#options.skipped.add(gap, cause),
      isolation: log.traits.handsOn ? 'handed' : 'committed',
      listener: listenerOf(group),
      ...(assignor === null ? {} : { assignor }),
      ...(typeof spread?.instanceId === 'string' ? { instanceId: `${spread.instanceId}-${name}` } : {}),
    })
  }

  #assignor(group: string, subtopologies: readonly Subtopology[]): ThreadAssignor | null {
    const { states, spread, clock, partitionsOf, onProblem, onReceived } = this.#options
    if (states === null || spread === null || subtopologies.some(({ isGlobal }) => isGlobal)) return null
    const received = () => {
      for (const problem of assignor.problems) onProblem(problem)
      onReceived()
    }
    const committed = async (place: TopicPartition) => (await this.consumerOf(group)?.committed(place))?.offset ?? null
    const assignor = new ThreadAssignor({ subtopologies, states, clock, spread, partitionsOf, committed, onReceived: received })
    this.#assignors.set(group, assignor)
    return assignor
  }

  #ungrouped(group: string, topics: readonly string[]): UngroupedConsumer {
    const { log, clock, partitionsOf, listenerOf, positionOf, skipped } = this.#options
    const inputs = topics.flatMap((topic) => Array.from({ length: partitionsOf(topic) }, (_, partition) => ({ topic, partition })))
    return new UngroupedConsumer({
      log,
      clock,
      inputs,
      committed: (input) => positionOf(group, input),
      listener: listenerOf(group),
      onGap: (gap, cause) => skipped.add(gap, cause),
    })
  }
}

async function polled({ group, consumer }: GroupOfThread, options: Parameters<Consumer['poll']>[0]): Promise<PolledGroup> {
  try {
    return { group, runs: await consumer.poll(options), failure: null }
  } catch (error) {
    return { group, runs: [], failure: { error } }
  }
}

function endTogether(consumers: readonly { readonly consumer: Consumer }[], polls: readonly Promise<unknown>[]): void {
  const waiting = new Set(consumers)
  polls.forEach((poll, index) => {
    const ended = () => {
      const own = consumers[index]
      if (own === undefined || !waiting.delete(own)) return
      for (const { consumer } of waiting) consumer.wakeup()
      waiting.clear()
    }
    void poll.then(ended)
  })
}
