import type { Subtopology } from '../../topology/subtopology.ts'
import type { TaskId } from '../assignment/group-task.ts'
import type { Metric } from '../metrics/meters.ts'
import { RestoreMeters } from '../metrics/restore-meters.ts'
import { type Clock, type Log, partitionName, type StateDirectory, type TaskDisk, type TopicPartition } from '../ports.ts'
import { ChangelogCopy, mismatchOf } from './changelog-copy.ts'
import { ChangelogEnds, noChangelog } from './changelog-ends.ts'
import { changelogsOf, type StoreChangelog } from './changelog-topics.ts'
import { DiskState } from './disk-state.ts'
import { Restoration, type SourcePositions } from './restoration.ts'
import { Standby } from './standby.ts'
import { type StateListeners, StateListening } from './state-listening.ts'

/** A task whose state is requested. */
export interface StatefulTask {
  readonly id: TaskId
  readonly subtopology: Subtopology
  readonly partition: number
}

export interface TaskStatesOptions {
  readonly applicationId: string
  /** The thread's name, for metrics. Other threads of the process may have states of their own. */
  readonly name: string
  readonly directory: StateDirectory
  readonly log: Log
  readonly clock: Clock
  /** Called when a standby cannot read its changelog at the moment. The standby tries again. */
  readonly onFailure: (error: unknown) => void
  /** Called with one sentence for the operator. */
  readonly onNotice: (notice: string) => void
  readonly listeners: StateListeners
}

/** A task whose state is here or is being restored. */
export interface OpenedState {
  readonly id: TaskId
  readonly state: DiskState
  readonly restoration: Restoration
}

/** A thread that keeps copies for one group. */
export interface CopyKeeper {
  /** The group's position in a topic that replaces a changelog; null if the position is unknown. */
  committed(place: TopicPartition): Promise<number | null>
}

interface Wanted {
  readonly task: StatefulTask
  readonly keeper: CopyKeeper
}

/** The number of offsets that one store lacks of its changelog. */
export interface StoreLag {
  readonly store: string
  readonly partition: number
  readonly current: number
  readonly end: number
}

interface Copied {
  readonly copies: readonly ChangelogCopy[]
  readonly state: DiskState
  close(reason: 'PROMOTED' | 'MIGRATED'): void
}

/**
 * The states of all tasks of a process, on a log that keeps no state. There are states of running tasks, copies of other tasks, and states of tasks
 * that ran here before. Any thread of the process can take a state over.
 */
export class TaskStates {
  readonly #options: TaskStatesOptions
  readonly #ends: ChangelogEnds
  readonly #listening: StateListening
  readonly #active = new Map<TaskId, OpenedState>()
  readonly #standbys = new Map<TaskId, Copied>()
  readonly #wanted = new Map<CopyKeeper, readonly StatefulTask[]>()
  /** Positions of tasks in topics that replace changelogs, as of the last request. */
  readonly #positions = new Map<string, number>()
  /** Ids of open global stores, which are never closed. */
  readonly #globals = new Set<string>()
  /** The time since when a task's state is unused. */
  readonly #idleSince = new Map<string, number>()
  #restored = 0
  readonly #meters: RestoreMeters
  #cancelRefresh = () => {}
  #cancelSweep = () => {}
  #closed = false

  constructor(options: TaskStatesOptions) {
    this.#options = options
    this.#ends = new ChangelogEnds(options.log)
    this.#listening = new StateListening(options.listeners, options.onFailure)
    this.#meters = new RestoreMeters(options.name, options.clock, {
      restoring: () => [...this.#active.values()].filter(({ restoration }) => !restoration.isDone).length,
      updating: () => this.#standbys.size,
      remaining: (task) => [...this.#active.values()].find(({ id }) => id === task)?.restoration.remaining ?? 0,
    })
  }

  metrics(now: number): readonly Metric[] {
    return this.#meters.read(now)
  }

  get processId(): string {
    return this.#options.directory.processId
  }

  /** The number of changelog records read since the start, by running tasks and copies. */
  get restoredRecords(): number {
    return this.#restored
  }

