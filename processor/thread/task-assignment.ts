import type { OffsetReset } from '../../topology/consumed.ts'
import type { Topology } from '../../topology/graph.ts'
import { changelogTopic } from '../../topology/naming.ts'
import type { StoreSpec } from '../../topology/state-store.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { TaskMeters } from '../metrics/task-meters.ts'
import type { ThreadMeters } from '../metrics/thread-meters.ts'
import type { Consumer, Log, TopicPartition } from '../ports.ts'
import type { GlobalStores } from '../state/global-stores.ts'
import { TaskMemory } from '../state/task-memory.ts'
import { openStore, type TaskStore } from '../state/task-store.ts'
import { readPositionNote } from '../task/position-note.ts'
import { Task } from '../task/task.ts'
import type { TaskSurroundings } from '../task/task-state.ts'
import { startOffset } from './start-offset.ts'

/** Which sub-topologies run under which consumer group. Two that read one topic need positions of their own. */
export interface TaskPlan {
  readonly applicationId: string
  readonly topology: Topology
  readonly groups: readonly { readonly group: string; readonly topics: readonly string[]; readonly subtopologies: readonly Subtopology[] }[]
  readonly maxCachedEntries: number
  readonly globals: GlobalStores
}

type PlanOptions = Pick<TaskPlan, 'maxCachedEntries' | 'globals'>

export function planTasks(applicationId: string, topology: Topology, options: PlanOptions): TaskPlan {
  const subtopologies = topology.subtopologies().filter(({ isGlobal }) => !isGlobal)
  const readers = new Map<string, number>()
  for (const { sources } of subtopologies) for (const topic of sources) readers.set(topic, (readers.get(topic) ?? 0) + 1)
  const shared = subtopologies.filter(({ sources }) => sources.some((topic) => (readers.get(topic) ?? 0) > 1))
  const alone = subtopologies.filter((subtopology) => !shared.includes(subtopology))
  const groups = shared.map((subtopology) => ({
    group: `${applicationId}-${subtopology.nodes[0]?.name ?? subtopology.id}`,
    topics: subtopology.sources,
    subtopologies: [subtopology],
  }))
  if (alone.length > 0) groups.push({ group: applicationId, topics: alone.flatMap(({ sources }) => sources), subtopologies: alone })
  return { applicationId, topology, groups, ...options }
}

/** What keeps the global stores, a group each: every process reads all of their topics. Null where there are none. */
export function planGlobals(applicationId: string, topology: Topology, options: PlanOptions): TaskPlan | null {
  const subtopologies = topology.subtopologies().filter(({ isGlobal }) => isGlobal)
  const groups = subtopologies.map((subtopology) => ({
    group: `${applicationId}-${subtopology.nodes[0]?.name ?? subtopology.id}`,
    topics: subtopology.sources,
    subtopologies: [subtopology],
  }))
  return groups.length === 0 ? null : { applicationId, topology, groups, ...options }
}

/** What the state of global stores lies under: once a process. */
export function globalStateName(applicationId: string): string {
  return `${applicationId}/global`
}

/** The tasks that this thread runs now, made and let go as partitions come and go. */
export class TaskAssignment {
  readonly #plan: TaskPlan
  readonly #log: Log
  readonly #surroundings: TaskSurroundings
  readonly #partitions = new Map<string, TopicPartition[]>()
  readonly #byPartition = new Map<string, Task>()
  readonly #groups = new Map<Task, string>()
  /** By task, over all the times that it was opened here. */
  readonly #taskMeters = new Map<string, TaskMeters>()
  readonly #meters: ThreadMeters
  #tasks: Task[] = []

  constructor(plan: TaskPlan, log: Log, surroundings: TaskSurroundings, meters: ThreadMeters) {
    this.#plan = plan
    this.#log = log
    this.#surroundings = surroundings
    this.#meters = meters
  }

  get tasks(): readonly Task[] {
    return this.#tasks
  }

  get hasUncommitted(): boolean {
    return this.#tasks.some((task) => task.hasUncommitted)
  }

  taskOf(group: string, { topic, partition }: TopicPartition): Task | undefined {
    return this.#byPartition.get(placeOf(group, topic, partition))
  }

  groupOf(task: Task): string {
    return this.#groups.get(task) ?? this.#plan.applicationId
  }

  partitionsOf(group: string): readonly TopicPartition[] {
    return this.#partitions.get(group) ?? []
  }

  /** So that no task is always the last to get its turn. */
  rotate(): void {
    const first = this.#tasks.shift()
    if (first !== undefined) this.#tasks.push(first)
  }

