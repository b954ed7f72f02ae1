import type { ReplicaCounts } from '../../bees/replicas/replicas.ts'
import type { AnsweredRequest } from '../../connectors/gateway/http/http-gateway.ts'
import type { Application } from '../../processor/application/application.ts'
import type { Metric } from '../../processor/metrics/meters.ts'
import type { Clock, Log } from '../../processor/ports.ts'
import { lostRecordsTotal } from '../../processor/thread/skipped-records.ts'
import { deadLetterTopic } from '../../topology/naming.ts'
import { type ModelSwarm, RunningModels } from '../inspection/running-models.ts'
import { metricsOf } from '../streams/metrics.ts'
import { beeFamilies } from './bee-families.ts'
import { engineFamilies } from './engine-families.ts'
import { exposition, type Family, type Sample } from './exposition.ts'
import { logFamilies } from './log-families.ts'
import { modelFamilies } from './model-families.ts'
import { replicaFamilies } from './replica-families.ts'
import { RequestMeters } from './request-meters.ts'

export interface TelemetryOptions {
  readonly clock: Clock
  readonly swarms: readonly MeasuredSwarm[]
  readonly log?: Pick<Log, 'storage'>
  /** The definitions that a server follows. */
  readonly definitions?: { readonly skippedRecords: number }
}

interface MeasuredSwarm {
  readonly plan: { readonly swarm: string; readonly applicationId: string }
  readonly application: Application
  /** The reason why the process is not ready; null while it is ready. */
  readonly notReady: string | null
  readonly models: ModelSwarm['models']
  readonly replicas: readonly ({ readonly bee: string } & ReplicaCounts)[]
}

/**
 * All metrics of this process, for `GET /metrics`. They are read without a call to another process, so they are available even while the log is not.
 */
export class Telemetry {
  readonly #options: TelemetryOptions
  readonly #requests = new RequestMeters()
  readonly #startedAtMs: number

  constructor(options: TelemetryOptions) {
    this.#options = options
    this.#startedAtMs = options.clock.now()
  }

  answered(request: AnsweredRequest): void {
    this.#requests.answered(request)
  }

