import type { Subtopology } from '../../topology/subtopology.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { AssignmentListener, Clock, Consumer, Log, TopicPartition } from '../ports.ts'
import type { TaskStates } from '../state/task-states.ts'
import type { SkippedRecords } from './skipped-records.ts'
import { startOffset } from './start-offset.ts'
import type { TaskPlan } from './task-plan.ts'
import { type SpreadOptions, ThreadAssignor } from './thread-assignor.ts'
import { resetOf } from './thread-tasks.ts'
import { UngroupedConsumer } from './ungrouped-consumer.ts'

export interface ThreadGroupsOptions {
  /** Of the thread: its members with names of their own are told apart by it. */
  readonly name: string
  readonly plan: TaskPlan
  readonly log: Log
  readonly clock: Clock
  readonly states: TaskStates | null
  readonly spread: SpreadOptions | null
  readonly partitionsOf: (topic: string) => number
  readonly listenerOf: (group: string) => AssignmentListener
  /** Where an input stands whose position is kept with its task's state. */
  readonly positionOf: (group: string, input: TopicPartition) => number | null
  readonly skipped: SkippedRecords
  /** What keeps tasks of a group from running anywhere. */
  readonly onProblem: (problem: WaggleError) => void
  /** It was decided anew who runs what. */
  readonly onReceived: () => void
}

interface GroupOfThread {
  readonly group: string
  readonly consumer: Consumer
}

/** The groups that a thread is a member of, a consumer each; global stores are read in none where every process does so for itself. */
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

  /** Who runs what, a group each; none where the log spreads partitions by itself. */
  get assignors(): readonly ThreadAssignor[] {
    return [...this.#assignors.values()]
  }

  /** Of inputs that are read without a group: all that there was when it began has been given out. */
  get isCaughtUp(): boolean {
    return this.#consumers.every(({ consumer }) => !(consumer instanceof UngroupedConsumer) || consumer.isCaughtUp)
  }

  consumerOf(group: string): Consumer | undefined {
    return this.#consumers.find((one) => one.group === group)?.consumer
  }

  async open(): Promise<void> {
    const opened: GroupOfThread[] = []
    // Those that are open by then are closed where the next cannot be.
    this.#consumers = opened
    for (const { group, topics, subtopologies } of this.#options.plan.groups) {
      const isAlone = this.#options.states !== null && subtopologies.some(({ isGlobal }) => isGlobal)
      opened.push({ group, consumer: isAlone ? this.#ungrouped(group, topics) : await this.#member(group, topics, subtopologies) })
    }
  }

  /** Copies that have come far enough for their tasks to move here are told to their groups. */
  rejoinWhereReady(): void {
    for (const [group, assignor] of this.#assignors) if (assignor.takeRejoin()) this.consumerOf(group)?.rejoin()
  }

  wakeup(): void {
    for (const { consumer } of this.#consumers) consumer.wakeup()
  }

  async close(): Promise<void> {
    // What they keep asks for positions.
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
