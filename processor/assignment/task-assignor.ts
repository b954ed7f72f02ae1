import type { Capabilities } from '../../topology/capabilities.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type GroupAssignment, type GroupAssignor, type GroupMember, partitionName } from '../ports.ts'
import { type AssignmentSettings, assignTasks, type GroupProcess, type TaskShare } from './assign-tasks.ts'
import {
  type AssignmentData,
  decodeAssignmentData,
  emptyAssignment,
  encodeAssignmentData,
  encodeOtherTopology,
  encodeRefusal,
} from './assignment-data.ts'
import { type GroupTask, numbersOf, type TaskId, tasksOf } from './group-task.ts'
import { handOver } from './hand-over.ts'
import { decodeMemberData, encodeMemberData, type MemberData } from './member-data.ts'
import { type TaskHost, TaskHosts } from './task-hosts.ts'
import { shareAmongThreads } from './thread-shares.ts'
import { fingerprintOf, type TopologyFingerprint } from './topology-fingerprint.ts'

export interface TaskAssignorOptions {
  readonly subtopologies: readonly Subtopology[]
  /** The id of the process, the same for all its threads. */
  readonly processId: string
  /** The address for interactive queries, `host:port`. */
  readonly host: string | null
  capabilities(): Capabilities
  /**
   * The number of changelog records that the process's copies lack, summed over a task's stores. The number is 0 for a running task. A task without a
   * copy has no entry.
   */
  lags(): ReadonlyMap<TaskId, number>
  readonly settings?: Partial<AssignmentSettings>
}

/** Assigns the tasks of one group if this member is the leader, and keeps the leader's message to this member. */
export class TaskAssignor implements GroupAssignor {
  readonly name = 'waggle-tasks'
  readonly #options: TaskAssignorOptions
  readonly #settings: AssignmentSettings
  readonly #fingerprint: TopologyFingerprint
  #received: AssignmentData = emptyAssignment

  constructor(options: TaskAssignorOptions) {
    this.#options = options
    this.#fingerprint = fingerprintOf(options.subtopologies)
    this.#settings = checked({ standbyReplicas: 0, acceptableRecoveryLag: 10_000, maxWarmupReplicas: 2, ...options.settings })
  }

  get assignment(): AssignmentData {
    return this.#received
  }

