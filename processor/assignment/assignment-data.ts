import { isErrorCode } from '../../topology/error-codes.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { TaskId } from './group-task.ts'
import { type TaskHost, TaskHosts } from './task-hosts.ts'
import { WireReader, WireWriter } from './wire-bytes.ts'

/** The leader's message to one member, in addition to its partitions. */
export interface AssignmentData {
  readonly active: readonly TaskId[]
  readonly standbys: readonly TaskId[]
  /** Copies to make so that a task, or a standby, can move here. */
  readonly warmups: readonly TaskId[]
  /** The plan of the process, which the member repeats in its next JoinGroup. The active tasks of a thread include all tasks that it will run. */
  readonly plan: PlannedTasks
  /** Tasks of the whole group that no process can run. */
  readonly unassigned: readonly TaskId[]
  /** True if no move in the group waits for a warm-up. */
  readonly isBalanced: boolean
  readonly hosts: TaskHosts
  /** The topics and stores of the leader's topology, as text; null if the member's topology is the same. */
  readonly otherTopology: string | null
}

/** The tasks when all copies have caught up. */
export interface PlannedTasks {
  readonly active: readonly TaskId[]
  readonly standbys: readonly TaskId[]
}

/**
 * Encodes: version, 1, active [task], standbys [task], warmups [task], plan: active [task], standbys [task], unassigned [task], balanced 0|1, hosts
 * [text]. Then, for each task that a host has: task, active host's index + 1 or 0, standby hosts' [index]. A task takes some five bytes. The size
 * matters, because every member gets all tasks, and a broker keeps all messages in one record.
 */
export function encodeAssignmentData({
  active,
  standbys,
  warmups,
  plan,
  unassigned,
  isBalanced,
  hosts,
}: Omit<AssignmentData, 'otherTopology'>): Uint8Array {
  const writer = new WireWriter().number(assigned)
  for (const tasks of [active, standbys, warmups, plan.active, plan.standbys, unassigned]) writer.list(tasks, (id) => writer.task(id))
  const entries = hosts.entries()
  const names = [...new Set(entries.flatMap(([, { active, standbys }]) => (active === null ? standbys : [active, ...standbys])))].sort()
  const indexes = new Map(names.map((name, index) => [name, index]))
  const indexOf = (name: string) => indexes.get(name) ?? 0
  return writer
    .number(isBalanced ? 1 : 0)
    .list(names, (name) => writer.text(name))
    .list(entries, ([id, { active, standbys }]) =>
      writer
        .task(id)
        .number(active === null ? 0 : indexOf(active) + 1)
        .list(standbys, (name) => writer.number(indexOf(name))),
    )
    .done()
}

/**
 * Encodes: version, 2, text. The message tells a member that the leader runs another topology, which the text describes. The member runs nothing
 * until a leader has its topology.
 */
export function encodeOtherTopology(summary: string): Uint8Array {
  return new WireWriter().number(other).text(summary).done()
}

/**
 * Encodes: version, 0, code text, message text, next text. The message tells a member that the leader cannot read the member's own message. The other
 * members go on.
 */
export function encodeRefusal({ code, message, next }: WaggleError): Uint8Array {
  return new WireWriter().number(refused).text(code).text(message).text(next).done()
}

/** Decodes an assignment. If the leader refused this member, throws the leader's error. */
export function decodeAssignmentData(bytes: Uint8Array): AssignmentData {
  const reader = new WireReader(bytes, 'What the leader of the group assigned')
  const kind = reader.number()
  if (kind === refused) throw refusalOf(reader)
  if (kind === other) return { ...emptyAssignment, otherTopology: reader.text() }
  const [active, standbys, warmups] = [tasksIn(reader), tasksIn(reader), tasksIn(reader)]
  const plan = { active: tasksIn(reader), standbys: tasksIn(reader) }
  const unassigned = tasksIn(reader)
  const isBalanced = reader.number() === 1
  const names = reader.list(() => reader.text())
  const hosts = reader.list((): readonly [TaskId, TaskHost] => {
    const id = reader.task()
    const active = names[reader.number() - 1] ?? null
    const standbys = reader.list(() => names[reader.number()] ?? '')
    return [id, { active, standbys }]
  })
  reader.end()
  return { active, standbys, warmups, plan, unassigned, isBalanced, hosts: new TaskHosts(new Map(hosts)), otherTopology: null }
}

const refused = 0
const assigned = 1
const other = 2

/** The assignment of a member that has no message from the leader yet. */
export const emptyAssignment: AssignmentData = {
  active: [],
  standbys: [],
  warmups: [],
  plan: { active: [], standbys: [] },
  unassigned: [],
  isBalanced: true,
  hosts: new TaskHosts(new Map()),
  otherTopology: null,
}

function tasksIn(reader: WireReader): readonly TaskId[] {
  return reader.list(() => reader.task())
}

function refusalOf(reader: WireReader): WaggleError {
  const code = reader.text()
  return new WaggleError(isErrorCode(code) ? code : 'WAGGLE_ASSIGNMENT_UNREADABLE', {
    message: `The leader of the group refused this process: ${reader.text()}`,
    next: reader.text(),
  })
}
