import type { Capabilities } from '../../topology/capabilities.ts'
import type { PlannedTasks } from './assignment-data.ts'
import type { TaskId } from './group-task.ts'
import { WireReader, WireWriter } from './wire-bytes.ts'

/** A member's message to the leader, in addition to its topics and its current partitions. */
export interface MemberData {
  /** The id of the process, the same for all its threads, and if possible after a restart too. */
  readonly processId: string
  /** The address for interactive queries, `host:port`; null if the process answers none. */
  readonly host: string | null
  /** A hash of the member's topology. The leader gives the member only tasks of the same topology. */
  readonly topology: string
  readonly capabilities: Capabilities
  /** The tasks of which this member was told to keep a standby, in the leader's last assignment. */
  readonly standbys: readonly TaskId[]
  /** The tasks of which this member was told to keep a warm-up, in the same assignment. */
  readonly warmups: readonly TaskId[]
  /** The plan from the leader's last message. */
  readonly plan: PlannedTasks
  /** The number of changelog records that the process's copies lack, by task. */
  readonly lags: ReadonlyMap<TaskId, number>
}

/**
 * Encodes: version, processId text, host text (empty: none), topology text, capabilities [name text, count], standbys [task], warmups [task], plan:
 * active [task], standbys [task], lags [task, lag]. A task is its sub-topology and its partition.
 */
export function encodeMemberData({ processId, host, topology, capabilities, standbys, warmups, plan, lags }: MemberData): Uint8Array {
  const writer = new WireWriter()
    .text(processId)
    .text(host ?? '')
    .text(topology)
  return writer
    .list(Object.entries(capabilities), ([name, count]) => writer.text(name).number(whole(count)))
    .list(standbys, (id) => writer.task(id))
    .list(warmups, (id) => writer.task(id))
    .list(plan.active, (id) => writer.task(id))
    .list(plan.standbys, (id) => writer.task(id))
    .list(lags, ([id, lag]) => writer.task(id).number(whole(lag)))
    .done()
}

export function decodeMemberData(bytes: Uint8Array, member: string): MemberData {
  const reader = new WireReader(bytes, `What the member ${member} says of itself`)
  const data = {
    processId: reader.text(),
    host: reader.text() || null,
    topology: reader.text(),
    capabilities: Object.fromEntries(reader.list(() => [reader.text(), reader.number()] as const)),
    standbys: reader.list(() => reader.task()),
    warmups: reader.list(() => reader.task()),
    plan: { active: reader.list(() => reader.task()), standbys: reader.list(() => reader.task()) },
    lags: new Map(reader.list(() => [reader.task(), reader.number()] as const)),
  }
  reader.end()
  return data
}

/** Rounds a lag to a whole number. A lag is negative if the changelog starts past the last record that was read. A lag may also be infinite. */
function whole(count: number): number {
  return Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(count)))
}
