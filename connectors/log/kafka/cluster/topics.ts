import type { TopicInfo, TopicSpec } from '../../../../processor/ports.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'
import { alterTopicsRequest, type TopicChange } from '../wire/alter-topics-request.ts'
import { BrokerError, errorName, toWaggleError } from './broker-error.ts'
import { type Cluster, mainLane } from './cluster.ts'
import { edgeOffsets } from './offsets.ts'

export interface NewTopicOptions {
  /** The number of replicas of a new topic. Null: the brokers' default. */
  readonly replicationFactor: number | null
  /** The size limit of a record in a new topic, in bytes. Null: the brokers' default. */
  readonly maxRecordBytes: number | null
}

/** Creates missing topics and checks existing ones. An existing topic gets the wanted retention. Several processes may call this at once. */
export async function createTopics(cluster: Cluster, specs: readonly TopicSpec[], options: NewTopicOptions): Promise<void> {
  if (specs.length === 0) return
  const names = specs.map(({ name }) => name)
  await cluster.retry('Topics cannot be made', async () => {
    await cluster.refresh(names)
    const missing = specs.filter(({ name }) => cluster.partitionsOf(name) === null)
    for (const { name } of missing) refuse(name, cluster.topicError(name))
    if (missing.length > 0) await create(cluster, missing, options)
    await cluster.refresh(names)
    const unseen = specs.find(({ name, partitions }) => Array.from({ length: partitions }, (_, at) => at).some((at) => isUnled(cluster, name, at)))
    if (unseen !== undefined) throw new BrokerError('LEADER_NOT_AVAILABLE', unseen.name)
  })
  const asked = new Set(specs.flatMap((spec) => Object.keys(spec.asked ?? {})))
  const settings = await settingsOf(cluster, names, [...asked])
  const changes: TopicChange[] = []
  for (const spec of specs) {
    const { replicationFactor } = options
    const replicas = replicationFactor === null ? null : (cluster.replicasOf(spec.name).find((count) => count !== replicationFactor) ?? null)
    const found = settings.get(spec.name)
    expectAlike(spec, { partitions: cluster.partitionsOf(spec.name) ?? 0, replicas, replicationFactor, ...found })
    const wanted = found === undefined ? new Map<string, string>() : retentionChanges(spec, found.all)
    if (wanted.size > 0) changes.push({ name: spec.name, settings: wanted })
  }
  await alter(cluster, changes)
}

export async function topicInfo(cluster: Cluster, name: string): Promise<TopicInfo | null> {
  await cluster.retry(`The topic ${name} cannot be looked at`, async () => {
    await cluster.refresh([name])
    const error = cluster.topicError(name)
    if (cluster.partitionsOf(name) === null && error !== 'UNKNOWN_TOPIC_OR_PARTITION') throw new BrokerError(error, name)
  })
  const partitions = cluster.partitionsOf(name)
  if (partitions === null) return null
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition }))
  const [starts, ends, written, settings] = await Promise.all([
    edgeOffsets(cluster, places, 'earliest'),
    edgeOffsets(cluster, places, 'latest'),
    edgeOffsets(cluster, places, 'written'),
    settingsOf(cluster, [name]),
  ])
  const { cleanup = 'delete', retentionMs = null } = settings.get(name) ?? {}
  const offsets = places.map((_, at) => {
    const end = ends[at] ?? 0
    const past = written[at] ?? 0
    return { start: starts[at] ?? 0, end, ...(past > end ? { written: past } : {}) }
  })
  const id = cluster.topicIdOf(name)
  return { name, partitions, cleanup, retentionMs, offsets, ...(id === null ? {} : { id }) }
}

interface TopicSettings {
  readonly cleanup: TopicSpec['cleanup']
  readonly retentionMs: number | null
  readonly all: ReadonlyMap<string, string>
}

