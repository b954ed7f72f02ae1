import type { ReplicaCounts } from '../../bees/replicas/replicas.ts'
import type { AnsweredRequest } from '../../connectors/gateway/http/http-gateway.ts'
import type { GpuReading } from '../../connectors/system/nvidia-gpus.ts'
import type { Application } from '../../processor/application/application.ts'
import type { Metric } from '../../processor/metrics/meters.ts'
import { joinWaiting } from '../../processor/metrics/task-meters.ts'
import type { Clock, Log } from '../../processor/ports.ts'
import type { PartLog } from '../../processor/swarm/part-log.ts'
import type { SynchronousMeters } from '../../processor/swarm/synchronous-meters.ts'
import { lostRecordsTotal } from '../../processor/thread/skipped-records.ts'
import { deadLetterTopic } from '../../topology/topic-names.ts'
import { type ModelSwarm, RunningModels } from '../inspection/running-models.ts'
import { metricsOf } from '../streams/application-metrics.ts'
import { beeFamilies, partFamilies, synchronousFamilies } from './bee-families.ts'
import { claimFamilies, type MeasuredClaims } from './claim-families.ts'
import { engineFamilies } from './engine-families.ts'
import { exposition, type Family, type Labels, type MetricsFormat, type Sample } from './exposition.ts'
import { gpuFamilies } from './gpu-families.ts'
import { logFamilies } from './log-families.ts'
import { family, type MetricName } from './metric-table.ts'
import { modelFamilies } from './model-families.ts'
import { ProcessMeters } from './process-meters.ts'
import { replicaFamilies } from './replica-families.ts'
import { RequestMeters } from './request-meters.ts'

export interface TelemetryOptions {
  readonly clock: Clock
  readonly swarms: readonly MeasuredSwarm[]
  readonly log?: Pick<Log, 'storage'>
  /** Undefined: the process has no claim store. */
  readonly claims?: MeasuredClaims
  /** The GPUs of this machine. */
  readonly gpus?: { readonly readings: readonly GpuReading[] }
  /** The definitions that a server follows. */
  readonly definitions?: { readonly skippedRecords: number }
  /** Tells how far the clock is behind the clock of another server, in ms; null where no other server shares the log. */
  readonly requests?: { readonly clockBehindMs: number | null }
}

interface MeasuredSwarm {
  readonly plan: { readonly swarm: string; readonly applicationId: string }
  readonly application: Application
  /** The reason why the process is not ready; null while it is ready. */
  readonly notReady: string | null
  readonly models: ModelSwarm['models']
  readonly replicas: readonly ({ readonly bee: string } & ReplicaCounts)[]
  readonly synchronousMeters: SynchronousMeters
  readonly publishedParts: PartLog['published']
}

/**
 * All metrics of this process, for `GET /metrics` and for OpenTelemetry. They are read without a call to another process, so they are available even
 * while the log is unreachable.
 */
export class Telemetry {
  readonly #options: TelemetryOptions
  readonly #requests: RequestMeters
  readonly #process: ProcessMeters

  constructor(options: TelemetryOptions) {
    this.#options = options
    this.#requests = new RequestMeters(options.clock)
    this.#process = new ProcessMeters(options.clock.now())
  }

  close(): void {
    this.#process.close()
  }

  answered(request: AnsweredRequest): void {
    this.#requests.answered(request)
  }

  /** The metrics in a format of Prometheus. */
  text(format: MetricsFormat): string {
    return exposition(this.families(), format)
  }

