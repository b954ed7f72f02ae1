import type { HrTime } from '@opentelemetry/api'
import { AggregationTemporality, DataPointType, InstrumentType, type MetricData } from '@opentelemetry/sdk-metrics'
import { type Family, type Labels, leftOutSeries, type Sample, sentSamples } from '../exposition.ts'

/** The families of `GET /metrics` as OpenTelemetry metrics. The names are the same, so one dashboard fits both. */
export function metricPoints(families: readonly Family[], times: { readonly startTime: HrTime; readonly endTime: HrTime }): MetricData[] {
  return [...families, leftOutSeries(families)].filter(({ samples }) => samples.length > 0).map((family) => ({ ...pointsOf(family, times) }))
}

function pointsOf(family: Family, times: { readonly startTime: HrTime; readonly endTime: HrTime }): MetricData {
  const { name, help, type } = family
  const unit = /_seconds(_total)?$/.test(name) ? 's' : /_bytes(_total)?$/.test(name) ? 'By' : '1'
  const kept = sentSamples(family)
  const descriptor = { name, description: help, unit, valueType: 1, type: instruments[type], advice: {} }
  const common = { descriptor, aggregationTemporality: AggregationTemporality.CUMULATIVE }
  if (type === 'histogram')
    return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints: [...histograms(kept)].map((one) => ({ ...times, ...one })) }
  const dataPoints = kept.map(({ labels, value }) => ({ ...times, attributes: { ...labels }, value }))
  if (type === 'gauge') return { ...common, dataPointType: DataPointType.GAUGE, dataPoints }
  return { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
}

interface HistogramPoint {
  readonly attributes: { [label: string]: string }
  readonly value: { buckets: { boundaries: number[]; counts: number[] }; sum: number; count: number }
}

/**
 * Puts the lines of each histogram together. A Prometheus bucket counts all values below its bound; an OpenTelemetry bucket counts only the values
 * above the previous bound.
 */
function histograms(samples: readonly Sample[]): Iterable<HistogramPoint> {
  const points = new Map<string, HistogramPoint & { below: number }>()
  for (const { labels, value, suffix } of samples) {
    const { le, ...own } = labels as Labels & { readonly le?: string }
    const key = JSON.stringify(own)
    const point = points.get(key) ?? { attributes: own, value: { buckets: { boundaries: [], counts: [] }, sum: 0, count: 0 }, below: 0 }
    points.set(key, point)
    if (suffix === '_sum') point.value.sum = value
    else if (suffix === '_count') point.value.count = value
    else {
      if (le !== '+Inf') point.value.buckets.boundaries.push(Number(le))
      point.value.buckets.counts.push(value - point.below)
      point.below = value
    }
  }
  return [...points.values()].map(({ attributes, value }) => ({ attributes, value }))
}

const instruments = {
  counter: InstrumentType.OBSERVABLE_COUNTER,
  gauge: InstrumentType.OBSERVABLE_GAUGE,
  histogram: InstrumentType.HISTOGRAM,
} as const
