import assert from 'node:assert/strict'
import { it } from 'node:test'
import { histogramSamples } from '../../../../ops/telemetry/bee-families.ts'
import { maxSeriesAFamily } from '../../../../ops/telemetry/exposition.ts'
import { metricPoints } from '../../../../ops/telemetry/otlp/metric-points.ts'
import { Histogram } from '../../../../processor/metrics/histogram.ts'

const times = { startTime: [1, 0] as [number, number], endTime: [2, 0] as [number, number] }

it('A histogram for OpenTelemetry counts only the values of each bucket, and has the same sum and count', () => {
  const histogram = new Histogram([1, 2, 4])
  for (const value of [0.5, 1, 1.5, 3, 9]) histogram.observe(value)
  const samples = [...histogramSamples({ bee: 'a' }, histogram), ...histogramSamples({ bee: 'b' }, new Histogram([1, 2, 4]))]
  const [metric] = metricPoints([{ name: 'took_seconds', help: 'Time.', type: 'histogram', samples }], times)
  assert.equal(metric?.descriptor.unit, 's')
  assert.deepEqual(
    metric?.dataPoints.map(({ attributes, value }) => ({ attributes, value })),
    [
      { attributes: { bee: 'a' }, value: { buckets: { boundaries: [1, 2, 4], counts: [2, 1, 1, 1] }, sum: 15, count: 5 } },
      { attributes: { bee: 'b' }, value: { buckets: { boundaries: [1, 2, 4], counts: [0, 0, 0, 0] }, sum: 0, count: 0 } },
    ],
  )
})

it('Counters are monotonic sums, and gauges are gauges', () => {
  const samples = [{ labels: { swarm: 's' }, value: 3 }]
  const [counter, gauge] = metricPoints(
    [
      { name: 'asked_total', help: 'Asked.', type: 'counter', samples },
      { name: 'held_bytes', help: 'Held.', type: 'gauge', samples },
      { name: 'nothing', help: 'Left out.', type: 'gauge', samples: [] },
    ],
    times,
  )
  assert.ok(counter !== undefined && 'isMonotonic' in counter && counter.isMonotonic)
  assert.deepEqual([gauge?.descriptor.name, gauge?.descriptor.unit], ['held_bytes', 'By'])
})

it('If there are too many histograms, whole histograms are left out, and a metric says how many series are missing', () => {
  const histogram = new Histogram([1, 2, 4])
  histogram.observe(9)
  const kept = Math.floor(maxSeriesAFamily / histogramSamples({}, histogram).length)
  const samples = Array.from({ length: kept + 2 }, (_, at) => histogramSamples({ bee: `bee-${at}` }, histogram)).flat()
  const [metric, left] = metricPoints([{ name: 'took_seconds', help: 'Time.', type: 'histogram', samples }], times)
  assert.equal(metric?.dataPoints.length, kept)
  for (const { value } of metric?.dataPoints ?? [])
    assert.deepEqual(value, { buckets: { boundaries: [1, 2, 4], counts: [0, 0, 0, 1] }, sum: 9, count: 1 })
  assert.equal(left?.descriptor.name, 'waggle_metrics_series_left_out')
  assert.deepEqual(
    left?.dataPoints.map(({ attributes, value }) => ({ attributes, value })),
    [{ attributes: { metric: 'took_seconds' }, value: 2 * 6 }],
  )
})
