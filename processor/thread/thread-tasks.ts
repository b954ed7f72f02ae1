import type { OffsetReset } from '../../topology/consumed.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { TaskId } from '../assignment/group-task.ts'
import type { CommittingTasks } from '../commit/commit-content.ts'
import { TaskMeters } from '../metrics/task-meters.ts'
import type { ThreadMeters } from '../metrics/thread-meters.ts'
import { type Consumer, type Log, type Position, partitionName, type StoreBytes, type TopicPartition } from '../ports.ts'
import type { DiskState } from '../state/disk-state.ts'
import type { OpenedState, TaskStates } from '../state/task-states.ts'
import { openTask } from '../task/open-task.ts'
import type { Task } from '../task/task.ts'
import type { TaskSurroundings } from '../task/task-surroundings.ts'
import { ReadyTasks } from './ready-tasks.ts'
import { startOffset } from './start-offset.ts'
import type { ThreadProgram } from './thread-program.ts'

/** The tasks that this thread runs now. This class opens and closes tasks as partitions come and go. */
export class ThreadTasks implements CommittingTasks {
  readonly #program: ThreadProgram
  readonly #log: Log
  readonly #surroundings: TaskSurroundings
  readonly #partitions = new Map<string, TopicPartition[]>()
  readonly #byPartition = new Map<string, Task>()
  readonly #groups = new Map<Task, string>()
  /** Meters by task. Meters stay when the task is closed and opened again. */
  readonly #taskMeters = new Map<string, TaskMeters>()
  readonly #meters: ThreadMeters
  readonly #states: TaskStates | null
  /** State of tasks that the log does not keep itself, by task. */
  readonly #disks = new Map<Task, DiskState>()
  readonly #opened = new Map<Task, OpenedState>()
  /** Tasks that wait for their state, by id. */
  readonly #openings = new Map<string, Opening>()
  readonly ready = new ReadyTasks()
  #tasks: readonly Task[] = []

  constructor(program: ThreadProgram, log: Log, parts: ThreadTasksParts) {
    this.#program = program
    this.#log = log
    this.#surroundings = parts.surroundings
    this.#meters = parts.meters
    this.#states = parts.states
  }

  get tasks(): readonly Task[] {
    return this.#tasks
  }

  /** True while tasks of this thread wait for their state. */
  get isRestoring(): boolean {
    return this.#openings.size > 0
  }

  /** The task's state on its disk; null if the log's own commit holds the state. */
  stateOf(task: Task): DiskState | null {
    return this.#disks.get(task) ?? null
  }

  get hasUncommitted(): boolean {
    for (const task of this.ready.touched) if (task.hasUncommitted) return true
    return false
  }

  takeTouched(): readonly Task[] {
    return this.ready.takeTouched()
  }

  has(task: Task): boolean {
    return this.#groups.has(task)
  }

  taskOf(group: string, place: TopicPartition): Task | undefined {
    return this.#byPartition.get(partitionIn(group, place))
  }

  groupOf(task: Task): string {
    return this.#groups.get(task) ?? this.#program.applicationId
  }

  /** True for the group of a global store. Every process has its own copy of a global store. */
  isGlobal(group: string): boolean {
    return this.#subtopologies(group).some(({ isGlobal }) => isGlobal)
  }

  partitionsOf(group: string): readonly TopicPartition[] {
    return this.#partitions.get(group) ?? []
  }

