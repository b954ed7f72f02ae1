import type { EmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { bytesIn, type ChangelogRecord, type Clock, type Log, type Position, type Producer, type TopicPartition } from '../../processor/ports.ts'
import { Changelog } from '../../processor/state/changelog.ts'
import { changelogTopics } from '../../processor/state/changelog-topics.ts'
import { isLogged } from '../../processor/state/task-store.ts'
import { moveNote } from '../../processor/task/position-note.ts'
import type { KeptStore } from '../../topology/state-store.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import type { TopicSpec } from '../../topology/topic.ts'
import { changelogTopic } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { readersOf, topologyOf } from '../beekeeper/swarm-holdings.ts'

export interface MigrationOptions {
  readonly from: EmbeddedLog
  /** The cluster. It must not have topics or groups of these names. */
  readonly to: Log
  readonly clock: Clock
  /** The swarms of the log, with their plans for a cluster. */
  readonly plans: readonly SwarmPlan[]
  readonly onProgress: (topic: string) => void
}

/** The parts that are moved from an embedded log to a cluster. */
export interface Migration {
  readonly topics: readonly string[]
  readonly groups: readonly string[]
  readonly records: number
  /** The number of rows of state, which become records of changelogs. */
  readonly rows: number
}

/** The positions of a group. */
interface GroupPlaces {
  readonly group: string
  readonly places: readonly (TopicPartition & Position)[]
}

/** A store of one task, with its future changelog. */
interface MovedStore {
  readonly task: string
  readonly partition: number
  readonly store: KeptStore
  readonly changelog: string
}

/**
 * Copies topics, positions and state of an embedded log to a cluster. The embedded log stays unchanged. Offsets start at 0 on the cluster, so
 * positions are translated to the offsets of the same records. State becomes changelogs, from which each process reads its state. Throws
 * WAGGLE_MIGRATION for parts that cannot be moved, before anything is written.
 */
export async function migrate(options: MigrationOptions): Promise<Migration> {
  const { from, to, clock, plans, onProgress } = options
  const specs = await topicsOf(from)
  const stores = plans.flatMap((plan) => storesOf(from, plan))
  const { groups: names, applications } = from.holdings()
  const unknown = applications.filter((id) => !plans.some(({ applicationId }) => applicationId === id))
  if (unknown.length > 0)
    throw cannotMove(`the state of ${unknown.join(', ')}`, 'Name the swarm file of each. A program of the DSL builds its state anew from its topics.')
  const positions = names.map((group) => ({ group, places: from.positionsOf(group) }))
  // A group that exists only on a cluster begins at the position of the swarm's other readers of the topic, or at the end of the topic.
  const ids = plans.map(({ applicationId }) => applicationId)
  const added = (await Promise.all(plans.map((plan) => newPositions(from, plan, positions, ids)))).flat()
  for (const one of [...positions, ...added]) await refuseOldBacklog(from, one, clock)
  const changelogs = plans.flatMap((plan) =>
    changelogTopics(plan.applicationId, topologyOf(plan).subtopologies(), (topic) => specs.find(({ name }) => name === topic)?.partitions ?? 1),
  )
  await expectNothing(
    to,
    [...specs, ...changelogs].map(({ name }) => name),
  )
  await to.createTopics([...specs, ...changelogs])
  const producer = await to.producer()
  let [records, rows] = [0, 0]
  const kept = new Map<string, readonly number[]>()
  try {
    for (const { name, partitions } of specs) {
      onProgress(name)
      for (let partition = 0; partition < partitions; partition++) {
        const offsets = await copyRecords(from, producer, { topic: name, partition })
        kept.set(`${partition} ${name}`, offsets)
        records += offsets.length
      }
    }
    for (const one of stores) rows += await copyRows(from, producer, one, clock)
  } finally {
    await producer.close()
  }
  const moved = (place: TopicPartition & Position) => movedPosition(place, kept.get(`${place.partition} ${place.topic}`) ?? [])
  const groups = new Set<string>()
  for (const { group, places } of [...positions, ...added]) {
    await to.setPositions?.(group, places.map(moved))
    groups.add(group)
  }
  return { topics: [...specs, ...changelogs].map(({ name }) => name), groups: [...groups], records, rows }
}

async function topicsOf(from: EmbeddedLog): Promise<readonly TopicSpec[]> {
  const specs: TopicSpec[] = []
  for (const name of await from.topics()) {
    const info = await from.topic(name)
    if (info === null) continue
    const { partitions, cleanup, retentionMs, retentionBytes = null } = info
    specs.push({ name, partitions, cleanup, retentionMs, retentionBytes })
  }
  return specs
}

function storesOf(from: EmbeddedLog, plan: SwarmPlan): readonly MovedStore[] {
  const known = new Map(
    topologyOf(plan)
      .subtopologies()
      .flatMap(({ stores }) => stores.map((store) => [store.name, store] as const)),
  )
  return from.storesOf(plan.applicationId).flatMap(({ task, partition, store: name }) => {
    // Skips internal entries: notes about the layouts of stores, and numbers beside the rows, which the positions contain too.
    if (!/^\d+$/.test(partition) || name.startsWith('.')) return []
    const store = known.get(name)
    if (store === undefined || store.kind === 'custom' || store.kind === 'versioned')
      throw cannotMove(`the state ${name} of ${plan.swarm}`, 'Remove its bee first, or let the swarm begin anew on the cluster.')
    if (!isLogged(store)) return []
    return [{ task, partition: Number(partition), store, changelog: changelogTopic(plan.applicationId, name) }]
  })
}

/** Copies the records of a partition in their order, and returns their offsets. */
async function copyRecords(from: EmbeddedLog, producer: Producer, place: TopicPartition): Promise<readonly number[]> {
  const offsets: number[] = []
  const [{ start, end } = { start: 0, end: 0 }] = ((await from.topic(place.topic))?.offsets ?? []).slice(place.partition)
  if (start >= end) return offsets
  for await (const { records } of from.read({ ...place, from: start, to: end })) {
    const sent: Promise<unknown>[] = []
    for (const { offset, timestamp, key, value, headers } of records) {
      offsets.push(offset)
      sent.push(producer.send({ ...place, timestamp, key, value: bytesIn(value), headers }))
    }
    await Promise.all(sent)
  }
  return offsets
}

async function copyRows(from: EmbeddedLog, producer: Producer, { task, partition, store, changelog }: MovedStore, clock: Clock): Promise<number> {
  const format = new Changelog(store)
  let rows = 0
  let sent: Promise<unknown>[] = []
  const send = ({ key, value, timestamp, headers }: ChangelogRecord) => producer.send({ topic: changelog, partition, key, value, timestamp, headers })
  for (const [key, value] of from.state.open(task, store.name).range(null, null)) {
    const record = format.recordOf([key, value, clock.now()])
    if (record === null) continue
    sent.push(send(record))
    rows++
    if (sent.length < maxInFlight) continue
    await Promise.all(sent)
    sent = []
  }
  await Promise.all(sent)
  return rows
}

async function newPositions(
  from: EmbeddedLog,
  plan: SwarmPlan,
  known: readonly GroupPlaces[],
  applicationIds: readonly string[],
): Promise<readonly GroupPlaces[]> {
  const found: GroupPlaces[] = []
  const ofSwarm = known.filter(({ group }) => applicationOf(group, applicationIds) === plan.applicationId)
  for (const { group, topics } of readersOf(plan)) {
    const own = known.find((one) => one.group === group)?.places ?? []
    const places: (TopicPartition & Position)[] = []
    for (const topic of topics) {
      for (const [partition, { end }] of ((await from.topic(topic))?.offsets ?? []).entries()) {
        const isHere = (place: TopicPartition) => place.topic === topic && place.partition === partition
        if (own.some(isHere)) continue
        const others = ofSwarm.flatMap((one) => one.places.filter(isHere))
        const isRead = ofSwarm.some((one) => one.places.some((place) => place.topic === topic))
        // If the swarm reads the topic, but has read no record of this partition, it starts at the beginning of the partition.
        const offset = others.length > 0 ? Math.min(...others.map((place) => place.offset)) : isRead ? 0 : end
        places.push({ topic, partition, offset, metadata: '' })
      }
    }
    if (places.length > 0) found.push({ group, places })
  }
  return found
}

/**
 * The application of a group. The group's name is the application's id, or begins with the id and a hyphen. Names of swarms may contain hyphens too,
 * so the longest matching id counts. Null for a group of another application.
 */
function applicationOf(group: string, ids: readonly string[]): string | null {
  const fitting = ids.filter((id) => group === id || group.startsWith(`${id}-`))
  return fitting.toSorted((one, other) => other.length - one.length)[0] ?? null
}

/**
 * Refuses a position whose first unread record is close to the retention of the topic. Brokers delete such records even if they are unread; an
 * embedded log keeps them. Half of the retention must remain for the swarm to start on the cluster and to read.
 */
async function refuseOldBacklog(from: EmbeddedLog, { group, places }: GroupPlaces, clock: Clock): Promise<void> {
  for (const { topic, partition, offset } of places) {
    const info = await from.topic(topic)
    const { start, end } = info?.offsets[partition] ?? { start: 0, end: 0 }
    if (info === null || info.retentionMs === null || info.cleanup === 'compact' || offset >= end) continue
    const oldest = await firstTimestamp(from, { topic, partition, from: Math.max(start, offset), to: end })
    if (oldest === null || clock.now() - oldest <= info.retentionMs / 2) continue
    throw cannotMove(
      `records of ${new Date(oldest).toISOString()} in ${topic} that ${group} has not read, and brokers delete them after ${info.retentionMs / 1000} seconds`,
      'Start Waggle without WAGGLE_LOG until it has read them, or start it once with a higher WAGGLE_RETENTION_SECONDS, and keep that on the cluster.',
    )
  }
}

async function firstTimestamp(from: EmbeddedLog, range: TopicPartition & { readonly from: number; readonly to: number }): Promise<number | null> {
  for await (const { records } of from.read(range)) for (const { timestamp } of records) return timestamp
  return null
}

async function expectNothing(to: Log, topics: readonly string[]): Promise<void> {
  const there = new Set(await to.topics())
  const found = topics.filter((name) => there.has(name))
  if (found.length === 0) return
  throw new WaggleError('WAGGLE_MIGRATION_TARGET', {
    message: `The cluster has ${found.length} of the topics already: ${found.slice(0, 5).join(', ')}`,
    next: 'Migrate to a cluster without these topics. If a migration broke off, its topics can be deleted: nothing has run on them.',
  })
}

/** The position of the same record on the cluster. The note of a task with calls in flight contains offsets, which are translated in the same way. */
function movedPosition(place: TopicPartition & Position, offsets: readonly number[]): TopicPartition & Position {
  const offsetOf = (offset: number) => countBelow(offsets, offset)
  return { ...place, offset: offsetOf(place.offset), metadata: moveNote(place.metadata, offsetOf) }
}

/** The number of offsets below a position: the offset of the same record on a log that begins at 0 and has no gaps. */
function countBelow(offsets: readonly number[], position: number): number {
  let [low, high] = [0, offsets.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((offsets[middle] ?? 0) < position) low = middle + 1
    else high = middle
  }
  return low
}

function cannotMove(what: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_MIGRATION', { message: `The embedded log has ${what}, which cannot be moved to a cluster`, next })
}

const maxInFlight = 1000
