import type { Capabilities } from '../../topology/capabilities.ts'
import type { TaskPlan } from './assignment-data.ts'
import type { TaskId } from './group-task.ts'
import { WireReader, WireWriter } from './wire-bytes.ts'

/** What a member tells the leader of itself, beside its topics and what it reads now. */
export interface MemberData {
  /** The same for all threads of a process, and best over restarts too. */
  readonly processId: string
  /** Where the process answers interactive queries, `host:port`; null where it does not. */
  readonly host: string | null
  /** Whose tasks it can run; the leader gives it only those of the same. */
  readonly topology: string
  readonly capabilities: Capabilities
  /** What this thread was told to keep copies of. */
  readonly standbys: readonly TaskId[]
  readonly warmups: readonly TaskId[]
  /** As the leader said it last. */
  readonly plan: TaskPlan
  /** Of the process: by how many changelog records its copies are behind. */
  readonly lags: ReadonlyMap<TaskId, number>
}

/**
 * version, processId text, host text (empty: none), topology text, capabilities [name text, count], standbys [task],
 * warmups [task], plan: active [task], standbys [task], lags [task, lag]; a task is its sub-topology and its partition.
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

/** A changelog's start may lie past what was read of it, and "as many as you like" is a count too. */
function whole(count: number): number {
  return Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(count)))
}
