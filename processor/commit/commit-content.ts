import { RecordRefused, Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import type { CommitPoint, Position, ProducerRecord, StoreChange, TopicPartition } from '../ports.ts'
import type { LoggedChanges, LoggedState } from '../state/logged-state.ts'
import { StandingFailure } from '../task/failures.ts'
import type { Task } from '../task/task.ts'

/** The work of a thread's tasks since the last commit, except the records that they have already sent. */
export interface CommitContent extends CommitPoint {
  readonly positions: readonly (TopicPartition & Position & { readonly group: string })[]
  /** Changes of stores that the log itself keeps. */
  readonly state: readonly StoreChange[]
  /** Changes of stores that the log does not keep, as their changelogs take them. */
  readonly changelogs: readonly StoreRecords[]
  /** Records by which stores delete rows that are no longer due. They are written after everything else. */
  readonly removals: readonly ProducerRecord[]
  /** Changes to write to the tasks' disks once the commit has taken effect. */
  readonly logged: readonly (LoggedChanges & { readonly of: LoggedState })[]
  /** Tasks that have something to commit. */
  readonly tasks: number
}

/** The tasks whose work commits hold. */
export interface CommittingTasks {
  /** Something was processed that no commit holds yet. */
  readonly hasUncommitted: boolean
  /** Takes the tasks that may have something that no commit holds: the commit that is closed now holds it. */
  takeTouched(): readonly Task[]
  groupOf(task: Task): string
  /** Null where the log's own commit holds the task's state. */
  stateOf(task: Task): LoggedState | null
  /** True for the group of a global store: every process has a copy of its own. */
  isGlobal(group: string): boolean
}

/** Changelog records of one store of one task. */
export interface StoreRecords {
  readonly store: string
  /** 0 for the last store of its task in the order of the topology, 1 for the one before it, and so on. */
  readonly placesFromEnd: number
  readonly records: readonly ProducerRecord[]
}

/** Flushes the tasks, which may send records, and takes what they have done. Throws `RecordRefused` where a store cannot write a value. */
export function takeContent(source: CommittingTasks, touched: readonly Task[]): CommitContent {
  for (const task of touched) task.flush()
  const positions: (TopicPartition & Position & { readonly group: string })[] = []
  const state: StoreChange[] = []
  const changelogs: StoreRecords[] = []
  const removals: ProducerRecord[] = []
  const logged: (LoggedChanges & { readonly of: LoggedState })[] = []
  let tasks = 0
  for (const task of touched) {
    const { positions: own, state: changes } = refusing(() => task.takeCommit())
    if (own.length > 0 || changes.length > 0) tasks++
    const group = source.groupOf(task)
    const of = source.stateOf(task)
    if (of === null) state.push(...changes)
    else {
      changes.forEach((change, at) => {
        const records: ProducerRecord[] = []
        refusing(() => of.append([change], (record, { isLast }) => (isLast ? removals : records).push(record)))
        changelogs.push({ store: change.store, placesFromEnd: changes.length - 1 - at, records })
      })
      logged.push({ of, changes, positions: own, kept: task.memory.numbers })
    }
    // A global store's positions lie with its rows, where the log keeps no state.
    if (of === null || !source.isGlobal(group)) for (const position of own) positions.push({ ...position, group })
  }
  return { positions, state, changelogs, removals, logged, tasks }
}

/** A store's serde belongs to the user. Its failure does not say which input caused it: `CommitSearch` finds that input. */
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
