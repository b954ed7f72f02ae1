import { randomUUID } from 'node:crypto'
import { Admin } from '@platformatic/kafka'
import type { KafkaLogOptions } from '../../connectors/log/kafka/kafka-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import type { Log, ProducerRecord, ReadOptions } from '../../processor/ports.ts'
import type { LogUnderTest } from '../contract/log.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import type { Row } from './text-program.ts'

type OpenKafka = (options: Omit<KafkaLogOptions, 'processing'>) => Promise<Log>

/** A log on a real cluster. It leaves nothing behind on the cluster. */
export async function kafkaUnderTest(cluster: KafkaCluster, open: OpenKafka): Promise<LogUnderTest> {
  const before = await othersOn(cluster)
  let log = await open(quickOptions(cluster))
  return {
    log,
    clock: realClock,
    retentionElsewhere: 'Kafka’s brokers see to the retention of records, by whole segments',
    async reopen() {
      await log.close()
      log = await open(quickOptions(cluster))
      return log
    },
    async close() {
      await log.close()
      await clear(cluster, before)
    },
  }
}

/** Options for rebalances that are as quick as tests need. */
export function quickOptions(cluster: Pick<KafkaCluster, 'brokers'>): Omit<KafkaLogOptions, 'processing'> {
  return {
    brokers: cluster.brokers,
    clientId: 'waggle-test',
    clock: systemClock,
    random: new SystemRandom(),
    maxRecordBytes: 4 * 1024 * 1024,
    heartbeatIntervalMs: 50,
    sessionTimeoutMs: 6000,
  }
}

interface Names {
  readonly topics: ReadonlySet<string>
  readonly groups: ReadonlySet<string>
}

/** Topics and groups on the cluster that do not belong to this test. */
async function othersOn(cluster: KafkaCluster): Promise<Names> {
  if (cluster.nodes.length > 0) return { topics: new Set(), groups: new Set() }
  return withAdmin(cluster, async (admin) => ({
    topics: new Set(await admin.listTopics()),
    groups: new Set((await admin.listGroups({})).keys()),
  }))
}

async function clear(cluster: KafkaCluster, before: Names): Promise<void> {
  await withAdmin(cluster, async (admin) => {
    const topics = (await admin.listTopics()).filter((topic) => !before.topics.has(topic))
    if (topics.length > 0) await admin.deleteTopics({ topics })
    // An empty group with static members still belongs to its application for a while.
    const emptied = [...(await admin.listGroups({}))].filter(([, { state }]) => state.toLowerCase() === 'empty')
    const groups = emptied.map(([group]) => group).filter((group) => !before.groups.has(group))
    if (groups.length > 0) await admin.deleteGroups({ groups })
    // Some brokers learn of a new topic later than the broker that created it.
    for (;;) {
      const left = await admin.listTopics()
      if (!topics.some((topic) => left.includes(topic))) return
    }
  })
}

async function withAdmin<T>(cluster: KafkaCluster, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({ clientId: 'waggle-test-admin', bootstrapBrokers: [...cluster.brokers] })
  try {
    return await work(admin)
  } finally {
    await admin.close()
  }
}

const realClock = {
  now: () => systemClock.now(),
  advance: (ms: number) => new Promise<void>((resolve) => void systemClock.after(ms, resolve)),
  settle: () => new Promise<void>((resolve) => setImmediate(resolve)),
}

/** A new name that was not used before. */
export function newName(kind: string): string {
  return `${kind}-${randomUUID()}`
}

export function record(topic: string, partition: number, value: string): ProducerRecord {
  return { topic, partition, key: null, value: Buffer.from(value), headers: [], timestamp: 1 }
}

export async function valuesBetween(log: Log, range: ReadOptions): Promise<readonly string[]> {
  const values: string[] = []
  for await (const { records } of log.read(range)) {
    for (const { value } of records) values.push(Buffer.from(value instanceof Uint8Array ? value : []).toString())
  }
  return values
}

/** Sends a row to partition 0 and returns its offset. */
export async function sendRow(log: Log, [topic, key, value, timestamp = 0]: Row): Promise<number> {
  const producer = await log.producer()
  const bytes = (of: string | null) => (of === null ? null : Buffer.from(of))
  const { offset } = await producer.send({ topic, partition: 0, key: bytes(key), value: bytes(value), timestamp, headers: [] })
  await producer.close()
  return offset
}

/** All records of partition 0, in the form of `TextProgram`. */
export async function outputsIn(log: Log, topic: string): Promise<readonly string[]> {
  const found: string[] = []
  const offsets = (await log.topic(topic))?.offsets[0]
  // The last stable offset may not include a new commit for a moment.
  const end = offsets?.written ?? offsets?.end ?? 0
  for await (const { records } of log.read({ topic, partition: 0, from: 0, to: end })) {
    for (const { key, value, timestamp } of records) found.push(`${key}:${value}@${timestamp}`)
  }
  return found
}

/** Removes members of a group, as an operator does with hanging members. */
export async function dismissMembers(cluster: KafkaCluster, group: string): Promise<void> {
  await withAdmin(cluster, async (admin) => {
    const described = await admin.describeGroups({ groups: [group] })
    const members = [...(described.get(group)?.members.values() ?? [])].map(({ id }) => ({ memberId: id }))
    await admin.removeMembersFromConsumerGroup({ groupId: group, members })
  })
}

export async function deleteRecords(
  cluster: KafkaCluster,
  { topic, partition, before }: { topic: string; partition: number; before: number },
): Promise<void> {
  await withAdmin(cluster, (admin) => admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition, offset: BigInt(before) }] }] }))
}

/** Deletes a topic. Settles when every broker knows of the deletion, so that a topic of the same name can be created. */
export async function deleteTopic(cluster: KafkaCluster, name: string): Promise<void> {
  await withAdmin(cluster, async (admin) => {
    await admin.deleteTopics({ topics: [name] })
    while ((await admin.listTopics()).includes(name)) await realClock.advance(20)
  })
}

export async function createTopic(cluster: KafkaCluster, name: string, settings: { readonly [name: string]: string }): Promise<void> {
  const configs = Object.entries(settings).map(([setting, value]) => ({ name: setting, value }))
  await withAdmin(cluster, (admin) => admin.createTopics({ topics: [name], partitions: 1, configs }))
}
