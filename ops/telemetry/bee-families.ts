import type { CallMeters } from '../../processor/metrics/call-meters.ts'
import type { Histogram } from '../../processor/metrics/histogram.ts'
import type { PartCount, PartLog } from '../../processor/swarm/part-log.ts'
import type { SynchronousMeters } from '../../processor/swarm/synchronous-meters.ts'
import type { Exemplar, Family, Labels, Sample } from './exposition.ts'
import { family } from './metric-table.ts'

/** The counts of one bee in one thread. */
export interface BeeCounts {
  readonly swarm: string
  readonly bee: string
  readonly threadId: string
  readonly calls: CallMeters
}

/** Metrics of the calls of bees: their number, errors, durations and batches, and the waiting calls. */
export function beeFamilies(bees: readonly BeeCounts[]): readonly Family[] {
  const labelled = bees.map(({ swarm, bee, threadId, calls }) => ({ labels: { swarm, bee, thread_id: threadId }, calls }))
  const each = (value: (calls: CallMeters) => number) => labelled.map(({ labels, calls }) => ({ labels, value: value(calls) }))
  const spread = (of: (calls: CallMeters) => Histogram) => labelled.flatMap(({ labels, calls }) => histogramSamples(labels, of(calls)))
  return [
    family(
      'waggle_bee_calls_total',
      labelled.flatMap(({ labels, calls }) => counted(labels, 'sent', calls.sent)),
    ),
    family(
      'waggle_bee_rows_total',
      labelled.flatMap(({ labels, calls }) => counted(labels, 'outcome', calls.rows)),
    ),
    family(
      'waggle_bee_batch_rows',
      spread(({ sizes }) => sizes),
    ),
    family(
      'waggle_bee_batch_rows_limit',
      each(({ batchLimit }) => batchLimit),
    ),
    family(
      'waggle_bee_waiting_rows',
      each(({ waitingRows }) => waitingRows),
    ),
    family(
      'waggle_bee_calls_in_flight',
      each(({ callsInFlight }) => callsInFlight),
    ),
    family(
      'waggle_bee_wait_duration_seconds',
      spread(({ waits }) => waits),
    ),
    family(
      'waggle_bee_call_duration_seconds',
      spread(({ durations }) => durations),
    ),
  ]
}

/** Metrics of the bees that compute directly in the stream thread. */
export function synchronousFamilies(swarms: readonly { readonly swarm: string; readonly meters: SynchronousMeters }[]): readonly Family[] {
  return [
    family(
      'waggle_bee_instant_rows_total',
      swarms.flatMap(({ swarm, meters }) => [...meters].flatMap(([bee, rows]) => counted({ swarm, bee }, 'outcome', rows))),
    ),
  ]
}

/** Metrics of the parts that bees publish while they work. */
export function partFamilies(swarms: readonly { readonly swarm: string; readonly published: PartLog['published'] }[]): readonly Family[] {
  const each = (value: (count: PartCount) => number) =>
    swarms.flatMap(({ swarm, published }) => [...published].map(([bee, count]): Sample => ({ labels: { swarm, bee }, value: value(count) })))
  return [
    family(
      'waggle_bee_parts_total',
      each(({ parts }) => parts),
    ),
    family(
      'waggle_bee_part_bytes_total',
      each(({ bytes }) => bytes),
    ),
  ]
}

/** The samples of a histogram, for the series with these labels. `exemplars` are by the index of their bucket. */
export function histogramSamples(labels: Labels, histogram: Histogram, exemplars: readonly (Exemplar | undefined)[] = []): readonly Sample[] {
  const { bounds, cumulative, sum, count } = histogram
  const bucket = (le: string, value: number, at: number): Sample => {
    const exemplar = exemplars[at]
    return { suffix: '_bucket', labels: { ...labels, le }, value, ...(exemplar === undefined ? {} : { exemplar }) }
  }
  return [
    ...bounds.map((bound, at) => bucket(String(bound), cumulative[at] ?? 0, at)),
    bucket('+Inf', count, bounds.length),
    { suffix: '_sum', labels, value: sum },
    { suffix: '_count', labels, value: count },
  ]
}

function counted(labels: Labels, name: string, counts: { readonly [value: string]: number }): readonly Sample[] {
  return Object.entries(counts).map(([value, count]) => ({ labels: { ...labels, [name]: value }, value: count }))
}