  /** The number of records still to read for tasks that wait for their state. */
  get remainingRecords(): number {
    let remaining = 0
    for (const { restoration } of this.#active.values()) remaining += restoration.remaining
    return remaining
  }

  /** Lists the copies that the disk has of these tasks. */
  async start(tasks: readonly StatefulTask[]): Promise<void> {
    const copies = this.#options.directory.copies()
    await this.#ends.now(tasks.filter(({ id }) => copies.has(id)).flatMap((task) => this.#changelogsOf(task).map(({ place }) => place)))
    this.#refreshLater()
    this.#sweepLater()
  }

  /**
   * Opens the state of a task that runs here now, and restores it from its changelogs. `positions`: the task's positions in topics that replace
   * changelogs.
   */
  open(task: StatefulTask, positions: SourcePositions): OpenedState {
    this.#standbys.get(task.id)?.close('PROMOTED')
    this.#standbys.delete(task.id)
    const before = this.#active.get(task.id)
    before?.restoration.close()
    before?.state.close()
    const disk = this.#options.directory.open(task.id)
    const changelogs = this.#changelogsOf(task)
    const restoration = new Restoration({
      task: task.id,
      copies: changelogs.map((changelog) =>
        this.#copy(changelog, disk, (count, copy) => {
          this.#meters.record(task.id, 'restore', count)
          this.#listening.restored(task.id, copy, count)
        }),
      ),
      onStart: (copy, end) => this.#listening.restoreStarted(task.id, copy, end),
      onEnd: (copy, how) => this.#listening.restoreEnded(task.id, copy, how),
      ranges: async (copies) => {
        const offsets = await this.#ends.now(copies.map(({ changelog }) => changelog.place))
        return copies.map(({ changelog: { place, isSource } }, at) => {
          const { start, end, written, topicId } = offsets[at] ?? noChangelog
          const position = positions.find(({ topic, partition }) => topic === place.topic && partition === place.partition)
          return { start, end: isSource ? (position?.offset ?? start) : (written ?? end), topicId }
        })
      },
    })
    const opened = { id: task.id, state: new DiskState(disk, changelogs), restoration }
    this.#active.set(task.id, opened)
    return opened
  }

  /**
   * Opens a global store. Every process keeps its own copy of the store. For this it runs the store's task from the position on the disk. The
   * positions of the task's inputs are only on the disk.
   */
  async openGlobal(task: StatefulTask, inputs: readonly TopicPartition[]): Promise<DiskState> {
    const [store] = task.subtopology.stores
    const name = `global_${task.id}`
    this.#globals.add(name)
    const disk = this.#options.directory.open(name)
    if (store === undefined || store.kind === 'custom') return new DiskState(disk, [])
    const offsets = await this.#ends.now(inputs)
    const others = inputs.flatMap((input, at) => {
      const { start, end, written = end, topicId } = offsets[at] ?? noChangelog
      const offset = disk.offset(input)
      const other = offset === null ? null : mismatchOf({ offset, topicId: disk.topicId(input) }, { start, end: written, topicId })
      return other === null ? [] : [`${input.topic}, partition ${input.partition}, ${other}`]
    })
    if (others.length > 0) {
      this.#options.onNotice(`The global store ${store.name} is read anew: ${others.join('; ')}`)
      disk.wipe(store.name, inputs)
    }
    return new DiskState(
      disk,
      inputs.map((place, at) => ({ store, place, isSource: true, topicId: offsets[at]?.topicId ?? null })),
    )
  }

  /** The state of a task that runs here; null for any other task. */
  stateOf(id: TaskId): DiskState | null {
    return this.#active.get(id)?.state ?? null
  }

  /** The state that this process has of a task; null if there is none. The state may be a copy that is behind its changelogs. */
  copyOf(id: TaskId): DiskState | null {
    return this.stateOf(id) ?? this.#standbys.get(id)?.state ?? null
  }

  /** Lags of the stores of these tasks that have a state here. A running task has no lag. */
  async storeLags(tasks: readonly StatefulTask[], running: readonly string[]): Promise<readonly StoreLag[]> {
    const here = tasks.flatMap((task) => {
      const state = this.copyOf(task.id)
      return state === null
        ? []
        : this.#changelogsOf(task).map(({ store, place }) => ({ store: store.name, place, state, isRunning: running.includes(task.id) }))
    })
    const ends = await this.#ends.now(here.map(({ place }) => place))
    return here.map(({ store, place, state, isRunning }, at) => {
      const { start, end } = ends[at] ?? noChangelog
      return { store, partition: place.partition, current: isRunning ? end : (state.offset(place) ?? start), end }
    })
  }

  /** Closes the state of a task that no longer runs here. Its files stay on the disk. */
  close(opened: OpenedState): void {
    opened.restoration.close()
    opened.state.close()
    if (this.#active.get(opened.id) === opened) this.#active.delete(opened.id)
    this.#follow()
  }

  /** Sets the tasks whose copies `keeper` keeps from now on. `active`: the tasks that `keeper` runs. */
  keep(keeper: CopyKeeper, tasks: readonly StatefulTask[], active: readonly TaskId[]): void {
    this.#wanted.set(keeper, tasks)
    this.#follow(active)
  }

  /** The number of changelog records that each task's state in this process lacks. A task without state here has no entry. */
  lags(tasks: readonly StatefulTask[]): ReadonlyMap<TaskId, number> {
    const copies = this.#options.directory.copies()
    return new Map(
      tasks.flatMap((task): [TaskId, number][] => {
        const { id } = task
        if (this.#active.has(id)) return [[id, 0]]
        const here = copies.get(id)
        if (here === undefined) return []
        let lag = 0
        for (const { place, isSource } of this.#changelogsOf(task)) {
          const { end, start } = this.#ends.known(place) ?? noChangelog
          const own = here.find(({ topic, partition }) => topic === place.topic && partition === place.partition)
          const wanted = isSource ? (this.#positions.get(partitionName(place)) ?? 0) : end
          lag += Math.max(0, wanted - (own?.offset ?? start))
        }
        return [[id, lag]]
      }),
    )
  }

  get standbys(): readonly TaskId[] {
    return [...this.#standbys.keys()]
  }

  async stop(): Promise<void> {
    this.#closed = true
    this.#cancelRefresh()
    this.#cancelSweep()
    for (const { restoration } of this.#active.values()) restoration.close()
    for (const standby of this.#standbys.values()) standby.close('MIGRATED')
    this.#standbys.clear()
  }

  #follow(active: readonly TaskId[] = []): void {
    if (this.#closed) return
    const wanted = new Map([...this.#wanted].flatMap(([keeper, tasks]) => tasks.map((task): [TaskId, Wanted] => [task.id, { task, keeper }])))
    for (const [id, standby] of this.#standbys) {
      if (wanted.has(id)) continue
      standby.close(active.includes(id) ? 'PROMOTED' : 'MIGRATED')
      this.#standbys.delete(id)
    }
    for (const [id, one] of wanted) if (!this.#standbys.has(id) && !this.#active.has(id)) this.#standbys.set(id, this.#standby(one))
    this.#refreshLater()
  }

  #standby({ task, keeper }: Wanted): Copied {
    const disk = this.#options.directory.open(task.id)
    const endOf = ({ changelog: { place } }: ChangelogCopy) => this.#ends.known(place)?.end ?? 0
    const onRecords = (count: number, copy: ChangelogCopy) => {
      this.#meters.record(task.id, 'update', count)
      this.#listening.updated(task.id, copy, { count, end: endOf(copy) })
    }
    let reason: 'PROMOTED' | 'MIGRATED' = 'MIGRATED'
    const standby = new Standby({
      copies: this.#changelogsOf(task).map((changelog) => this.#copy(changelog, disk, onRecords)),
      ends: this.#ends,
      clock: this.#options.clock,
      positionIn: async (place) => {
        const position = await keeper.committed(place)
        if (position !== null) this.#positions.set(partitionName(place), position)
        return position
      },
      onStart: (copy) => this.#listening.updateStarted(task.id, copy),
      onEnd: (copy) => this.#listening.updateEnded(task.id, copy, { reason, end: endOf(copy) }),
      onFailure: this.#options.onFailure,
    })
    const close = (why: typeof reason) => {
      reason = why
      standby.close()
    }
    return { copies: standby.copies, state: new DiskState(disk, []), close }
  }

  #copy(changelog: StoreChangelog, disk: TaskDisk, counted: (count: number, copy: ChangelogCopy) => void): ChangelogCopy {
    const onRecords = (count: number, copy: ChangelogCopy) => {
      this.#restored += count
      counted(count, copy)
    }
    return new ChangelogCopy({ changelog, disk, log: this.#options.log, onRecords, onAnew: this.#options.onNotice })
  }

  #changelogsOf({ subtopology, partition }: StatefulTask): readonly StoreChangelog[] {
    return changelogsOf(this.#options.applicationId, subtopology, partition)
  }

  /** Refreshes the known lags after `refreshMs`. */
  #refreshLater(): void {
    this.#cancelRefresh()
    if (this.#closed || this.#standbys.size === 0) return
    this.#cancelRefresh = this.#options.clock.after(refreshMs, () => {
      const places = [...this.#standbys.values()].flatMap(({ copies }) => copies.map(({ changelog }) => changelog.place))
      void this.#ends
        .now(places)
        .catch((error: unknown) => this.#options.onFailure(error))
        .then(() => this.#refreshLater())
    })
  }

  /** Deletes unused state after a time, so that tasks that moved away do not fill the disk (like Kafka Streams' `state.cleanup.delay.ms`). */
  #sweepLater(): void {
    const { clock, directory } = this.#options
    this.#cancelSweep = clock.after(sweepMs, () => {
      const now = clock.elapsedMs()
      for (const task of directory.copies().keys()) {
        const since = this.#idleSince.get(task) ?? now
        if (this.#isWanted(task)) this.#idleSince.delete(task)
        else if (now - since < cleanupDelayMs) this.#idleSince.set(task, since)
        else {
          directory.forget(task)
          this.#idleSince.delete(task)
        }
      }
      if (!this.#closed) this.#sweepLater()
    })
  }

  #isWanted(task: string): boolean {
    const wanted: Iterable<string> = [...this.#active.keys(), ...this.#standbys.keys(), ...this.#globals]
    return [...wanted].includes(task)
  }
}

const refreshMs = 1000
const sweepMs = 60_000
const cleanupDelayMs = 600_000
