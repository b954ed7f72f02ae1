import { type Family, leftOutHelp, type Sample } from './exposition.ts'

/** One of Waggle's own metrics, as `docs/metrics.md` lists it. */
export interface MetricRow {
  readonly type: Family['type']
  readonly labels: readonly string[]
  /** The help line of the metric. */
  readonly help: string
  /** Further explanation for readers of the page, in full sentences. */
  readonly note?: string
}

/**
 * Every metric of `GET /metrics` except the engine's metrics. Families take their type and help from this table, and `ops/check/metrics-page.ts`
 * writes the page from this table.
 */
export const metricTable = {
  waggle_build_info: { type: 'gauge', labels: ['version', 'node'], help: 'Always 1. The labels have the versions of Waggle and of Node.' },
  waggle_gateway_requests_total: {
    type: 'counter',
    labels: ['gateway', 'call', 'status'],
    help: 'Requests that a gateway has answered, by HTTP status.',
    note: '`call` is `request` or `submit`. A request to an unknown gateway has the gateway `""`',
  },
  waggle_gateway_request_duration_seconds: {
    type: 'histogram',
    labels: ['gateway', 'call'],
    help: 'From the first byte of a request at a gateway to the last of its answer.',
    note: 'Its buckets have [exemplars](#exemplars)',
  },
  waggle_swarm_ready: { type: 'gauge', labels: ['swarm'], help: '1 where the swarm answers.' },
  waggle_swarm_tasks: { type: 'gauge', labels: ['swarm'], help: 'Tasks of the swarm that run in this process.' },
  waggle_swarm_records_in_hand: { type: 'gauge', labels: ['swarm'], help: 'Records that wait in this process, in buffers and calls.' },
  waggle_swarm_waiting_records: { type: 'gauge', labels: ['swarm'], help: 'Records in topics that wait for the tasks of this process.' },
  waggle_swarm_processed_records_total: {
    type: 'counter',
    labels: ['swarm'],
    help: 'Records that the threads of this process have processed.',
    note: 'Records that wait, divided by the rate of this, say how many processes are needed ([kubernetes.md](operate/kubernetes.md))',
  },
  waggle_definitions_skipped_records_total: {
    type: 'counter',
    labels: [],
    help: 'Records of the topic of swarms that were skipped, because Waggle did not write them.',
    note: 'Of `waggle serve` alone',
  },
  waggle_clock_behind_seconds: {
    type: 'gauge',
    labels: [],
    help: 'How far the clock of this process is at least behind the clock of another process on the cluster.',
    note: 'On Kafka alone. Deadlines are wrong by this time ([cluster.md](operate/cluster.md#clocks))',
  },
  waggle_swarm_uncommitted_seconds: {
    type: 'gauge',
    labels: ['swarm'],
    help: 'The longest time for which some work has waited for a successful commit.',
    note: 'A swarm with 10 s or more is not ready',
  },
  waggle_swarm_failures_total: { type: 'counter', labels: ['swarm'], help: 'Failures that ended a thread of the engine or rolled it back.' },
  waggle_swarm_restore_remaining_records: {
    type: 'gauge',
    labels: ['swarm'],
    help: 'Of changelogs, to be read before all tasks of this process run.',
  },
  waggle_swarm_restored_records_total: { type: 'counter', labels: ['swarm'], help: 'Records of changelogs that were read into state.' },
  waggle_swarm_dead_letters_total: {
    type: 'counter',
    labels: ['swarm', 'thread_id', 'task_id'],
    help: 'Dead letters that were written, by the task that they are of.',
    note: 'Those of a failed commit are sent again, and count again',
  },
  waggle_swarm_lost_records_total: {
    type: 'counter',
    labels: ['swarm', 'thread_id', 'topic', 'partition'],
    help: 'Records that the log deleted before the swarm read them, by partition.',
    note: 'Each is also a log line with `WAGGLE_RECORDS_LOST`. It is an upper bound: offsets of transaction markers and of aborted records count too. A topic that was created anew adds 0, since its lost records are unknown. A DSL program has it as `lost-records-total` in `streams.metrics`',
  },
  waggle_join_pending: {
    type: 'gauge',
    labels: ['swarm', 'bee', 'thread_id', 'task_id'],
    help: 'Requests that wait in a join for their other inputs.',
  },
  waggle_bee_calls_total: {
    type: 'counter',
    labels: ['swarm', 'bee', 'thread_id', 'sent'],
    help: 'Calls of a bee that have ended, by the reason why their batch was sent.',
    note: '`full`; `timeout`, as its oldest row had waited `timeout_seconds`; `deadline`, as the deadline of a row came near; `idle`, as no call was in flight; `alone`, one row without a batch, or one that is tried again',
  },
  waggle_bee_rows_total: {
    type: 'counter',
    labels: ['swarm', 'bee', 'thread_id', 'outcome'],
    help: 'Rows that a bee was given, by their outcome.',
    note: '`result`, `refused` (422), `failed`. Rows divided by calls are the fill of the batches',
  },
  waggle_bee_batch_rows: { type: 'histogram', labels: ['swarm', 'bee', 'thread_id'], help: 'Rows of a call.' },
  waggle_bee_batch_rows_limit: {
    type: 'gauge',
    labels: ['swarm', 'bee', 'thread_id'],
    help: 'The rows of a full batch now. With target_latency_ms it follows the durations of calls.',
  },
  waggle_bee_waiting_rows: { type: 'gauge', labels: ['swarm', 'bee', 'thread_id'], help: 'Rows that wait for a call now.' },
  waggle_bee_calls_in_flight: { type: 'gauge', labels: ['swarm', 'bee', 'thread_id'], help: 'Calls of a bee that are on their way now.' },
  waggle_bee_wait_duration_seconds: {
    type: 'histogram',
    labels: ['swarm', 'bee', 'thread_id'],
    help: 'From the arrival of a row at a bee to the start of its call.',
  },
  waggle_bee_call_duration_seconds: { type: 'histogram', labels: ['swarm', 'bee', 'thread_id'], help: 'From the start of a call to its results.' },
  waggle_bee_instant_rows_total: {
    type: 'counter',
    labels: ['swarm', 'bee', 'outcome'],
    help: 'Inputs of a synchronous bee, which computes in the stream thread, such as map, by their outcome.',
  },
  waggle_bee_parts_total: {
    type: 'counter',
    labels: ['swarm', 'bee'],
    help: 'Parts that a bee of this process has published while it worked.',
    note: 'Parts that a later run of a call gives again are not written, and not counted ([clients.md](clients.md#parts))',
  },
  waggle_bee_part_bytes_total: { type: 'counter', labels: ['swarm', 'bee'], help: 'Bytes of those parts.' },
  waggle_bee_replicas: {
    type: 'gauge',
    labels: ['swarm', 'bee'],
    help: 'Containers, processes or threads that do the work of a bee side by side in this process now.',
  },
  waggle_bee_replica_changes_total: {
    type: 'counter',
    labels: ['swarm', 'bee', 'change'],
    help: 'Decisions about the number of replicas: grown, shrunk, taken_back (one more did not help), failed (one more could not be opened).',
  },
  waggle_model_version_share: {
    type: 'gauge',
    labels: ['swarm', 'bee', 'version'],
    help: 'The part of the requests that a loaded version of a model answers, from 0 to 1.',
    note: '`version` is empty for a model without versions',
  },
  waggle_model_versions_refused_total: {
    type: 'counter',
    labels: ['swarm', 'bee'],
    help: 'Versions of a model that were refused, each try counted.',
    note: 'See [models.md](models.md#versions)',
  },
  waggle_gpu_utilization_ratio: {
    type: 'gauge',
    labels: ['gpu', 'uuid', 'name'],
    help: 'The part of the time in which an NVIDIA GPU of this machine computed, from 0 to 1.',
    note: 'A GPU in MIG mode does not tell it. See [GPUs](#gpus)',
  },
  waggle_gpu_memory_used_bytes: { type: 'gauge', labels: ['gpu', 'uuid', 'name'], help: 'Used memory of a GPU, by all programs.' },
  waggle_gpu_memory_total_bytes: { type: 'gauge', labels: ['gpu', 'uuid', 'name'], help: 'Memory of a GPU.' },
  waggle_gpu_temperature_celsius: { type: 'gauge', labels: ['gpu', 'uuid', 'name'], help: 'Temperature of a GPU.' },
  waggle_gpu_power_watts: { type: 'gauge', labels: ['gpu', 'uuid', 'name'], help: 'Power that a GPU draws.' },
  waggle_log_bytes: { type: 'gauge', labels: [], help: 'Bytes of the embedded log on the disk.' },
  waggle_log_max_bytes: { type: 'gauge', labels: [], help: 'Bytes that the embedded log may take (WAGGLE_LOG_MAX_BYTES).' },
  waggle_log_refuses: { type: 'gauge', labels: [], help: '1 where gateways refuse because a reader is behind and the log is at its bound.' },
  waggle_claims_put_total: {
    type: 'counter',
    labels: [],
    help: 'Large payloads that this process has put into the claim store.',
    note: 'See [large payloads](operate/large-payloads.md)',
  },
  waggle_claims_put_bytes_total: { type: 'counter', labels: [], help: 'Their bytes.' },
  waggle_claims_fetched_total: { type: 'counter', labels: [], help: 'Large payloads that this process has fetched from the claim store.' },
  waggle_claims_fetched_bytes_total: { type: 'counter', labels: [], help: 'Their bytes.' },
  waggle_claims_expired_total: {
    type: 'counter',
    labels: [],
    help: 'Objects of the claim store that this process has deleted because their time was over.',
  },
  waggle_claims_refused_total: {
    type: 'counter',
    labels: [],
    help: 'Large payloads that were refused because the claim store is full, each try counted.',
  },
  waggle_claims_away_total: { type: 'counter', labels: [], help: 'Calls of the claim store that it did not answer, each try counted.' },
  waggle_claims_answer_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Bytes of large answers in memory, which their callers read now.',
    note: 'Counted with a claim store; see [large payloads](operate/large-payloads.md#what-goes-wrong)',
  },
  waggle_claims_answer_max_bytes: { type: 'gauge', labels: [], help: 'Bytes of large answers that may be in memory; further ones wait.' },
  waggle_claim_store_bytes: { type: 'gauge', labels: [], help: 'Bytes of large payloads in the data directory.' },
  waggle_claim_store_max_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Bytes that large payloads may have in the data directory (WAGGLE_CLAIM_STORE_MAX_BYTES, and what the disk has).',
  },
  waggle_log_reader_behind_records: {
    type: 'gauge',
    labels: ['group', 'topic', 'partition'],
    help: 'Records that a reader has not read, where there are any.',
    note: 'Of the embedded log',
  },
  waggle_log_reader_behind_seconds: {
    type: 'gauge',
    labels: ['group', 'topic', 'partition'],
    help: 'Age of the oldest record that a reader has not read.',
    note: 'Of the embedded log',
  },
  waggle_metrics_series_left_out: {
    type: 'gauge',
    labels: ['metric'],
    help: leftOutHelp,
  },
  process_cpu_seconds_total: { type: 'counter', labels: [], help: 'User and system time of the process.' },
  process_resident_memory_bytes: { type: 'gauge', labels: [], help: 'Resident memory of the process.' },
  process_start_time_seconds: { type: 'gauge', labels: [], help: 'When Waggle began, in seconds since the epoch.' },
  process_open_fds: { type: 'gauge', labels: [], help: 'Open files and sockets of the process. Only on Linux.' },
  nodejs_eventloop_lag_seconds: { type: 'gauge', labels: ['quantile'], help: 'How late timers of the main thread ran within the last minute.' },
  nodejs_heap_size_used_bytes: { type: 'gauge', labels: [], help: 'Used heap of the main thread.' },
  nodejs_heap_size_total_bytes: { type: 'gauge', labels: [], help: 'Heap of the main thread.' },
  nodejs_external_memory_bytes: { type: 'gauge', labels: [], help: 'Memory of buffers and of native objects that JavaScript holds.' },
} as const satisfies { readonly [name: string]: MetricRow }

export type MetricName = keyof typeof metricTable

/** The family of a metric in the table, with these samples. */
export function family(name: MetricName, samples: readonly Sample[]): Family {
  const { type, help } = metricTable[name]
  return { name, type, help, samples }
}

/** The family of a metric without labels. */
export function single(name: MetricName, value: number): Family {
  return family(name, [{ labels: {}, value }])
}
