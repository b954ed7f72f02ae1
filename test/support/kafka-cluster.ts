import { after, before, describe, it } from 'node:test'
import { brokerJars, type ClusterWish, type KafkaCluster, startBrokers } from '../../ops/bench/kafka-broker/brokers.ts'
import { untilInSync } from '../../ops/bench/kafka-broker/in-sync.ts'

export type { KafkaCluster } from '../../ops/bench/kafka-broker/brokers.ts'

interface TestWish extends ClusterWish {
  /** True: the tests kill nodes or need their own settings, so they never run on an existing cluster. */
  readonly own?: boolean
}

/**
 * Runs tests with a real Kafka: the cluster of `KAFKA_BROKERS`, or else brokers that run during the tests. Without either, the tests are skipped with
 * the reason; in CI they fail.
 */
export function describeWithKafka(name: string, wish: TestWish, tests: (cluster: () => KafkaCluster) => void): void {
  const jars = process.env.KAFKA_BROKERS && !needsOwn(wish) ? null : brokerJars()
  if (jars !== null && 'missing' in jars) {
    describe(name, () => {
      if (process.env.CI === 'true') it('has a Kafka to run against', () => Promise.reject(new Error(jars.missing)))
      else it('has a Kafka to run against', { skip: jars.missing }, () => {})
    })
    return
  }
  describe(name, () => {
    let cluster: KafkaCluster | null = null
    before(async () => {
      cluster = jars === null ? somebodys(process.env.KAFKA_BROKERS ?? '') : await startBrokers(jars.libs, wish)
    })
    tests(() => {
      if (cluster === null) throw new Error('There is no cluster before the tests run')
      return cluster
    })
    // The cluster closes last, because other clean-ups may need it.
    after(() => cluster?.close())
  })
}

function needsOwn({ own, nodes, settings, clientListener }: TestWish): boolean {
  return own === true || nodes === 3 || settings !== undefined || clientListener !== undefined
}

function somebodys(addresses: string): KafkaCluster {
  const brokers = addresses.split(',')
  return { brokers, nodes: [], inSync: () => untilInSync(brokers), close: async () => {} }
}