async function create(cluster: Cluster, specs: readonly TopicSpec[], { replicationFactor, maxRecordBytes }: NewTopicOptions): Promise<void> {
  const topics = specs.map((spec) => {
    const { name, partitions, cleanup, retentionMs, settings = {}, asked = {} } = spec
    const configs = new Map([
      ['cleanup.policy', cleanup],
      // Brokers must not refuse a record for its timestamp (KIP-937). The timestamp may be the time of an old event, or come from a host with a wrong
      // clock.
      ['message.timestamp.after.max.ms', anyTime],
      ...(cleanup === 'compact' ? [] : [['retention.ms', String(retentionMs ?? -1)] as const]),
      ...bytesSettings(spec),
      ...(maxRecordBytes === null ? [] : [['max.message.bytes', String(maxRecordBytes + batchOverheadBytes)] as const]),
      ...Object.entries(settings),
      ...Object.entries(asked),
    ])
    return {
      name,
      partitions,
      replicationFactor: replicationFactor ?? -1,
      settings: [...configs].map(([setting, value]) => ({ name: setting, value })),
    }
  })
  const controller = cluster.controller
  if (controller === null) throw new BrokerError('NOT_CONTROLLER')
  const answers = await cluster.client.createTopics({ broker: controller, lane: mainLane }, topics)
  for (const { name, errorCode, message } of answers) {
    const error = errorName(errorCode)
    if (errorCode === 0 || error === 'TOPIC_ALREADY_EXISTS') continue
    refuse(name, error, message)
    throw new BrokerError(error, `${name}: ${message ?? ''}`)
  }
}

/** Throws a WaggleError for an error that a retry would not change. */
function refuse(name: string, error: string, detail?: string | null): void {
  if (error === 'INVALID_REPLICATION_FACTOR') {
    throw new WaggleError('WAGGLE_REPLICATION', {
      message: `The topic ${name} cannot be made: ${detail ?? error}`,
      next: 'Ask for no more replicas than there are brokers.',
    })
  }
  if (error === 'INVALID_TOPIC_EXCEPTION' || error.endsWith('_AUTHORIZATION_FAILED')) {
    throw toWaggleError(new BrokerError(error, detail), `The topic ${name} cannot be used`)
  }
}

async function settingsOf(cluster: Cluster, names: readonly string[], more: readonly string[] = []): Promise<ReadonlyMap<string, TopicSettings>> {
  return cluster.retry('The settings of topics cannot be read', async () => {
    const answers = await cluster.ask((at) => cluster.client.describeTopics(at, names, [...new Set([...usualSettings, ...more])]))
    const found = new Map<string, TopicSettings>()
    for (const { name, errorCode, message, settings } of answers) {
      if (errorCode !== 0) throw new BrokerError(errorName(errorCode), message ?? name)
      const cleanup = cleanupOf(settings.get('cleanup.policy') ?? 'delete')
      const retentionMs = Number(settings.get('retention.ms') ?? -1)
      found.set(name, { cleanup, retentionMs: cleanup === 'compact' || retentionMs < 0 ? null : retentionMs, all: settings })
    }
    return found
  })
}

interface Found extends Partial<TopicSettings> {
  readonly partitions: number
  /** The number of replicas of a partition that does not have `replicationFactor` replicas; null if every partition has that number. */
  readonly replicas: number | null
  readonly replicationFactor: number | null
}

function expectAlike(wanted: TopicSpec, { partitions, replicas, replicationFactor, cleanup, retentionMs, all }: Found): void {
  const expect = (isSo: boolean, has: string, where: string) => {
    if (!isSo) throw mismatch(wanted.name, has, where)
  }
  expect(partitions === wanted.partitions, `${partitions} partitions`, `${wanted.partitions} are wanted`)
  expect(replicas === null, `${replicas} replicas (replication factor)`, `${replicationFactor} are wanted`)
  expect(cleanup === undefined || cleanup === wanted.cleanup, `cleanup.policy=${cleanup}`, `${wanted.cleanup} is wanted`)
  for (const [setting, value] of Object.entries(wanted.asked ?? {})) {
    const there = all?.get(setting)
    if (setting !== 'cleanup.policy') expect(there === undefined || there === value, `${setting}=${there}`, `${value} is wanted`)
  }
  if (cleanup === undefined || cleanup === 'compact' || retentionMs === undefined) return
  const { 'retention.ms': asked } = wanted.asked ?? {}
  // A changelog may keep records longer than its store does, but not shorter.
  if (cleanup !== 'compact,delete') return
  const least = asked === undefined ? (wanted.leastRetentionMs ?? 0) : 0
  expect(retentionMs === null || retentionMs >= least, `retention.ms=${retentionMs}`, `its store keeps ${least}`)
}

