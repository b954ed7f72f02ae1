import assert from 'node:assert/strict'
import type { AssignmentSettings } from '../../../processor/assignment/assign-tasks.ts'
import { numbersOf, type TaskId, tasksOf } from '../../../processor/assignment/group-task.ts'
import { TaskAssignor } from '../../../processor/assignment/task-assignor.ts'
import { type GroupAssignor, type GroupMember, partitionName, type TopicPartition } from '../../../processor/ports.ts'
import type { Capabilities } from '../../../topology/capabilities.ts'
import type { Subtopology } from '../../../topology/subtopology.ts'

export interface ProcessOptions {
  readonly threads?: number
  readonly capabilities?: Capabilities
}

interface Member {
  readonly id: string
  readonly topics: readonly string[]
  assignor: TaskAssignor
  owned: readonly TopicPartition[]
}

interface SimulatedProcess {
  readonly name: string
  readonly options: ProcessOptions
  readonly members: readonly Member[]
  /** The offset up to which its copy of the state is read, by task. */
  readonly disk: Map<TaskId, number>
  isUp: boolean
}

/**
 * A broker's group, its processes with their disks, and the changelogs. The broker works in rounds. In a round, all members send their messages, the
 * oldest member decides, and all members release and take partitions. Members that released partitions join again.
 */
export class SimulatedGroup {
  /** Partitions that a member has begun to read. */
  taken = 0
  rounds = 0
  readonly #subtopologies: readonly Subtopology[]
  readonly #partitions: number
  readonly #settings: Partial<AssignmentSettings>
  readonly #processes = new Map<string, SimulatedProcess>()
  readonly #ends = new Map<TaskId, number>()
  readonly #strangers: GroupMember[] = []
  /** The leader's last message, by member. */
  readonly #told = new Map<string, Uint8Array>()

  constructor(subtopologies: readonly Subtopology[], options: { readonly partitions: number; readonly settings?: Partial<AssignmentSettings> }) {
    this.#subtopologies = subtopologies
    this.#partitions = options.partitions
    this.#settings = options.settings ?? {}
    for (const { id } of this.tasks) this.#ends.set(id, 1_000_000)
  }