  families(): readonly Family[] {
    const now = this.#options.clock.now()
    const swarms = this.#options.swarms.map((swarm) => ({
      ...swarm,
      name: swarm.plan.swarm,
      isReady: swarm.notReady === null,
      metrics: metricsOf({ applicationId: swarm.plan.applicationId, processId: '' }, swarm.application, now),
    }))
    const ofSwarms = (name: MetricName, value: (swarm: (typeof swarms)[number]) => number): Family =>
      family(
        name,
        swarms.map((swarm) => ({ labels: { swarm: swarm.name }, value: value(swarm) })),
      )
    return [
      ...this.#requests.families,
      ofSwarms('waggle_swarm_ready', ({ isReady }) => (isReady ? 1 : 0)),
      ofSwarms('waggle_swarm_tasks', ({ application }) => application.threads.tasks.length),
      ofSwarms('waggle_swarm_records_in_hand', ({ application }) => application.threads.recordsInHand),
      ofSwarms('waggle_swarm_waiting_records', ({ metrics }) => sumOf(metrics, 'consumer-fetch-manager-metrics', 'records-lag')),
      ofSwarms('waggle_swarm_processed_records_total', ({ metrics }) => sumOf(metrics, 'stream-thread-metrics', 'process-total')),
      ofSwarms('waggle_swarm_uncommitted_seconds', ({ application }) => application.threads.uncommittedMs / 1000),
      ofSwarms('waggle_swarm_failures_total', ({ application }) => application.threads.failed),
      ofSwarms('waggle_swarm_restore_remaining_records', ({ application }) => application.recordsToRestore),
      ofSwarms('waggle_swarm_restored_records_total', ({ application }) => application.restoredRecords),
      family(
        'waggle_swarm_dead_letters_total',
        swarms.flatMap((swarm) => deadLetters(swarm)),
      ),
      family(
        'waggle_join_pending',
        swarms.flatMap(({ name, metrics }) => pendingJoins(name, metrics)),
      ),
      ...beeFamilies(
        swarms.flatMap(({ name, application }) =>
          application.threads.here.flatMap((thread) =>
            [...thread.callMeters].map(([bee, calls]) => ({ swarm: name, bee, threadId: thread.name, calls })),
          ),
        ),
      ),
      ...synchronousFamilies(swarms.map(({ name, synchronousMeters }) => ({ swarm: name, meters: synchronousMeters }))),
      ...partFamilies(swarms.map(({ name, publishedParts }) => ({ swarm: name, published: publishedParts }))),
      ...replicaFamilies(this.#options.swarms.flatMap(({ plan, replicas }) => replicas.map((counts) => ({ swarm: plan.swarm, ...counts })))),
      ...modelFamilies(new RunningModels(this.#options.swarms).list()),
      ...gpuFamilies(this.#options.gpus?.readings ?? []),
      ...logFamilies(this.#options.log?.storage),
      ...claimFamilies(this.#options.claims),
      family(
        'waggle_swarm_lost_records_total',
        swarms.flatMap((swarm) => lostRecords(swarm)),
      ),
      ...this.#definitions,
      ...this.#clocks,
      ...this.#process.families,
      ...engineFamilies(swarms.flatMap(({ metrics }) => metrics.filter(({ name }) => name !== joinWaiting))),
    ]
  }

  get #clocks(): readonly Family[] {
    const behindMs = this.#options.requests?.clockBehindMs ?? null
    return behindMs === null ? [] : [family('waggle_clock_behind_seconds', [{ labels: {}, value: behindMs / 1000 }])]
  }

  get #definitions(): readonly Family[] {
    const { definitions } = this.#options
    if (definitions === undefined) return []
    return [family('waggle_definitions_skipped_records_total', [{ labels: {}, value: definitions.skippedRecords }])]
  }
}

/** The sum of a metric over all threads and partitions of a swarm in this process. An unknown value counts as 0. */
function sumOf(metrics: readonly Metric[], group: string, name: string): number {
  return metrics.reduce((sum, one) => (one.group === group && one.name === name && one.value > 0 ? sum + one.value : sum), 0)
}

/** A swarm with the metrics of its engine. */
interface ReadSwarm {
  readonly name: string
  readonly application: Pick<Application, 'threads'>
  readonly metrics: readonly Metric[]
}

/**
 * Lost records by partition. Each input of each open task has a series from the start, because an alert on an increase does not see a series that
 * begins with a count.
 */
function lostRecords({ name: swarm, application, metrics }: ReadSwarm): readonly Sample[] {
  const counts = new Counts()
  for (const { name: thread_id, tasks } of application.threads.here)
    for (const { topic, partition } of tasks.flatMap(({ inputs }) => inputs)) counts.add({ swarm, thread_id, topic, partition: String(partition) }, 0)
  for (const { name, tags, value } of metrics) {
    if (name !== lostRecordsTotal) continue
    counts.add({ swarm, thread_id: tags['thread-id'] ?? '', topic: tags.topic ?? '', partition: tags.partition ?? '' }, value)
  }
  return counts.samples
}

/** The number of requests that wait in joins. The name of a join's node is the name of its bee with a suffix. */
function pendingJoins(swarm: string, metrics: readonly Metric[]): readonly Sample[] {
  return metrics.flatMap(({ name, tags, value }) => {
    if (name !== joinWaiting) return []
    const bee = (tags['processor-node-id'] ?? '').replace(/\.join$/, '')
    return [{ labels: { swarm, bee, thread_id: tags['thread-id'] ?? '', task_id: tags['task-id'] ?? '' }, value }]
  })
}

/**
 * Dead letters of bees, and of records that a handler skipped. Each task and thread has its own series, because a sum would fall when a task moves to
 * another process. Each open task has a series before its first dead letter, for the same reason as lost records.
 */
function deadLetters({ name: swarm, application, metrics }: ReadSwarm): readonly Sample[] {
  const topic = deadLetterTopic(swarm)
  const counts = new Counts()
  for (const { name: thread_id, tasks } of application.threads.here) for (const { id: task_id } of tasks) counts.add({ swarm, thread_id, task_id }, 0)
  for (const { name, tags, value } of metrics) {
    const isLetter = name === 'dead-letters-total' || (name === 'records-produced-total' && tags.topic === topic)
    if (isLetter) counts.add({ swarm, thread_id: tags['thread-id'] ?? '', task_id: tags['task-id'] ?? '' }, value)
  }
  return counts.samples
}

/** Sums of counts, one for each set of labels. */
class Counts {
  readonly #samples = new Map<string, { readonly labels: Labels; value: number }>()

  add(labels: Labels, value: number): void {
    const key = JSON.stringify(labels)
    const sample = this.#samples.get(key) ?? { labels, value: 0 }
    this.#samples.set(key, sample)
    sample.value += value
  }

  get samples(): readonly Sample[] {
    return [...this.#samples.values()]
  }
}