  /** Makes the tasks of these partitions; a task that has some already is made anew with all it has. */
  async assign(group: string, consumer: Consumer, partitions: readonly TopicPartition[], options: { readonly seek: boolean }): Promise<void> {
    const own = this.#partitions.get(group) ?? []
    for (const one of partitions) if (!own.some((other) => other.topic === one.topic && other.partition === one.partition)) own.push(one)
    this.#partitions.set(group, own)
    const subtopologies = this.#plan.groups.find((one) => one.group === group)?.subtopologies ?? []
    for (const subtopology of subtopologies) {
      if (subtopology.isGlobal) {
        await this.#open(group, subtopology, 0, own, consumer, options.seek)
        continue
      }
      const numbers = new Set(partitions.filter(({ topic }) => subtopology.sources.includes(topic)).map(({ partition }) => partition))
      for (const number of numbers) {
        const inputs = own.filter(({ topic, partition }) => partition === number && subtopology.sources.includes(topic))
        await this.#open(group, subtopology, number, inputs, consumer, options.seek)
      }
    }
  }

  revoke(group: string, partitions: readonly TopicPartition[]): void {
    const gone = new Set(partitions.map(({ topic, partition }) => placeOf(group, topic, partition)))
    for (const place of gone) {
      const task = this.#byPartition.get(place)
      if (task !== undefined) this.#drop(task)
    }
    this.#partitions.set(
      group,
      this.partitionsOf(group).filter(({ topic, partition }) => !gone.has(placeOf(group, topic, partition))),
    )
  }

  closeAll(): void {
    for (const task of [...this.#tasks]) this.#drop(task)
  }

  async #open(
    group: string,
    subtopology: Subtopology,
    partition: number,
    inputs: readonly TopicPartition[],
    consumer: Consumer,
    seek: boolean,
  ): Promise<void> {
    const positioned = await Promise.all(inputs.map(async (input) => ({ ...input, position: await consumer.committed(input) })))
    for (const input of positioned) {
      const reset = resetOf(subtopology, input.topic)
      if (input.position === null && reset !== 'earliest') {
        consumer.seek(input, await startOffset(this.#log, this.#surroundings.clock, input, reset))
      } else if (seek) consumer.seek(input, input.position?.offset ?? 0)
    }
    for (const input of inputs) {
      const before = this.#byPartition.get(placeOf(group, input.topic, input.partition))
      if (before !== undefined) this.#drop(before)
    }
    const { applicationId, topology, globals } = this.#plan
    const stateName = subtopology.isGlobal ? globalStateName(applicationId) : `${applicationId}/${partition}`
    const memory = new TaskMemory(positioned.flatMap(({ position }) => readPositionNote(position?.metadata ?? '').kept))
    const stores = new Map(subtopology.stores.map((store) => [store.name, this.#store(store, stateName, memory)]))
    if (subtopology.isGlobal) for (const { store } of stores.values()) globals.set(store)
    const id = `${subtopology.id}_${partition}`
    const meters = this.#taskMeters.get(id) ?? new TaskMeters(id, this.#meters)
    this.#taskMeters.set(id, meters)
    const task = new Task(
      {
        id,
        meters,
        memory,
        subtopology,
        partition,
        inputs: positioned,
        stores,
        globals: subtopology.isGlobal ? new Map() : globals.views,
        usersOf: (store) => topology.usersOf(store),
        stateName,
      },
      this.#surroundings,
    )
    this.#tasks.push(task)
    this.#meters.taskCreated.record(1)
    this.#groups.set(task, group)
    for (const input of inputs) this.#byPartition.set(placeOf(group, input.topic, input.partition), task)
  }

  #store(builder: StoreSpec, stateName: string, memory: TaskMemory): TaskStore {
    const disk = this.#log.state
    if (disk === null) {
      throw new WaggleError('WAGGLE_NOT_SUPPORTED', {
        message: `The store ${builder.name} needs changelogs on this log`,
        next: 'Run on the embedded log.',
      })
    }
    const topic = changelogTopic(this.#plan.applicationId, builder.name)
    return openStore(builder, disk.open(stateName, builder.name), { topic, maxEntries: this.#plan.maxCachedEntries, memory })
  }

  #drop(task: Task): void {
    task.close()
    this.#meters.taskClosed.record(1)
    this.#tasks = this.#tasks.filter((other) => other !== task)
    this.#groups.delete(task)
    for (const [place, other] of this.#byPartition) if (other === task) this.#byPartition.delete(place)
  }
}

function resetOf({ nodes }: Subtopology, topic: string): OffsetReset {
  const source = nodes.find((node) => node.kind === 'source' && node.topics.includes(topic))
  return source?.kind === 'source' ? source.offsetReset : 'earliest'
}

function placeOf(group: string, topic: string, partition: number): string {
  return `${group}\n${topic}\n${partition}`
}
