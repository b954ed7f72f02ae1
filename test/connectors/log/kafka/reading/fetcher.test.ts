import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Cluster } from '../../../../../connectors/log/kafka/cluster/cluster.ts'
import type { KafkaClient } from '../../../../../connectors/log/kafka/cluster/kafka-client.ts'
import { FetchedPartition } from '../../../../../connectors/log/kafka/reading/fetched-partition.ts'
import { Fetcher } from '../../../../../connectors/log/kafka/reading/fetcher.ts'
import { WireReader } from '../../../../../connectors/log/kafka/wire/wire.ts'
import { SimulatedClock } from '../../../../../processor/simulation/simulated-clock.ts'
import { SimulatedRandom } from '../../../../../processor/simulation/simulated-random.ts'

describe('A fetcher', () => {
  for (const readers of [4, 5, 9])
    it(`serves ${readers} readers of one partition in turn, although only three requests can be on their way`, async () => {
      const scene = new Scene()
      await scene.cluster.refresh(['words'])
      const fetcher = scene.fetcher()
      // The offset of a request shows which reader it belongs to.
      const offsets = Array.from({ length: readers }, (_, at) => at)
      for (const offset of offsets) {
        const partition = new FetchedPartition('words', 0)
        partition.seek(offset)
        fetcher.add(partition)
      }
      for (let round = 0; round < 10; round++) {
        while (scene.asked.length < readers) await scene.answerOldest()
        assert.deepEqual(scene.asked.splice(0, readers).sort(), offsets)
      }
    })
})

/** A broker that has one partition without records, and responds when the test asks for it. */
class Scene {
  readonly cluster: Cluster
  /** The offset of each request. */
  readonly asked: number[] = []
  readonly #open: (() => void)[] = []

  constructor() {
    const broker = { id: 1, host: 'broker', port: 1 }
    const partitions = [{ partition: 0, leader: 1, epoch: 0, replicas: 1 }]
    const topics = [{ name: 'words', id: 'words', isInternal: false, errorCode: 0, partitions }]
    const client = {
      metadata: async () => ({ brokers: [broker], controller: 1, topics }),
      raw: (_at: unknown, { payload }: { readonly payload: readonly Buffer[] }) => {
        this.asked.push(offsetIn(Buffer.concat(payload)))
        // The broker keeps no session, so each request names its partition.
        return new Promise((resolve) => this.#open.push(() => resolve({ errorCode: 0, session: 0, answers: [] })))
      },
    }
    this.cluster = new Cluster({
      brokers: [{ host: 'broker', port: 1 }],
      client: client as unknown as KafkaClient,
      clock: new SimulatedClock(),
      random: new SimulatedRandom(1),
    })
  }

  fetcher(): Fetcher {
    const nothing = () => {}
    return new Fetcher({
      cluster: this.cluster,
      name: 'test',
      maxBytes: 1024,
      onAnswer: nothing,
      onOutOfRange: nothing,
      onUnreadable: nothing,
      onError: nothing,
      onGone: nothing,
    })
  }

  async answerOldest(): Promise<void> {
    this.#open.shift()?.()
    for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The offset that a fetch request with one partition asks for (Fetch v12). */
function offsetIn(payload: Buffer): number {
  const reader = new WireReader(payload)
  for (let field = 0; field < 4; field++) reader.int32()
  reader.int8()
  reader.int32()
  reader.int32()
  assert.equal(reader.length(), 1)
  reader.text()
  assert.equal(reader.length(), 1)
  reader.int32()
  reader.int32()
  return reader.int64()
}