/** The settings that must change so that an existing topic gets the wanted retention. Settings that the user has named are compared elsewhere. */
function retentionChanges(spec: TopicSpec, there: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const { cleanup, retentionMs, asked = {} } = spec
  if (cleanup !== 'delete') return new Map()
  const wanted = [...(retentionMs === null ? [] : [['retention.ms', String(retentionMs)] as const]), ...bytesSettings(spec)]
  return new Map(wanted.filter(([setting, value]) => asked[setting] === undefined && there.has(setting) && there.get(setting) !== value))
}

/** Kafka's limits hold for each partition, and Kafka deletes only whole segments. So both settings are fractions of the topic's limit. */
function bytesSettings({ retentionBytes = null, partitions }: TopicSpec): readonly (readonly [setting: string, value: string])[] {
  if (retentionBytes === null) return []
  const share = Math.ceil(retentionBytes / partitions)
  const segment = Math.min(maxSegmentBytes, Math.max(minSegmentBytes, Math.floor(share / 4)))
  return [
    ['retention.bytes', String(share)],
    ['segment.bytes', String(segment)],
  ]
}

/** Throws WAGGLE_TOPIC_MISMATCH if the user may not change the settings. */
async function alter(cluster: Cluster, changes: readonly TopicChange[]): Promise<void> {
  if (changes.length === 0) return
  const answers = await cluster.retry('The settings of topics cannot be changed', async () => {
    const controller = cluster.controller
    if (controller === null) throw new BrokerError('NOT_CONTROLLER')
    const got = await cluster.client.raw({ broker: controller, lane: mainLane }, alterTopicsRequest(changes))
    for (const { name, errorCode, message } of got) {
      const error = errorName(errorCode)
      if (errorCode !== 0 && !refusals.has(error)) throw new BrokerError(error, `${name}: ${message ?? ''}`)
    }
    return got
  })
  const refused = answers.find(({ errorCode }) => errorCode !== 0)
  if (refused === undefined) return
  const wanted = [...(changes.find(({ name }) => name === refused.name)?.settings ?? [])].map(([setting, value]) => `${setting}=${value}`).join(', ')
  throw new WaggleError('WAGGLE_TOPIC_MISMATCH', {
    message: `The topic ${refused.name} should have ${wanted}, and brokers refuse the change: ${refused.message ?? errorName(refused.errorCode)}`,
    next: 'Permit AlterConfigs on the topic, or change its setting with kafka-configs.sh.',
  })
}

function mismatch(topic: string, has: string, where: string): WaggleError {
  return new WaggleError('WAGGLE_TOPIC_MISMATCH', {
    message: `The topic ${topic} has ${has}, where ${where}`,
    next: 'Delete the topic, change its setting, or give the application another id.',
  })
}

function cleanupOf(policy: string): TopicSpec['cleanup'] {
  const isCompacted = policy.includes('compact')
  if (isCompacted && policy.includes('delete')) return 'compact,delete'
  return isCompacted ? 'compact' : 'delete'
}

function isUnled(cluster: Cluster, topic: string, partition: number): boolean {
  const count = cluster.partitionsOf(topic)
  // Waiting does not help if the topic has too few partitions. That is a mismatch, and is reported elsewhere.
  return count === null || (partition < count && cluster.leaderOf(topic, partition) === null)
}

const usualSettings = ['cleanup.policy', 'retention.ms', 'retention.bytes', 'segment.bytes']
const refusals: ReadonlySet<string> = new Set(['TOPIC_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED', 'INVALID_CONFIG', 'POLICY_VIOLATION'])
const minSegmentBytes = 1024 * 1024
const maxSegmentBytes = 1024 * 1024 * 1024

const anyTime = String(2n ** 63n - 1n)

/** An upper bound for the bytes that a batch with one record adds to the record. */
const batchOverheadBytes = 1024
