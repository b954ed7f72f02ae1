import type { Subtopology } from '../../topology/subtopology.ts'
import type { TaskId } from '../assignment/group-task.ts'
import type { Metric } from '../metrics/meters.ts'
import { RestoreMeters } from '../metrics/restore-meters.ts'
import type { Clock, Log, StateDirectory, TaskDisk, TopicPartition } from '../ports.ts'
import { ChangelogCopy } from './changelog-copy.ts'
import { ChangelogEnds } from './changelog-ends.ts'
import { changelogsOf, type StoreChangelog } from './changelog-topics.ts'
import { LoggedState } from './logged-state.ts'
import { Restoration, type SourcePositions } from './restoration.ts'

/** A task as its state is asked for. */
export interface StatefulTask {
  readonly id: TaskId
  readonly subtopology: Subtopology
  readonly partition: number
}

export interface TaskStatesOptions {
  readonly applicationId: string
  /** In metrics: other threads of the process may have states of their own. */
  readonly name: string
  readonly directory: StateDirectory
  readonly log: Log
  readonly clock: Clock
  /** A copy that is followed cannot be read any more, for now: it is tried again. */
  readonly onFailure: (error: unknown) => void
}

/** A task whose state is here, or soon is. */
export interface OpenedState {
  readonly id: TaskId
  readonly state: LoggedState
  readonly restoration: Restoration
}

interface Copied {
  readonly copies: readonly ChangelogCopy[]
  close(): void
}

/**
 * The state of all tasks of a process, on a log that keeps none: that of tasks that run here, copies that are kept or made of others,
 * and what is left of tasks that ran here once. What a task has here is good for whoever of the process gets it next.
 */
export class TaskStates {
  readonly #options: TaskStatesOptions
  readonly #ends: ChangelogEnds
  readonly #active = new Map<TaskId, OpenedState>()
  readonly #standbys = new Map<TaskId, Copied>()
  /** By who was told to keep them: a thread, for one group. */
  readonly #wanted = new Map<object, readonly StatefulTask[]>()
  /** Global stores are open for good. */
  readonly #globals = new Set<string>()
  /** Since when nobody here wants a task's copy. */
  readonly #idleSince = new Map<string, number>()
  #restored = 0
  readonly #meters: RestoreMeters
  #cancelRefresh = () => {}
  #cancelSweep = () => {}
  #closed = false