  /** The reasons why tasks of the group run nowhere, one for each sub-topology, or why this member runs no task. */
  get problems(): readonly WaggleError[] {
    const { otherTopology } = this.#received
    if (otherTopology !== null) return [differs(this.#fingerprint.summary, otherTopology)]
    const missing = new Set(this.#received.unassigned.map((id) => numbersOf(id)[0]))
    return this.#options.subtopologies.filter(({ id }) => missing.has(id)).map(unassignable)
  }

  /** True if a warm-up of this member has caught up. Then the member joins again, and the task moves here. */
  get wantsRejoin(): boolean {
    const { warmups } = this.#received
    if (warmups.length === 0) return false
    const lags = this.#options.lags()
    return warmups.some((id) => (lags.get(id) ?? Number.POSITIVE_INFINITY) <= this.#settings.acceptableRecoveryLag)
  }

  memberData(): Uint8Array {
    const { processId, host } = this.#options
    const { standbys, warmups, plan } = this.#received
    return encodeMemberData({
      processId,
      host,
      topology: this.#fingerprint.hash,
      capabilities: this.#options.capabilities(),
      standbys,
      warmups,
      plan,
      lags: this.#options.lags(),
    })
  }

  received(data: Uint8Array): void {
    this.#received = decodeAssignmentData(data)
  }

  assign(members: readonly GroupMember[], partitionsOf: (topic: string) => number): ReadonlyMap<string, GroupAssignment> {
    const tasks = tasksOf(this.#options.subtopologies, partitionsOf)
    const { known, refusals } = decodedMessages(members)
    const [alike, others] = partition(known, ({ data }) => data.topology === this.#fingerprint.hash)
    const threads = threadsOf(alike, tasks)
    const processes = processesOf(threads)
    const { shares, unassigned, isBalanced } = assignTasks(tasks, processes, this.#settings)
    const wanted = new Map(
      [...shares].flatMap(([process, share]) => {
        const own = threads.filter(({ data }) => data.processId === process)
        return [...shareAmongThreads(share, own)]
      }),
    )
    const given = handOver(wanted, new Map(members.map(({ id, owned }) => [id, owned])))
    const hosts = hostsOf(given, threads)
    const group = { unassigned: unassigned.map(({ id }) => id), isBalanced, hosts }
    const assignments = [...given].map(([member, share]): [string, GroupAssignment] => {
      const plan = { active: idsOf(share.plan.active), standbys: idsOf(share.plan.standbys) }
      const own = { active: idsOf(share.active), standbys: idsOf(share.standbys), warmups: idsOf(share.warmups), plan }
      const data = encodeAssignmentData({ ...group, ...own })
      return [member, { partitions: share.active.flatMap(({ inputs }) => inputs), data }]
    })
    const idle = others.map(({ member }): [string, GroupAssignment] => [
      member.id,
      { partitions: [], data: encodeOtherTopology(this.#fingerprint.summary) },
    ])
    return new Map([...assignments, ...idle, ...refusals])
  }
}

/** A member, and its message to the leader. */
interface KnownThread {
  readonly id: string
  readonly topics: readonly string[]
  readonly active: ReadonlySet<TaskId>
  readonly planned: ReadonlySet<TaskId>
  readonly copies: ReadonlySet<TaskId>
  readonly data: MemberData
}

/** Decodes the members' messages. A member with an unreadable message only gets the reason, and the others go on. */
function decodedMessages(members: readonly GroupMember[]) {
  const known: { readonly member: GroupMember; readonly data: MemberData }[] = []
  const refusals: [string, GroupAssignment][] = []
  for (const member of members) {
    try {
      known.push({ member, data: decodeMemberData(member.data, member.instanceId ?? member.id) })
    } catch (thrown) {
      if (!(thrown instanceof WaggleError)) throw thrown
      refusals.push([member.id, { partitions: [], data: encodeRefusal(thrown) }])
    }
  }
  return { known, refusals }
}

function threadsOf(
  known: readonly { readonly member: GroupMember; readonly data: MemberData }[],
  tasks: readonly GroupTask[],
): readonly KnownThread[] {
  const byPartition = new Map(tasks.flatMap(({ id, inputs }) => inputs.map((input) => [partitionName(input), id])))
  const threads = known.map(({ member: { id, topics, owned }, data }) => {
    const active = new Set(owned.flatMap((partition) => byPartition.get(partitionName(partition)) ?? []))
    return { id, topics, active, planned: new Set(data.plan.active), copies: new Set([...data.standbys, ...data.warmups]), data }
  })
  return threads.sort((a, b) => (a.id < b.id ? -1 : 1))
}

function processesOf(threads: readonly KnownThread[]): readonly GroupProcess[] {
  return [...Map.groupBy(threads, ({ data }) => data.processId)].map(([id, own]) => {
    const lags = new Map<TaskId, number>()
    for (const { data } of own) for (const [task, lag] of data.lags) lags.set(task, Math.min(lag, lags.get(task) ?? lag))
    return {
      id,
      threads: own.length,
      capabilities: own[0]?.data.capabilities ?? {},
      topics: own.map(({ topics }) => new Set(topics)).reduce((all, topics) => all.intersection(topics)),
      active: new Set(own.flatMap(({ active }) => [...active])),
      standbys: new Set(own.flatMap(({ data }) => data.standbys)),
      plan: {
        active: new Set(own.flatMap(({ planned }) => [...planned])),
        standbys: new Set(own.flatMap(({ data }) => data.plan.standbys)),
      },
      lags,
    }
  })
}

/** The hosts of tasks after this round. A task that moves has no active host yet. */
function hostsOf(shares: ReadonlyMap<string, TaskShare>, threads: readonly KnownThread[]): TaskHosts {
  const byTask = new Map<TaskId, TaskHost>()
  for (const { id, data } of threads) {
    const { host } = data
    const share = shares.get(id)
    if (host === null || share === undefined) continue
    for (const task of share.active) byTask.set(task.id, { standbys: byTask.get(task.id)?.standbys ?? [], active: host })
    for (const task of share.standbys) {
      const { active, standbys } = byTask.get(task.id) ?? { active: null, standbys: [] }
      byTask.set(task.id, { active, standbys: [...standbys, host] })
    }
  }
  return new TaskHosts(byTask)
}

function idsOf(tasks: readonly GroupTask[]): readonly TaskId[] {
  return tasks.map(({ id }) => id)
}

function partition<T>(all: readonly T[], isFirst: (one: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [all.filter(isFirst), all.filter((one) => !isFirst(one))]
}

function differs(own: string, leaders: string): WaggleError {
  return new WaggleError('WAGGLE_TOPOLOGY_DIFFERS', {
    message: `Another topology runs under this application id: it ${leaders}; this one ${own}. This process runs nothing while processes with the other one are there`,
    next: 'Give one of the two applications an id of its own. Where the topology has changed, replace all processes that have the old one, be it this one or the others: those that have the new one begin by themselves.',
  })
}

function unassignable({ id, nodes, needs }: Subtopology): WaggleError {
  const wants = Object.entries(needs).map(([name, count]) => `${name}: ${count}`)
  const waits = 'what it is to read waits in its topics'
  const because = wants.length === 0 ? 'no process of the group reads its topics' : `no process of the group has ${wants.join(', ')}`
  return new WaggleError('WAGGLE_NO_CAPABLE_PROCESS', {
    message: `Sub-topology ${id} (${nodes.map(({ name }) => name).join(', ')}) runs nowhere: ${because}; ${waits}`,
    next: 'Start a process that has it: the tasks go there by themselves.',
  })
}

function checked(settings: AssignmentSettings): AssignmentSettings {
  const wrong =
    settings.standbyReplicas < 0
      ? 'standbyReplicas below 0'
      : settings.acceptableRecoveryLag < 0
        ? 'acceptableRecoveryLag below 0'
        : settings.maxWarmupReplicas < 1
          ? 'maxWarmupReplicas below 1, so that no state could ever move'
          : null
  if (wrong === null) return settings
  throw new WaggleError('WAGGLE_INVALID_CONFIG', { message: `The assignment has ${wrong}`, next: 'Set the option to its default, or higher.' })
}
