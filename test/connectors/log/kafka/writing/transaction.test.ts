import assert from 'node:assert/strict'
import { afterEach, beforeEach, it } from 'node:test'
import { type API, addPartitionsToTxnV3, FeatureUpgradeTypes, initProducerIdV4, updateFeaturesV1 } from '@platformatic/kafka'
import { mainLane } from '../../../../../connectors/log/kafka/cluster/cluster.ts'
import { type Broker, Connections, type Lane } from '../../../../../connectors/log/kafka/cluster/connections.ts'
import { PlatformaticClient } from '../../../../../connectors/log/kafka/cluster/platformatic-client.ts'
import { openKafkaLog, openLogOn } from '../../../../../connectors/log/kafka/kafka-log.ts'
import type { Log, TaskProducer } from '../../../../../processor/ports.ts'
import { describeWithKafka, type KafkaCluster } from '../../../../support/kafka-cluster.ts'
import { newName, quickOptions, record, valuesBetween } from '../../../../support/kafka-log.ts'

const settings = () => ({ 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '50' })

describeWithKafka('A transaction on Kafka', { settings }, (cluster) => {
  let log: Log
  let topic: string
  let group: string

  beforeEach(async () => {
    log = await openKafkaLog({ ...quickOptions(cluster()), processing: 'exactly_once', transactionTimeoutMs: 3000 })
    topic = newName('topic')
    group = newName('group')
    await log.createTopics([{ name: topic, partitions: 1, cleanup: 'delete', retentionMs: null }])
  })

  afterEach(() => log.close())

  /** Makes a transaction time out: the broker has aborted it, and readers skip its records. */
  const tooLate = async () => {
    const producer = await log.taskProducer({ group })
    producer.append(record(topic, 0, 'too late'))
    for (let end = 0; end < 2; ) end = (await log.topic(topic))?.offsets[0]?.end ?? 0
    return producer
  }

  const expectGoesOn = async (producer: TaskProducer) => {
    producer.append(record(topic, 0, 'again'))
    const { ends } = await producer.commit({ positions: [], state: [] })
    assert.deepEqual(await valuesBetween(log, { topic, partition: 0, from: 0, to: ends[0]?.offset ?? 0 }), ['again'])
  }

  it('is aborted by the broker after its timeout, and the next transaction succeeds', async () => {
    const producer = await tooLate()
    await producer.abort()
    await expectGoesOn(producer)
  })

  for (const when of ['before', 'after'] as const) {
    it(`leaves no records in the next transaction if it is aborted while a partition is added and the broker responds ${when} the abort`, async () => {
      const connections = new Held(when)
      const own = await openLogOn(new PlatformaticClient(connections), {
        ...quickOptions(cluster()),
        processing: 'exactly_once',
        transactions: connections,
      })
      try {
        const producer = await own.taskProducer({ group })
        producer.append(record(topic, 0, 'dropped'))
        await connections.asked.promise
        await producer.abort()
        connections.released.resolve()
        await connections.told.promise
        await expectGoesOn(producer)
      } finally {
        connections.released.resolve()
        await own.close()
      }
    })
  }

  // This test is the last test, because it changes the brokers.
  it('is aborted by its own producer on brokers before KIP-890, and the producer continues', async () => {
    await goBeforeKip890(cluster())
    const own = await openKafkaLog({ ...quickOptions(cluster()), processing: 'exactly_once' })
    try {
      const producer = await own.taskProducer({ group })
      for (let round = 0; round < 5; round++) {
        producer.append(record(topic, 0, 'dropped'))
        while (own.load.pendingBytes > 0) await own.topic(topic)
        await producer.abort()
      }
      await expectGoesOn(producer)
    } finally {
      await own.close()
    }
  })

  it('ends its producer if it times out on brokers before KIP-890, and another producer continues', async () => {
    await goBeforeKip890(cluster())
    const producer = await tooLate()
    await assert.rejects(producer.abort(), { code: 'WAGGLE_FENCED' })
    await assert.rejects(producer.commit({ positions: [{ topic, partition: 0, offset: 1, metadata: '' }], state: [] }), { code: 'WAGGLE_FENCED' })
    await expectGoesOn(await log.taskProducer({ group }))
  })
})

/** Holds back the response to a partition's enlistment until the transaction has been aborted, or is about to be aborted. */
class Held extends Connections {
  readonly asked = Promise.withResolvers<void>()
  readonly released = Promise.withResolvers<void>()
  readonly told = Promise.withResolvers<void>()
  readonly #when: 'before' | 'after'

  constructor(when: 'before' | 'after') {
    super({ clientId: 'waggle-test' })
    this.#when = when
  }

  override async call<A extends unknown[], R>(lane: Lane, broker: Broker, api: API<A, R>, ...args: A): Promise<R> {
    const answer = await super.call(lane, broker, api, ...args)
    const name: unknown = api
    if (name === addPartitionsToTxnV3.api) {
      this.asked.resolve()
      await this.released.promise
      setImmediate(() => this.told.resolve())
    } else if (name === initProducerIdV4.api && args[2] !== -1n && this.#when === 'before') {
      this.released.resolve()
      await this.told.promise
    }
    return answer
  }
}

async function goBeforeKip890({ brokers }: KafkaCluster): Promise<void> {
  const connections = new Connections({ clientId: 'waggle-test' })
  const [host = '', port] = brokers[0]?.split(':') ?? []
  const wanted = [{ feature: 'transaction.version', maxVersionLevel: 0, upgradeType: FeatureUpgradeTypes.SAFE_DOWNGRADE }]
  const answer = await connections.call(mainLane, { host, port: Number(port) }, updateFeaturesV1.api, 10_000, wanted, false)
  assert.equal(answer.errorCode, 0, answer.errorMessage ?? '')
  await connections.close()
}