  constructor(options: TaskStatesOptions) {
    this.#options = options
    this.#ends = new ChangelogEnds(options.log)
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

  /** Records read from changelogs since the start, into stores of tasks that run and copies alike. */
  get restoredRecords(): number {
    return this.#restored
  }

  /** Of tasks that wait for their state. */
  get remainingRecords(): number {
    let remaining = 0
    for (const { restoration } of this.#active.values()) remaining += restoration.remaining
    return remaining
  }

  /** Learns what copies there are of these tasks, before anybody asks. */
  async start(tasks: readonly StatefulTask[]): Promise<void> {
    const copies = this.#options.directory.copies()
    await this.#ends.now(tasks.filter(({ id }) => copies.has(id)).flatMap((task) => this.#changelogsOf(task).map(({ place }) => place)))
    this.#refreshLater()
    this.#sweepLater()
  }

  /** The task runs here now: its state is brought to where its changelogs are. `positions` are the task's own. */
  open(task: StatefulTask, positions: SourcePositions): OpenedState {
    this.#standbys.get(task.id)?.close()
    this.#standbys.delete(task.id)
    this.#active.get(task.id)?.restoration.close()
    const disk = this.#options.directory.open(task.id)
    const changelogs = this.#changelogsOf(task)
    const restoration = new Restoration({
      task: task.id,
      copies: changelogs.map((changelog) => this.#copy(changelog, disk, (count) => this.#meters.record(task.id, 'restore', count))),
      ranges: async (copies) => {
        const offsets = await this.#ends.now(copies.map(({ changelog }) => changelog.place))
        return copies.map(({ changelog: { place, isSource } }, at) => {
          const { start, end, written } = offsets[at] ?? { start: 0, end: 0 }
          const position = positions.find(({ topic, partition }) => topic === place.topic && partition === place.partition)
          return { start, end: isSource ? (position?.offset ?? start) : (written ?? end) }
        })
      },
    })
    const opened = { id: task.id, state: new LoggedState(disk, changelogs), restoration }
    this.#active.set(task.id, opened)
    return opened
  }

  /**
   * A global store, which every process brings up to date for itself by running its task from where the disk is: the positions of its
   * inputs are kept here, and nowhere else.
   */
  async openGlobal(task: StatefulTask, inputs: readonly TopicPartition[]): Promise<LoggedState> {
    const [store] = task.subtopology.stores
    const name = `global_${task.id}`
    this.#globals.add(name)
    const disk = this.#options.directory.open(name)
    if (store === undefined || store.kind === 'custom') return new LoggedState(disk, [])
    const offsets = await this.#ends.now(inputs)
    const isPart = inputs.every((input, at) => {
      const { start = 0, end = 0, written = end } = offsets[at] ?? {}
      const there = disk.offset(input)
      return there === null || (there >= start && there <= written)
    })
    if (!isPart) disk.wipe(store.name, inputs)
    return new LoggedState(
      disk,
      inputs.map((place) => ({ store, place, isSource: true })),
    )
  }

  /** The state of a task that runs here; null of any other. */
  stateOf(id: TaskId): LoggedState | null {
    return this.#active.get(id)?.state ?? null
  }

  /** It does not run here any more; what is on disk stays. */
  close(opened: OpenedState): void {
    opened.restoration.close()
    if (this.#active.get(opened.id) === opened) this.#active.delete(opened.id)
    this.#follow()
  }

  /** What `keeper` is to keep copies of from now on. */
  keep(keeper: object, tasks: readonly StatefulTask[]): void {
    this.#wanted.set(keeper, tasks)
    this.#follow()
    this.#refreshLater()
  }

  /** By how many changelog records what is here of these tasks is behind; nothing where nothing is. */
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
          if (isSource) continue
          const { end, start } = this.#ends.known(place) ?? { end: 0, start: 0 }
          const own = here.find(({ topic, partition }) => topic === place.topic && partition === place.partition)
          lag += Math.max(0, end - (own?.offset ?? start))
        }
        return [[id, lag]]
      }),
    )
  }

  /** Copies that are kept up to date here, by task, with what each has of its changelogs. */
  get standbys(): readonly TaskId[] {
    return [...this.#standbys.keys()]
  }

  async stop(): Promise<void> {
    this.#closed = true
    this.#cancelRefresh()
    this.#cancelSweep()
    for (const { restoration } of this.#active.values()) restoration.close()
    for (const standby of this.#standbys.values()) standby.close()
    this.#standbys.clear()
  }

  #follow(): void {
    if (this.#closed) return
    const wanted = new Map([...this.#wanted.values()].flat().map((task) => [task.id, task]))
    for (const [id, standby] of this.#standbys) {
      if (wanted.has(id)) continue
      standby.close()
      this.#standbys.delete(id)
    }
    for (const [id, task] of wanted) if (!this.#standbys.has(id) && !this.#active.has(id)) this.#standbys.set(id, this.#standby(task))
  }

  #standby(task: StatefulTask): Copied {
    const disk = this.#options.directory.open(task.id)
    const onRecords = (count: number) => this.#meters.record(task.id, 'update', count)
    // How far a task is in a topic of others only its owner knows.
    const copies = this.#changelogsOf(task).flatMap((changelog) => (changelog.isSource ? [] : [this.#copy(changelog, disk, onRecords)]))
    let closed = false
    const run = async () => {
      for (let failures = 0; !closed; failures++) {
        try {
          const offsets = await this.#ends.now(copies.map(({ changelog }) => changelog.place))
          if (closed) return
          copies.forEach((copy, at) => {
            const { start, end, written } = offsets[at] ?? { start: 0, end: 0 }
            copy.begin({ start, end: written ?? end })
          })
          await Promise.all(copies.map((copy) => copy.follow()))
          return
        } catch (error) {
          this.#options.onFailure(error)
          await this.#pause(Math.min(maxBackOffMs, backOffMs * 2 ** Math.min(10, failures)))
        }
      }
    }
    void run()
    return {
      copies,
      close: () => {
        closed = true
        for (const copy of copies) copy.close()
      },
    }
  }

  #copy(changelog: StoreChangelog, disk: TaskDisk, counted: (count: number) => void): ChangelogCopy {
    const onRecords = (count: number) => {
      this.#restored += count
      counted(count)
    }
    return new ChangelogCopy({ changelog, disk, log: this.#options.log, onRecords })
  }

  #changelogsOf({ subtopology, partition }: StatefulTask): readonly StoreChangelog[] {
    return changelogsOf(this.#options.applicationId, subtopology, partition)
  }

  /** How far copies are behind is known as of a moment ago. */
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

  /** As Kafka Streams' `state.cleanup.delay.ms`: what moved away for good does not fill the disk for good. */
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

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.after(delayMs, resolve)
    })
  }
}

const refreshMs = 1000
const sweepMs = 60_000
const cleanupDelayMs = 600_000
const backOffMs = 100
const maxBackOffMs = 5000
