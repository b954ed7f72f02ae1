import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Cluster } from '../../../../../connectors/log/kafka/cluster/cluster.ts'
import type { ClusterAnswer, KafkaClient } from '../../../../../connectors/log/kafka/cluster/kafka-client.ts'
import { SimulatedClock } from '../../../../../processor/simulation/simulated-clock.ts'
import { SimulatedRandom } from '../../../../../processor/simulation/simulated-random.ts'

const unknownTopic = 3
const brokers = [1, 2, 3].map((id) => ({ id, host: 'broker', port: id }))

describe('The cached metadata of a Kafka cluster', () => {
  it('keeps a topic’s partition count while a broker temporarily does not know the topic, and forgets deleted topics', async () => {
    const scene = new Scene()
    scene.there.add('words')
    await scene.cluster.refresh(['words'])
    scene.there.delete('words')
    await scene.cluster.refresh()
    assert.deepEqual([scene.cluster.partitionsOf('words'), scene.cluster.lastPartitionsOf('words')], [null, 4])
    await scene.clock.advance(4000)
    await scene.cluster.refresh()
    assert.equal(scene.cluster.lastPartitionsOf('words'), 0)
    await scene.cluster.refresh()
    assert.deepEqual(scene.asked.at(-1)?.topics, [], 'it is not asked for any more')
  })

  it('is requested for a new topic even during a request for other topics', async () => {
    const scene = new Scene()
    for (const topic of ['one', 'two']) scene.there.add(topic)
    const one = scene.cluster.refresh(['one'])
    const two = [scene.cluster.refresh(['two']), scene.cluster.refresh(['two'])]
    await Promise.all([one, ...two])
    assert.equal(scene.cluster.partitionsOf('two'), 4)
    assert.deepEqual(
      scene.asked.map(({ topics }) => topics),
      [['one'], ['one', 'two']],
    )
  })

  it('is requested from each broker in turn', async () => {
    const scene = new Scene()
    for (let round = 0; round < 5; round++) await scene.cluster.refresh()
    const [first, ...then] = scene.asked.map(({ port }) => port)
    assert.equal(first, 9, 'the one that was named')
    assert.deepEqual(then, [1, 2, 3, 1])
  })
})

/** Brokers that report which topics exist. */
class Scene {
  readonly clock = new SimulatedClock()
  readonly there = new Set<string>()
  readonly asked: { readonly port: number; readonly topics: readonly string[] | null }[] = []
  readonly cluster: Cluster

  constructor() {
    const metadata: KafkaClient['metadata'] = async ({ broker }, topics) => {
      this.asked.push({ port: broker.port, topics })
      return { brokers, controller: 1, topics: (topics ?? []).map((name) => this.#answer(name)) }
    }
    this.cluster = new Cluster({
      brokers: [{ host: 'broker', port: 9 }],
      client: { metadata } as KafkaClient,
      clock: this.clock,
      random: new SimulatedRandom(1),
    })
  }

  #answer(name: string): ClusterAnswer['topics'][number] {
    const isThere = this.there.has(name)
    const partitions = [0, 1, 2, 3].map((partition) => ({ partition, leader: 1, epoch: 0, replicas: 1 }))
    return { name, id: name, isInternal: false, errorCode: isThere ? 0 : unknownTopic, partitions: isThere ? partitions : [] }
  }
}