  /** The metrics in Prometheus' text format. */
  text(): string {
    const now = this.#options.clock.now()
    const swarms = this.#options.swarms.map((swarm) => ({
      ...swarm,
      name: swarm.plan.swarm,
      isReady: swarm.notReady === null,
      metrics: metricsOf({ applicationId: swarm.plan.applicationId, processId: '' }, swarm.application, now),
    }))
    const gauge = (name: string, help: string, value: (swarm: (typeof swarms)[number]) => number): Family => ({
      name: `waggle_swarm_${name}`,
      help,
      type: 'gauge',
      samples: swarms.map((swarm) => ({ labels: { swarm: swarm.name }, value: value(swarm) })),
    })
    return exposition([
      ...this.#requests.families,
      gauge('ready', '1 where the swarm answers.', ({ isReady }) => (isReady ? 1 : 0)),
      gauge('tasks', 'Tasks of the swarm that run in this process.', ({ application }) => application.threads.tasks.length),
      gauge('records_in_hand', 'Records that wait in this process, in buffers and calls.', ({ application }) => application.threads.recordsInHand),
      {
        name: 'waggle_swarm_waiting_records',
        help: 'Records in topics that wait for the tasks of this process.',
        type: 'gauge',
        samples: swarms.map(({ name, metrics }) => ({
          labels: { swarm: name },
          value: sumOf(metrics, 'consumer-fetch-manager-metrics', 'records-lag'),
        })),
      },
      {
        name: 'waggle_swarm_processed_records_total',
        help: 'Records that the threads of this process have processed.',
        type: 'counter',
        samples: swarms.map(({ name, metrics }) => ({ labels: { swarm: name }, value: sumOf(metrics, 'stream-thread-metrics', 'process-total') })),
      },
      gauge(
        'restore_remaining_records',
        'Of changelogs, to be read before all tasks of this process run.',
        ({ application }) => application.recordsToRestore,
      ),
      {
        name: 'waggle_swarm_restored_records_total',
        help: 'Records of changelogs that were read into state.',
        type: 'counter',
        samples: swarms.map(({ name, application }) => ({ labels: { swarm: name }, value: application.restoredRecords })),
      },
      {
        name: 'waggle_swarm_dead_letters_total',
        help: 'Dead letters that were written, by the task that they are of.',
        type: 'counter',
        samples: swarms.flatMap(({ name, metrics }) => deadLetters(name, metrics)),
      },
      ...beeFamilies(
        swarms.flatMap(({ name, application }) =>
          application.threads.here.flatMap((thread) =>
            [...thread.callMeters].map(([bee, calls]) => ({ swarm: name, bee, threadId: thread.name, calls })),
          ),
        ),
      ),
      ...replicaFamilies(this.#options.swarms.flatMap(({ plan, replicas }) => replicas.map((counts) => ({ swarm: plan.swarm, ...counts })))),
      ...modelFamilies(new RunningModels(this.#options.swarms).list()),
      ...logFamilies(this.#options.log?.storage),
      ...this.#definitions,
      {
        name: 'waggle_swarm_lost_records_total',
        help: 'Records that the log deleted before the swarm read them, by partition.',
        type: 'counter',
        samples: swarms.flatMap(({ name, metrics }) => lostRecords(name, metrics)),
      },
      ...this.#process,
      ...engineFamilies(swarms.flatMap(({ metrics }) => metrics)),
    ])
  }

  get #definitions(): readonly Family[] {
    const { definitions } = this.#options
    if (definitions === undefined) return []
    const help = 'Records of the topic of swarms that were skipped, because Waggle did not write them.'
    return [{ name: 'waggle_definitions_skipped_records_total', help, type: 'counter', samples: [{ labels: {}, value: definitions.skippedRecords }] }]
  }

  /** Metrics of the process under the usual names of Prometheus' client libraries. */
  get #process(): readonly Family[] {
    const { user, system } = process.cpuUsage()
    const one = (name: string, help: string, type: Family['type'], value: number): Family => ({ name, help, type, samples: [{ labels: {}, value }] })
    return [
      one('process_cpu_seconds_total', 'User and system time of the process.', 'counter', (user + system) / 1e6),
      one('process_resident_memory_bytes', 'Resident memory of the process.', 'gauge', process.memoryUsage.rss()),
      one('process_start_time_seconds', 'When Waggle began, in seconds since the epoch.', 'gauge', this.#startedAtMs / 1000),
    ]
  }
}

/** The sum of a metric over all threads and partitions of a swarm here. An unknown value counts as 0. */
function sumOf(metrics: readonly Metric[], group: string, name: string): number {
  return metrics.reduce((sum, one) => (one.group === group && one.name === name && one.value > 0 ? sum + one.value : sum), 0)
}

function lostRecords(swarm: string, metrics: readonly Metric[]): readonly Sample[] {
  return metrics.flatMap(({ name, tags, value }) => {
    if (name !== lostRecordsTotal) return []
    return [{ labels: { swarm, thread_id: tags['thread-id'] ?? '', topic: tags.topic ?? '', partition: tags.partition ?? '' }, value }]
  })
}

/**
 * Dead letters of bees, and of records that a handler skipped. Each task and thread has its own series, because a sum would fall when a task moves to
 * another process.
 */
function deadLetters(swarm: string, metrics: readonly Metric[]): readonly Sample[] {
  const topic = deadLetterTopic(swarm)
  const byTask = new Map<string, { readonly labels: Sample['labels']; value: number }>()
  for (const { name, tags, value } of metrics) {
    const isLetter = name === 'dead-letters-total' || (name === 'records-produced-total' && tags.topic === topic)
    if (!isLetter) continue
    const labels = { swarm, thread_id: tags['thread-id'] ?? '', task_id: tags['task-id'] ?? '' }
    const sample = byTask.get(JSON.stringify(labels)) ?? { labels, value: 0 }
    byTask.set(JSON.stringify(labels), sample)
    sample.value += value
  }
  return [...byTask.values()]
}
