import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Consumed, Materialized, Named, Produced, Serdes, StreamsBuilder } from 'waggle-streams'
import { numbersOf, type TaskId } from '../../../processor/assignment/group-task.ts'
import { TaskAssignor } from '../../../processor/assignment/task-assignor.ts'
import { GlobalStores } from '../../../processor/state/global-stores.ts'
import { threadProgram } from '../../../processor/thread/thread-program.ts'
import { Topology } from '../../../topology/graph.ts'
import type { Subtopology } from '../../../topology/subtopology.ts'
import { SimulatedGroup } from './simulated-group.ts'

const text = Serdes.string()
const partitions = 6

describe('A group whose leader assigns tasks', () => {
  it('runs each task once and evenly after any joins, leaves and deaths', () => {
    const step = fc.record({
      do: fc.constantFrom('join' as const, 'join' as const, 'leave' as const, 'kill' as const, 'tick' as const),
      who: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), fc.nat(1), (steps, standbyReplicas) => {
        const group = new SimulatedGroup(program(), { partitions, settings: { standbyReplicas } })
        const up = new Set<string>(['first'])
        group.join('first')
        for (const { do: what, who } of steps) {
          if (what === 'tick') group.tick()
          else if (what === 'join' && !up.has(who)) {
            up.add(who)
            group.join(who)
          } else if (what !== 'join' && up.has(who)) {
            up.delete(who)
            if (what === 'kill') group.kill(who)
            group.leave(who)
          }
          assert.ok([...group.running.values()].every((by) => by.length === 1))
        }
        group.settle()
        assertEven(group, up)
        const { rounds } = group
        group.rebalance()
        assert.equal(group.rounds, rounds + 1, 'nothing moves when nothing has changed')
      }),
      { numRuns: 60 },
    )
  })

  it('moves state to a joining process only after that process’s copy has caught up, two copies at a time', () => {
    const group = new SimulatedGroup(program(), { partitions })
    group.join('a')
    group.join('b')
    group.settle()
    const before = group.running
    group.taken = 0
    group.join('c')
    const stateful = (id: TaskId) => group.tasks.some((task) => task.id === id && task.isStateful)
    for (const [id, by] of group.running) if (stateful(id)) assert.deepEqual(by, before.get(id))
    assert.equal(group.assignorsOf('c').flatMap(({ assignment }) => assignment.warmups).length, 2)
    let ticks = 0
    while (!group.assignorsOf('c').every(({ assignment }) => assignment.isBalanced)) {
      group.tick()
      ticks += 1
      assert.ok([...group.running.values()].every((by) => by.length === 1))
    }
    assertEven(group, new Set(['a', 'b', 'c']))
    // A task has a million records, of which a tick restores 250,000. Two of three tasks are restored at a time.
    assert.ok(ticks <= 10, `${ticks} ticks`)
    assert.equal(group.taken, group.tasks.length / 3)
  })

  it('gives a process that returns after a moment its old tasks, without a rebalance of the other processes', () => {
    const group = new SimulatedGroup(program(), { partitions })
    const names = ['a', 'b', 'c']
    for (const name of names) group.join(name)
    group.settle()
    const [before, rounds] = [group.running, group.rounds]
    const all = new Set(group.tasks.map(({ subtopology }) => subtopology))
    for (const name of names) {
      group.kill(name)
      assert.deepEqual(group.subtopologiesThatRun, all)
      group.tick()
      group.restart(name)
      assert.deepEqual(group.running, before)
    }
    assert.equal(group.rounds, rounds)
  })

  it('keeps every sub-topology running while processes without instance ids restart one after the other', () => {
    const group = new SimulatedGroup(program(), { partitions, settings: { standbyReplicas: 1 } })
    const names = ['a', 'b', 'c']
    for (const name of names) group.join(name)
    group.settle()
    const all = new Set(group.tasks.map(({ subtopology }) => subtopology))
    for (const name of names) {
      group.kill(name)
      assert.deepEqual(group.subtopologiesThatRun, all)
      group.leave(name)
      assert.ok([...group.running.values()].every((by) => by.length === 1))
      group.tick()
      group.join(name)
      group.settle()
      assert.ok([...group.running.values()].every((by) => by.length === 1))
    }
    assertEven(group, new Set(names))
  })

  it('gives a process tasks by its number of threads, and keeps tasks on their threads', () => {
    const group = new SimulatedGroup(program(), { partitions })
    group.join('small')
    group.join('large', { threads: 2 })
    group.settle()
    const counts = ['small', 'large'].map((name) => group.assignorsOf(name).map(({ assignment }) => assignment.active.length))
    assert.deepEqual(counts, [[6], [6, 6]])
    const before = group.assignorsOf('large').map(({ assignment }) => assignment.active)
    group.rebalance()
    assert.deepEqual(
      group.assignorsOf('large').map(({ assignment }) => assignment.active),
      before,
    )
  })

  it('runs tasks that need a GPU when a process with a GPU joins, and names the missing capability until then', () => {
    const group = new SimulatedGroup(program({ gpu: true }), { partitions })
    group.join('cpu')
    const [assignor] = group.assignorsOf('cpu')
    const [problem, ...others] = assignor?.problems ?? []
    assert.equal(others.length, 0)
    assert.equal(problem?.code, 'WAGGLE_NO_CAPABLE_PROCESS')
    assert.match(problem?.message ?? '', /^Sub-topology 2 \(.*upper.*\) runs nowhere: no process of the group has gpu: 1; /)
    group.join('gpu', { capabilities: { gpu: 1 } })
    group.settle()
    assert.deepEqual(assignor?.problems, [])
    for (const [id, by] of group.running) if (numbersOf(id)[0] === 2) assert.deepEqual(by, ['gpu'])
  })

  it('tells every member which host runs which task, and which hosts keep standbys', () => {
    const group = new SimulatedGroup(program(), { partitions, settings: { standbyReplicas: 1 } })
    for (const name of ['a', 'b', 'c']) group.join(name)
    group.settle()
    for (const assignor of ['a', 'b', 'c'].flatMap((name) => group.assignorsOf(name))) {
      for (const { id, isStateful } of group.tasks) {
        const { active, standbys } = assignor.assignment.hosts.of(id)
        assert.deepEqual(
          [active],
          group.running.get(id)?.map((name) => `${name}:8080`),
        )
        assert.equal(standbys.length, isStateful ? 1 : 0)
        assert.ok(active !== null && !standbys.includes(active))
      }
    }
  })

  it('rejects a member of another version, and keeps working', () => {
    const group = new SimulatedGroup(program(), { partitions })
    group.join('a')
    const before = group.running
    const told = group.joinStranger({ id: 'new', instanceId: null, topics: ['clicks'], owned: [], data: Uint8Array.of(2, 7, 7) })
    assert.deepEqual(group.running, before)
    const stranger = new TaskAssignor({ ...alone, subtopologies: program() })
    assert.throws(() => stranger.received(told), { code: 'WAGGLE_ASSIGNMENT_VERSION', message: /refused.*new.*version 2.*version 1/ })
  })

  it('gives no task to a member with another topology, which reports that and starts when the other members have left', () => {
    const group = new SimulatedGroup(program(), { partitions })
    group.join('a')
    const before = group.running
    const other = new TaskAssignor({ ...alone, subtopologies: program({ counts: 'other-counts' }) })
    const member = { id: 'other', instanceId: null, topics: ['clicks', 'visits', 'words'], owned: [] }
    other.received(group.joinStranger({ ...member, data: other.memberData() }))
    assert.deepEqual(group.running, before)
    const [problem] = other.problems
    assert.equal(problem?.code, 'WAGGLE_TOPOLOGY_DIFFERS')
    assert.match(problem?.message ?? '', /it reads clicks, visits, words and keeps counts, latest; this one reads .* keeps other-counts, latest\./)
    const assignments = other.assign([{ ...member, data: other.memberData() }], () => partitions)
    assert.equal(assignments.get('other')?.partitions.length, 3 * partitions)
    other.received(assignments.get('other')?.data ?? assert.fail('The member was told nothing'))
    assert.deepEqual(other.problems, [])
  })

  it('follows the leader’s topology even if most members have another one, and tells those members to be replaced', () => {
    const leader = new TaskAssignor({ ...alone, subtopologies: program({ counts: 'new-counts' }) })
    const old = ['a', 'b'].map((id) => ({ id, assignor: new TaskAssignor({ ...alone, processId: id, subtopologies: program() }) }))
    const member = { instanceId: null, topics: ['clicks', 'visits', 'words'], owned: [] }
    const members = [{ id: 'leader', assignor: leader }, ...old].map(({ id, assignor }) => ({ ...member, id, data: assignor.memberData() }))
    const assignments = leader.assign(members, () => partitions)
    assert.deepEqual(
      members.map(({ id }) => assignments.get(id)?.partitions.length),
      [3 * partitions, 0, 0],
    )
    for (const { id, assignor } of old) {
      assignor.received(assignments.get(id)?.data ?? assert.fail('The member was told nothing'))
      assert.match(assignor.problems[0]?.next ?? '', /replace all processes that have the old one, be it this one or the others/)
    }
  })

  it('treats functions of the same name as the same, so that a rolling restart may change them', () => {
    const group = new SimulatedGroup(program(), { partitions })
    group.join('a')
    const changed = new TaskAssignor({ ...alone, subtopologies: program({ upper: (word) => `${word}!` }) })
    const member = { id: 'changed', instanceId: null, topics: ['clicks', 'visits', 'words'], owned: [] }
    changed.received(group.joinStranger({ ...member, data: changed.memberData() }))
    assert.deepEqual(changed.problems, [])
  })

  it('refuses settings under which state could never move', () => {
    assert.throws(() => new TaskAssignor({ ...alone, subtopologies: [], settings: { maxWarmupReplicas: 0 } }), { code: 'WAGGLE_INVALID_CONFIG' })
  })
})