  /** True if these partitions change the inputs of a running task. The task's work must be committed before the task is opened again. */
  changes(group: string, partitions: readonly TopicPartition[]): boolean {
    const own = this.partitionsOf(group)
    return this.#subtopologies(group).some(({ sources }) => {
      const numbers = new Set(partitions.filter(({ topic }) => sources.includes(topic)).map(({ partition }) => partition))
      return own.some(({ topic, partition }) => sources.includes(topic) && numbers.has(partition))
    })
  }

  /**
   * Opens the tasks of these partitions. If the state of a task must be restored, it opens later (`takeReady`), and its partitions are paused until
   * then. A task that already runs with some of its partitions is opened again with all of them.
   */
  async assign(group: string, consumer: Consumer, partitions: readonly TopicPartition[], options: { readonly seek: boolean }): Promise<void> {
    const own = this.#partitions.get(group) ?? []
    for (const one of partitions) if (!own.some((other) => other.topic === one.topic && other.partition === one.partition)) own.push(one)
    this.#partitions.set(group, own)
    for (const subtopology of this.#subtopologies(group)) {
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
    const gone = new Set(partitions.map((place) => partitionIn(group, place)))
    for (const place of gone) {
      const task = this.#byPartition.get(place)
      if (task !== undefined) this.#drop(task)
    }
    for (const opening of [...this.#openings.values()]) {
      if (opening.group === group && opening.inputs.some((input) => gone.has(partitionIn(group, input)))) this.#abandon(opening)
    }
    this.#partitions.set(
      group,
      this.partitionsOf(group).filter((place) => !gone.has(partitionIn(group, place))),
    )
  }

  closeAll(): void {
    for (const task of [...this.#tasks]) this.#drop(task)
    for (const opening of [...this.#openings.values()]) this.#abandon(opening)
  }

  /** Opens the tasks whose state is restored. Throws the error of a failed restoration. */
  takeReady(): void {
    for (const opening of [...this.#openings.values()]) {
      if (opening.failure !== null) throw opening.failure.reason
      if (!opening.isReady) continue
      this.#openings.delete(opening.id)
      try {
        this.#opened.set(this.#make(opening, opening.opened.state), opening.opened)
      } catch (error) {
        this.#abandon(opening)
        throw error
      }
      opening.consumer.resume(opening.inputs)
    }
  }

  #subtopologies(group: string): readonly Subtopology[] {
    return this.#program.groups.find((one) => one.group === group)?.subtopologies ?? []
  }

  async #open(
    group: string,
    subtopology: Subtopology,
    partition: number,
    inputs: readonly TopicPartition[],
    consumer: Consumer,
    seek: boolean,
  ): Promise<void> {
    const before = new Set(inputs.flatMap((input) => this.#byPartition.get(partitionIn(group, input)) ?? []))
    const positioned = await Promise.all(inputs.map(async (input) => ({ ...input, position: await consumer.committed(input) })))
    for (const input of positioned) {
      const reset = resetOf(subtopology, input.topic)
      // A task that is opened again loses its buffered records, so they are read again.
      const isAgain = seek || this.#byPartition.has(partitionIn(group, input))
      if (input.position !== null) {
        if (isAgain) consumer.seek(input, input.position.offset)
      } else if (isAgain || reset !== 'earliest') {
        consumer.seek(input, await startOffset(this.#log, this.#surroundings.clock, { ...input, was: null }, reset))
      }
    }
    for (const task of before) this.#drop(task)
    const id: TaskId = `${subtopology.id}_${partition}`
    const earlier = this.#openings.get(id)
    if (earlier !== undefined) this.#abandon(earlier)
    const parts: TaskParts = { id, group, subtopology, partition, inputs: positioned }
    if (this.#log.state !== null || !subtopology.stores.some(({ kind }) => kind !== 'custom')) {
      this.#make(parts, null)
      if (seek || before.size > 0) consumer.resume(inputs)
      return
    }
    const states = this.#states ?? noStates(subtopology)
    if (subtopology.isGlobal) {
      this.#make(parts, await states.openGlobal({ id, subtopology, partition }, inputs))
      if (seek) consumer.resume(inputs)
      return
    }
    consumer.pause(inputs)
    const positions = positioned.flatMap(({ topic, partition: of, position }) => (position === null ? [] : [{ topic, partition: of, ...position }]))
    const opened = states.open({ id, subtopology, partition }, positions)
    const opening: Opening = { ...parts, consumer, opened, isReady: false, failure: null }
    this.#openings.set(id, opening)
    opened.restoration.done.then(
      () => {
        opening.isReady = true
        this.#surroundings.wake()
      },
      (reason: unknown) => {
        opening.failure = { reason }
        this.#surroundings.wake()
      },
    )
  }

  #make({ id, group, subtopology, partition, inputs }: TaskParts, disk: DiskState | null): Task {
    const { applicationId, topology, globals, maxCachedEntries } = this.#program
    const meters = this.#taskMeters.get(id) ?? new TaskMeters(id, this.#meters)
    this.#taskMeters.set(id, meters)
    const { task } = openTask(
      {
        id,
        applicationId,
        topology,
        subtopology,
        partition,
        inputs,
        bytesOf: (stateName, store) => disk?.store(store) ?? this.#log.state?.open(stateName, store) ?? noBytes,
        globals,
        maxCachedEntries,
        keepsLog: this.#log.state === null,
        ...(disk === null ? {} : { kept: disk.kept }),
        meters,
      },
      this.#surroundings,
    )
    this.#tasks = [...this.#tasks, task]
    this.ready.open(task)
    this.#meters.taskCreated.record(1)
    this.#groups.set(task, group)
    if (disk !== null) this.#disks.set(task, disk)
    for (const input of inputs) this.#byPartition.set(partitionIn(group, input), task)
    return task
  }

  #abandon(opening: Opening): void {
    this.#openings.delete(opening.id)
    this.#states?.close(opening.opened)
  }

  #drop(task: Task): void {
    task.close()
    this.ready.close(task)
    this.#meters.taskClosed.record(1)
    this.#tasks = this.#tasks.filter((other) => other !== task)
    const group = this.groupOf(task)
    this.#groups.delete(task)
    this.#disks.delete(task)
    const opened = this.#opened.get(task)
    if (opened !== undefined) this.#states?.close(opened)
    this.#opened.delete(task)
    for (const input of task.inputs) this.#byPartition.delete(partitionIn(group, input))
  }
}

interface TaskParts {
  readonly id: TaskId
  readonly group: string
  readonly subtopology: Subtopology
  readonly partition: number
  readonly inputs: readonly (TopicPartition & { readonly position: Position | null })[]
}

interface Opening extends TaskParts {
  readonly consumer: Consumer
  readonly opened: OpenedState
  isReady: boolean
  failure: { readonly reason: unknown } | null
}

export interface ThreadTasksParts {
  readonly surroundings: TaskSurroundings
  readonly meters: ThreadMeters
  /** The states of the process's tasks; null if the log keeps state itself, or if this process keeps no state. */
  readonly states: TaskStates | null
}

/** The bytes of a custom store, which the engine does not keep. */
const noBytes: StoreBytes = { get: () => null, getMany: (keys) => keys.map(() => null), range: () => [].values() }

function noStates({ stores }: Subtopology): never {
  throw new WaggleError('WAGGLE_NOT_SUPPORTED', {
    message: `This log keeps no state, and ${stores.map(({ name }) => name).join(', ')} has no directory on this machine`,
    next: 'Give the application a state directory.',
  })
}

export function resetOf({ nodes }: Subtopology, topic: string): OffsetReset {
  const source = nodes.find((node) => node.kind === 'source' && node.topics.includes(topic))
  return source?.kind === 'source' ? source.offsetReset : 'earliest'
}

function partitionIn(group: string, place: TopicPartition): string {
  return `${group}\n${partitionName(place)}`
}
