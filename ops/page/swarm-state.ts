import type { Application } from '../../processor/application/application.ts'
import type { Task } from '../../processor/task/task.ts'
import { isFields } from '../../topology/fields.ts'
import type { Topology } from '../../topology/graph.ts'
import type { KeyValue } from '../../topology/record.ts'
import type { PageSwarmState } from '../../topology/swarm/page.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'

/** The part of an application through which this file reads stores. */
export interface OpenStores<T = Pick<Task, 'store'>> {
  readonly threads: { readonly here: readonly { readonly tasks: readonly T[] }[] }
}

/** The unprocessed records of each partition that this process reads, with the first bee of the sub-topology that reads the partition. */
export function lagsOf({ subtopologies, bees }: SwarmPlan, { threads }: Application): PageSwarmState['lags'] {
  // The page draws no batches: each bee that reads a batch contains it.
  const batches = new Set(bees.flatMap(({ name, type }) => (type.role === 'batch' ? [name] : [])))
  return threads.here.flatMap((thread) =>
    thread.lags.flatMap(({ tags, value }) => {
      const { topic = '', partition = '', 'task-id': task = '' } = tags
      const readers = subtopologies.filter(({ sources }) => sources.includes(topic))
      // Several sub-topologies may read a topic. The id of a task begins with the number of its sub-topology.
      const reader = readers.length === 1 ? readers[0] : readers.find(({ id }) => task.startsWith(`${id}_`))
      const bee = reader?.bees.find((name) => !batches.has(name))
      return bee === undefined ? [] : [{ bee, topic, partition: Number(partition), records: value }]
    }),
  )
}

/** The requests that wait in joins and merges of this process. */
export function pendingJoins({ subtopologies }: Pick<SwarmPlan, 'subtopologies'>, application: OpenStores): PageSwarmState['joins'] {
  return subtopologies.flatMap(({ steps }) =>
    steps.flatMap((step) => {
      if (step.kind !== 'join' && step.kind !== 'merge') return []
      // A join keeps the entry of a finished request if a repeated record may arrive.
      const { entries, is_cut } = entriesOf(step.store, application, (entry) => !(isFields(entry) && entry.sent === true))
      return [{ bee: step.bee, waits_for: step.inputs.map(({ name }) => name), pending: entries, is_cut }]
    }),
  )
}

export function storesOf(
  plan: SwarmPlan,
  topology: Topology,
  application: OpenStores<Pick<Task, 'store' | 'committedSize'>>,
): PageSwarmState['stores'] {
  return topology.subtopologies().flatMap(({ stores }) =>
    stores.map(({ name, kind }) => ({
      name,
      kind,
      bees: plan.subtopologies.find((one) => one.stores.includes(name))?.bees ?? [],
      ...entriesOf(name, application),
      ...committedBytes(name, application),
    })),
  )
}

/** The bytes of a store's rows, over all tasks of this process, as of their last commits. It reads at most `maxRead` rows. */
function committedBytes(
  store: string,
  { threads }: OpenStores<Pick<Task, 'committedSize'>>,
): { readonly bytes: number; readonly bytes_are_cut: boolean } {
  let [bytes, left] = [0, maxRead]
  for (const { tasks } of threads.here)
    for (const task of tasks) {
      const size = task.committedSize(store, left)
      if (size === null) continue
      bytes += size.bytes
      left -= size.rows
      if (size.isCut) return { bytes, bytes_are_cut: true }
    }
  return { bytes, bytes_are_cut: false }
}

/**
 * Counts the entries of a store, over all tasks of this process. It reads at most `maxRead` entries, including entries that do not count. The limit
 * is needed because a join can keep millions of finished entries, and nothing else runs while they are read.
 */
function entriesOf(
  store: string,
  { threads }: OpenStores,
  counts: (value: unknown) => boolean = () => true,
): { readonly entries: number; readonly is_cut: boolean } {
  let [entries, read] = [0, 0]
  for (const thread of threads.here)
    for (const task of thread.tasks) {
      const own = task.store(store)
      if (own === null || !('all' in own) || typeof own.all !== 'function') continue
      for (const [, value] of own.all() as Iterable<KeyValue<unknown, unknown>>) {
        if (read++ === maxRead) return { entries, is_cut: true }
        if (counts(value)) entries++
      }
    }
  return { entries, is_cut: false }
}

const maxRead = 2000
