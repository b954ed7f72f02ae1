import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Cluster } from '../../../../../connectors/log/kafka/cluster/cluster.ts'
import { GroupMember } from '../../../../../connectors/log/kafka/group/group-member.ts'
import { stickyAssignor } from '../../../../../connectors/log/kafka/group/sticky-assignor.ts'
import type { TopicPartition } from '../../../../../processor/ports.ts'
import { SimulatedClock } from '../../../../../processor/simulation/simulated-clock.ts'
import { SimulatedRandom } from '../../../../../processor/simulation/simulated-random.ts'
import { SimulatedCoordinator } from './simulated-coordinator.ts'

const partitions = 4

/** Static members of one group, each with the partitions that its consumer reads. */
class Scene {
  readonly clock = new SimulatedClock()
  readonly reads = new Map<string, readonly TopicPartition[]>()
  /** The number of assignments that each member has got. */
  readonly assignments = new Map<string, number>()
  readonly #coordinator = new SimulatedCoordinator(new Map([['words', partitions]]))
  readonly #members = new Map<string, GroupMember>()

  /** Starts a member. With `takesUp: false` its consumer is busy, and takes no assignment up. */
  join(instanceId: string, { takesUp = () => true }: { readonly takesUp?: () => boolean } = {}): void {
    const brokers = [{ host: 'broker', port: 1 }]
    const cluster = new Cluster({ brokers, client: this.#coordinator.client, clock: this.clock, random: new SimulatedRandom(1) })
    this.reads.set(instanceId, [])
    const member = new GroupMember({
      cluster,
      name: instanceId,
      group: 'g',
      topics: ['words'],
      assignor: stickyAssignor,
      instanceId,
      sessionTimeoutMs: 45_000,
      heartbeatIntervalMs: 3000,
      rebalanceTimeoutMs: 60_000,
      owned: () => this.reads.get(instanceId) ?? [],
      onAssigned: (assignment) => {
        this.assignments.set(instanceId, (this.assignments.get(instanceId) ?? 0) + 1)
        if (!takesUp()) return
        const before = this.reads.get(instanceId) ?? []
        const isKept = (place: TopicPartition) => assignment.partitions.some(({ partition }) => partition === place.partition)
        this.reads.set(instanceId, assignment.partitions)
        // A consumer takes an assignment up at its next poll.
        setImmediate(() => member.applied({ hasLetGo: !before.every(isKept) }))
      },
      onLost: () => this.reads.set(instanceId, []),
      onError: (error) => assert.fail(error),
    })
    this.#members.set(instanceId, member)
  }

  /** Ends a member as `kill -9` does. Its partitions stay its own, because it does not leave the group. */
  async kill(instanceId: string): Promise<void> {
    const member = this.#members.get(instanceId)
    assert.ok(member)
    const closed = member.close()
    await this.clock.advance(100)
    await closed
    this.reads.set(instanceId, [])
  }

  /** The partitions that some member reads, in order. */
  get read(): readonly number[] {
    return [...this.reads.values()].flatMap((places) => places.map(({ partition }) => partition)).sort((a, b) => a - b)
  }

  async close(): Promise<void> {
    for (const member of this.#members.values()) void member.close()
    await this.clock.advance(60_000)
  }
}

const all = Array.from({ length: partitions }, (_, partition) => partition)

describe('A static member that is killed before it has released partitions, and comes back', () => {
  for (const { what, leader } of [
    { what: 'leads the group', leader: 'old' },
    { what: 'follows', leader: 'other' },
  ])
    it(`leaves no partition without a reader if it ${what}`, async () => {
      const scene = new Scene()
      let isBusy = false
      if (leader === 'other') scene.join('other')
      await scene.clock.advance(10_000)
      scene.join('old', { takesUp: () => !isBusy })
      await scene.clock.advance(30_000)
      assert.deepEqual(scene.read, all)
      isBusy = true
      scene.join('new')
      // The old owner gets an assignment with fewer partitions, and its consumer does not take it up.
      await scene.clock.until(() => (scene.assignments.get('new') ?? 0) > 0)
      await scene.kill('old')
      assert.notDeepEqual(scene.read, all)
      scene.join('old')
      await scene.clock.advance(60_000)
      assert.deepEqual(scene.read, all)
      await scene.close()
    })
})