  get tasks() {
    return tasksOf(this.#subtopologies, () => this.#partitions)
  }

  /** Processes that run a task and are up, by task. */
  get running(): ReadonlyMap<TaskId, readonly string[]> {
    return new Map(
      this.tasks.map((task) => {
        const runs = ({ owned }: Member) => task.inputs.every((input) => owned.some((one) => partitionName(one) === partitionName(input)))
        return [task.id, [...this.#processes.values()].filter(({ isUp, members }) => isUp && members.some(runs)).map(({ name }) => name)]
      }),
    )
  }

  get subtopologiesThatRun(): ReadonlySet<number> {
    return new Set([...this.running].filter(([, by]) => by.length > 0).map(([id]) => numbersOf(id)[0]))
  }

  assignorsOf(name: string): readonly TaskAssignor[] {
    return this.#process(name).members.map(({ assignor }) => assignor)
  }

  /** Starts a process. If a stopped process had the same name, the new process has its disk and its id. */
  join(name: string, options: ProcessOptions = {}): void {
    const disk = this.#processes.get(name)?.disk ?? new Map<TaskId, number>()
    const topics = this.#subtopologies.flatMap(({ sources }) => sources)
    const members: Member[] = []
    const process = { name, options, members, disk, isUp: true }
    this.#processes.set(name, process)
    for (let thread = 0; thread < (options.threads ?? 1); thread++) {
      members.push({ id: `${name}-${thread}`, topics, assignor: this.#assignorOf(process), owned: [] })
    }
    this.rebalance()
  }

  /** Stops a process, either because it was told to stop, or because its session ended after its death. */
  leave(name: string): void {
    const process = this.#process(name)
    this.#settle(process)
    this.#processes.set(name, { ...process, members: [], isUp: false })
    this.rebalance()
  }

  /** Kills a process whose session is not over yet: its partitions belong to nobody. */
  kill(name: string): void {
    const process = this.#process(name)
    this.#settle(process)
    process.isUp = false
  }

  /** Restarts a static member before its session is over. The broker gives the member its partitions back without a rebalance. */
  restart(name: string): void {
    const process = this.#process(name)
    process.isUp = true
    for (const member of process.members) {
      member.assignor = this.#assignorOf(process)
      member.assignor.received(this.#told.get(member.id) ?? assert.fail(`${member.id} was told nothing`))
    }
  }

  /** Lets a member of another build join. The leader cannot read the message of this member. */
  joinStranger(member: GroupMember): Uint8Array {
    this.#strangers.push(member)
    this.rebalance()
    return this.#told.get(member.id) ?? new Uint8Array()
  }

  /** Lets changelogs grow and copies catch up. Members with a finished warm-up join again. Returns true if a member joined again. */
  tick(): boolean {
    for (const id of this.#ends.keys()) this.#ends.set(id, (this.#ends.get(id) ?? 0) + 1000)
    for (const process of this.#up()) this.#settle(process)
    if (!this.#up().some(({ members }) => members.some(({ assignor }) => assignor.wantsRejoin))) return false
    this.rebalance()
    return true
  }

  /** Runs until nothing waits for a warm-up. */
  settle(): void {
    for (let ticks = 0; ticks < 10_000; ticks++) {
      if (this.#up().every(({ members }) => members.every(({ assignor }) => assignor.assignment.isBalanced))) return
      this.tick()
    }
    assert.fail('The group does not settle')
  }

  rebalance(): void {
    for (let round = 0; round < 10; round++) if (!this.#round()) return
    assert.fail('Members go on letting go and joining again')
  }

  #round(): boolean {
    this.rounds += 1
    const members = this.#up().flatMap((process) => process.members)
    const [leader] = members
    if (leader === undefined) return false
    const said = members.map(({ id, topics, owned, assignor }) => ({ id, instanceId: null, topics, owned, data: assignor.memberData() }))
    const decided = (leader.assignor as GroupAssignor).assign([...said, ...this.#strangers], () => this.#partitions)
    for (const { id } of this.#strangers) this.#told.set(id, decided.get(id)?.data ?? new Uint8Array())
    const readBefore = new Map(members.flatMap(({ id, owned }) => owned.map((one) => [partitionName(one), id] as const)))
    let hasLetGo = false
    for (const member of members) {
      const { partitions, data } = decided.get(member.id) ?? assert.fail(`The leader forgot ${member.id}`)
      member.assignor.received(data)
      this.#told.set(member.id, data)
      for (const one of partitions) {
        const owner = readBefore.get(partitionName(one))
        assert.ok(owner === undefined || owner === member.id, `${partitionName(one)} is given to ${member.id} while ${owner} reads it`)
        if (owner === undefined) this.taken += 1
      }
      const kept = new Set(partitions.map(partitionName))
      hasLetGo ||= member.owned.some((one) => !kept.has(partitionName(one)))
      member.owned = partitions
    }
    for (const process of this.#up()) this.#settle(process)
    return hasLetGo
  }

  /** Brings running tasks up to date, and lets copies catch up a little. Copies that are no longer kept stay on the disk unchanged. */
  #settle({ members, disk, isUp }: SimulatedProcess): void {
    if (!isUp) return
    for (const { assignor } of members) {
      const { active, standbys, warmups } = assignor.assignment
      for (const id of active) disk.set(id, this.#endOf(id))
      for (const id of [...standbys, ...warmups]) disk.set(id, Math.min(this.#endOf(id), (disk.get(id) ?? 0) + 250_000))
    }
  }

  #assignorOf({ name, options, disk }: Pick<SimulatedProcess, 'name' | 'options' | 'disk'>): TaskAssignor {
    const stateful = new Set(this.tasks.filter(({ isStateful }) => isStateful).map(({ id }) => id))
    return new TaskAssignor({
      subtopologies: this.#subtopologies,
      processId: name,
      host: `${name}:8080`,
      capabilities: () => options.capabilities ?? {},
      lags: () => new Map([...disk].filter(([id]) => stateful.has(id)).map(([id, position]) => [id, this.#endOf(id) - position])),
      settings: this.#settings,
    })
  }

  #endOf(id: TaskId): number {
    return this.#ends.get(id) ?? 0
  }

  #up(): readonly SimulatedProcess[] {
    return [...this.#processes.values()].filter(({ isUp }) => isUp)
  }

  #process(name: string): SimulatedProcess {
    return this.#processes.get(name) ?? assert.fail(`There is no process ${name}`)
  }
}