const alone = { processId: 'new', host: null, capabilities: () => ({}), lags: () => new Map() }

interface ProgramOptions {
  readonly gpu?: boolean
  readonly counts?: string
  readonly upper?: (word: string | null) => string
}

/** Two sub-topologies with state and one without, in one group. */
function program(options: ProgramOptions = {}): readonly Subtopology[] {
  const { gpu, counts = 'counts', upper = (word) => (word ?? '').toUpperCase() } = options
  const builder = new StreamsBuilder()
  const read = Consumed.with(text, text)
  builder.stream('clicks', read).groupByKey().count(Materialized.as(counts))
  builder
    .stream('visits', read)
    .groupByKey()
    .reduce((_, next) => next, Materialized.as('latest'))
  builder.stream('words', read).mapValues(upper, Named.as('upper')).to('upper-words', Produced.with(text, text))
  const topology = builder.build()
  assert.ok(topology instanceof Topology)
  if (gpu === true) topology.requireCapabilities('upper', { gpu: 1 })
  const { groups } = threadProgram('app', topology, { maxCachedEntries: 0, globals: new GlobalStores() })
  return groups.flatMap(({ subtopologies }) => subtopologies)
}

function assertEven(group: SimulatedGroup, up: ReadonlySet<string>): void {
  for (const subtopology of [0, 1, 2, null]) {
    const counts = new Map([...up].map((name) => [name, 0]))
    for (const [id, [name]] of group.running) {
      if (name !== undefined && (subtopology === null || numbersOf(id)[0] === subtopology)) counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    assert.ok(Math.max(...counts.values()) - Math.min(...counts.values()) <= 1, JSON.stringify([...counts]))
  }
}
