import { type CallMeters, callBoundsSeconds } from '../../processor/metrics/call-meters.ts'
import type { Family, Labels, Sample } from './exposition.ts'

/** The counts of one bee in one thread. */
export interface BeeCounts {
  readonly swarm: string
  readonly bee: string
  readonly threadId: string
  readonly calls: CallMeters
}

/** Metrics of the calls of bees: their number, errors and durations, and the reasons why batches were sent. */
export function beeFamilies(bees: readonly BeeCounts[]): readonly Family[] {
  const labelled = bees.map(({ swarm, bee, threadId, calls }) => ({ labels: { swarm, bee, thread_id: threadId }, calls }))
  return [
    {
      name: 'waggle_bee_calls_total',
      help: 'Calls of a bee that have ended, by the reason why their batch was sent.',
      type: 'counter',
      samples: labelled.flatMap(({ labels, calls }) => counted(labels, 'sent', calls.sent)),
    },
    {
      name: 'waggle_bee_rows_total',
      help: 'Rows that a bee was given, by their outcome.',
      type: 'counter',
      samples: labelled.flatMap(({ labels, calls }) => counted(labels, 'outcome', calls.rows)),
    },
    {
      name: 'waggle_bee_batch_rows_limit',
      help: 'The rows of a full batch now. With target_latency_ms it follows the durations of calls.',
      type: 'gauge',
      samples: labelled.map(({ labels, calls }) => ({ labels, value: calls.batchLimit })),
    },
    {
      name: 'waggle_bee_call_duration_seconds',
      help: 'From the start of a call to its results.',
      type: 'histogram',
      samples: labelled.flatMap(({ labels, calls }) => durations(labels, calls)),
    },
  ]
}

function counted(labels: Labels, name: string, counts: { readonly [value: string]: number }): readonly Sample[] {
  return Object.entries(counts).map(([value, count]) => ({ labels: { ...labels, [name]: value }, value: count }))
}

function durations(labels: Labels, { sent, buckets, sumSeconds }: CallMeters): readonly Sample[] {
  const count = Object.values(sent).reduce((sum, one) => sum + one, 0)
  return [
    ...callBoundsSeconds.map((bound, at) => ({ suffix: '_bucket', labels: { ...labels, le: String(bound) }, value: buckets[at] ?? 0 })),
    { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count },
    { suffix: '_sum', labels, value: sumSeconds },
    { suffix: '_count', labels, value: count },
  ]
}
