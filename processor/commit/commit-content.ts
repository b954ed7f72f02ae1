import { RecordRefused, Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import type { CommitPoint, Position, ProducerRecord, StoreChange, TopicPartition } from '../ports.ts'
import type { DiskChanges, DiskState } from '../state/disk-state.ts'
import { StandingFailure } from '../task/failures.ts'
import type { Task } from '../task/task.ts'

/** The work of a thread's tasks since the last commit, without the records that they have sent. */
export interface CommitContent extends CommitPoint {
  readonly positions: readonly (TopicPartition & Position & { readonly group: string })[]
  /** Changes of stores that the log itself keeps. */
  readonly state: readonly StoreChange[]
  /** Changes of stores that the log does not keep, as changelog records. */
  readonly changelogs: readonly StoreRecords[]
  /** Records that delete rows of handled due entries. These records are written last. */
  readonly removals: readonly ProducerRecord[]
  /** Changes to write to the tasks' disks after the commit has succeeded. */
  readonly diskWrites: readonly (DiskChanges & { readonly target: DiskState })[]
  /** The number of tasks that have something to commit. */
  readonly tasks: number
}

export interface CommittingTasks {
  /** True if some processed record is in no commit yet. */
  readonly hasUncommitted: boolean
  /** Takes the tasks that may have uncommitted work. The commit that is made now contains this work. */
  takeTouched(): readonly Task[]
  groupOf(task: Task): string
  /** The task's state on its disk; null if the log's own commit holds the state. */
  stateOf(task: Task): DiskState | null
  /** True for the group of a global store. Every process has its own copy of a global store. */
  isGlobal(group: string): boolean
}

/** Changelog records of one store of one task. */
export interface StoreRecords {
  readonly store: string
  /** The store's place in the topology's order, counted from the end: 0 for the last store of its task, 1 for the store before. */
  readonly placesFromEnd: number
  readonly records: readonly ProducerRecord[]
}

/** Takes the work of tasks that were flushed. Throws `RecordRefused` if a store's serde cannot write a value. */
export function takeContent(source: CommittingTasks, touched: readonly Task[]): CommitContent {
  const positions: (TopicPartition & Position & { readonly group: string })[] = []
  const state: StoreChange[] = []
  const changelogs: StoreRecords[] = []
  const removals: ProducerRecord[] = []
  const diskWrites: (DiskChanges & { readonly target: DiskState })[] = []
  let tasks = 0
  for (const task of touched) {
    const { positions: own, state: changes } = refusing(() => task.takeCommit())
    if (own.length > 0 || changes.length > 0) tasks++
    const group = source.groupOf(task)
    const target = source.stateOf(task)
    if (target === null) state.push(...changes)
    else {
      changes.forEach((change, at) => {
        const records: ProducerRecord[] = []
        refusing(() => target.append([change], (record, { isLast }) => (isLast ? removals : records).push(record)))
        changelogs.push({ store: change.store, placesFromEnd: changes.length - 1 - at, records })
      })
      diskWrites.push({ target, changes, positions: own, kept: task.memory.numbers })
    }
    // Where the log keeps no state, the positions of a global store are stored with its rows.
    if (target === null || !source.isGlobal(group)) for (const position of own) positions.push({ ...position, group })
  }
  return { positions, state, changelogs, removals, diskWrites, tasks }
}

/** Wraps an error that a user's serde throws while a store writes. The error does not name the input; `CommitSearch` finds the input. */
function refusing<T>(write: () => T): T {
  try {
    return write()
  } catch (thrown) {
    if (thrown instanceof StandingFailure || thrown instanceof Unavailable || thrown instanceof RecordRefused) throw thrown
    const { code, message, next, cause } = WaggleError.from('WAGGLE_RECORD_REFUSED', thrown, {
      message: 'A store cannot write a value',
      next: 'Give the store a serde that takes this value.',
    })
    throw new RecordRefused(code, { message, next, cause: cause ?? thrown })
  }
}
