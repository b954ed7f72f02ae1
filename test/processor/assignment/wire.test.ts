import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type AssignmentData, decodeAssignmentData, encodeAssignmentData, encodeRefusal } from '../../../processor/assignment/assignment-data.ts'
import { compareTaskIds, type TaskId, taskId } from '../../../processor/assignment/group-task.ts'
import { decodeMemberData, encodeMemberData, type MemberData } from '../../../processor/assignment/member-data.ts'
import { TaskHosts } from '../../../processor/assignment/task-hosts.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

const task: fc.Arbitrary<TaskId> = fc.tuple(fc.nat(1000), fc.nat(100_000)).map(([subtopology, partition]) => taskId(subtopology, partition))
const tasks = fc.uniqueArray(task, { maxLength: 20 })
const host = fc.constantFrom('a:1', 'häuser.example:65535', 'b:2')
const word = fc.string({ minLength: 1 }).filter((name) => name !== '__proto__')

const member: fc.Arbitrary<MemberData> = fc.record({
  processId: fc.string({ unit: 'grapheme' }),
  host: fc.option(host),
  topology: fc.string(),
  capabilities: fc.dictionary(word, fc.maxSafeNat(), { noNullPrototype: true }),
  standbys: tasks,
  warmups: tasks,
  plan: fc.record({ active: tasks, standbys: tasks }, { noNullPrototype: true }),
  lags: fc.uniqueArray(fc.tuple(task, fc.maxSafeNat()), { selector: ([id]) => id, maxLength: 20 }).map((entries) => new Map(entries)),
})
const assignment: fc.Arbitrary<AssignmentData> = fc.record({
  active: tasks,
  standbys: tasks,
  warmups: tasks,
  plan: fc.record({ active: tasks, standbys: tasks }, { noNullPrototype: true }),
  unassigned: tasks,
  isBalanced: fc.boolean(),
  hosts: fc
    .uniqueArray(fc.tuple(task, fc.record({ active: fc.option(host), standbys: fc.uniqueArray(host) }, { noNullPrototype: true })), {
      selector: ([id]) => id,
      maxLength: 20,
    })
    .map((entries) => new TaskHosts(new Map(entries.toSorted(([a], [b]) => compareTaskIds(a, b))))),
  otherTopology: fc.constant(null),
})

describe('A message between the members of a group', () => {
  it('is decoded unchanged', () => {
    fc.assert(fc.property(member, (data) => assert.deepEqual(decodeMemberData(encodeMemberData(data), 'it'), { ...data })))
    fc.assert(
      fc.property(assignment, (data) => {
        const { hosts, ...rest } = decodeAssignmentData(encodeAssignmentData(data))
        assert.deepEqual({ ...rest, hosts: hosts.entries() }, { ...data, hosts: data.hosts.entries() })
      }),
    )
  })

  it('is refused in another version, with the names of both versions', () => {
    for (const decode of [(bytes: Uint8Array) => decodeMemberData(bytes, 'it'), decodeAssignmentData]) {
      assert.throws(() => decode(Uint8Array.of(2, 1, 0)), { code: 'WAGGLE_ASSIGNMENT_VERSION', message: /version 2 .* version 1/ })
    }
  })

  it('is refused if it is truncated or too long', () => {
    fc.assert(
      fc.property(member, fc.nat(), (data, cut) => {
        const bytes = encodeMemberData(data)
        for (const wrong of [bytes.subarray(0, cut % bytes.length), Uint8Array.of(...bytes, 0)]) {
          assert.throws(() => decodeMemberData(wrong, 'it'), { code: 'WAGGLE_ASSIGNMENT_UNREADABLE' })
        }
      }),
    )
  })

  it('throws nothing but a WaggleError, whatever its bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
        for (const decode of [(bytes: Uint8Array) => decodeMemberData(bytes, 'it'), decodeAssignmentData]) {
          try {
            decode(Uint8Array.of(1, ...noise))
          } catch (thrown) {
            assert.ok(thrown instanceof WaggleError)
          }
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('carries the reason for which a member was refused', () => {
    const why = new WaggleError('WAGGLE_ASSIGNMENT_VERSION', { message: 'in version 2', next: 'Upgrade.' })
    assert.throws(() => decodeAssignmentData(encodeRefusal(why)), { code: 'WAGGLE_ASSIGNMENT_VERSION', message: /in version 2$/, next: 'Upgrade.' })
  })

  it('describes 1,000 tasks on 100 hosts in less than 8 KB', () => {
    const entries = Array.from(
      { length: 1000 },
      (_, at) => [taskId(at % 10, at), { active: `host-${at % 100}:8080`, standbys: [`host-${(at + 1) % 100}:8080`] }] as const,
    )
    const bytes = encodeAssignmentData({
      active: [],
      standbys: [],
      warmups: [],
      plan: { active: [], standbys: [] },
      unassigned: [],
      isBalanced: true,
      hosts: new TaskHosts(new Map(entries)),
    })
    assert.ok(bytes.length < 8192, `${bytes.length} bytes`)
  })
})
