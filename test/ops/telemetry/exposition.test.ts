import assert from 'node:assert/strict'
import { it } from 'node:test'
import { histogramSamples } from '../../../ops/telemetry/bee-families.ts'
import { exposition, maxSeriesAFamily } from '../../../ops/telemetry/exposition.ts'
import { Histogram } from '../../../processor/metrics/histogram.ts'
import { lintExposition, parseExposition } from '../../support/exposition-parser.ts'

it('The text of a metric’s label or help line is read back unchanged', () => {
  const odd = 'a "b" \\n c\\\nd } , = é'
  const text = exposition([
    { name: 'odd_total', help: 'two\nlines \\', type: 'counter', samples: [{ labels: { of: odd, and: '' }, value: 3 }] },
    { name: 'nothing', help: 'Left out.', type: 'gauge', samples: [] },
    {
      name: 'ends',
      help: 'Numbers.',
      type: 'gauge',
      samples: [Number.NaN, Number.POSITIVE_INFINITY, 1e21, -0.5].map((value, at) => ({ labels: { at: String(at) }, value })),
    },
  ])
  const families = parseExposition(text)
  assert.deepEqual([...families.keys()], ['odd_total', 'ends'])
  assert.deepEqual(
    [...(families.get('odd_total')?.samples[0]?.labels ?? [])],
    [
      ['of', odd],
      ['and', ''],
    ],
  )
  assert.deepEqual(
    families.get('ends')?.samples.map(({ value }) => value),
    [Number.NaN, Number.POSITIVE_INFINITY, 1e21, -0.5],
  )
})

it('Names from a user become valid metric names, and long label values stay distinct', () => {
  const long = 'x'.repeat(300)
  const samples = [`${long}a`, `${long}b`, '<script>alert(1)</script>'].map((bee) => ({ labels: { bee, '1 of: a': 'b' }, value: 1 }))
  const families = parseExposition(exposition([{ name: '9 {odd} name', help: 'Odd.', type: 'gauge', samples }]))
  const [family] = families.values()
  assert.equal(family?.name, '_9__odd__name')
  const bees = family?.samples.map(({ labels }) => labels.get('bee') ?? '') ?? []
  assert.equal(new Set(bees).size, 3)
  assert.ok(bees.every((bee) => bee.length <= 250))
  assert.ok(family?.samples.every(({ labels }) => labels.has('_1_of__a')))
})

it('A metric with more than ten thousand series is cut, and the response reports this', () => {
  const samples = Array.from({ length: maxSeriesAFamily + 5 }, (_, at) => ({ labels: { bee: `bee-${at}` }, value: at }))
  const families = parseExposition(exposition([{ name: 'many', help: 'Many.', type: 'gauge', samples }]))
  assert.equal(families.get('many')?.samples.length, maxSeriesAFamily)
  const left = families.get('waggle_metrics_series_left_out')?.samples[0]
  assert.deepEqual([left?.value, left?.labels.get('metric')], [5, 'many'])
  assert.deepEqual(lintExposition(families), [])
})

it('A metric with too many histograms has each of them as a whole, or not at all', () => {
  const histogram = new Histogram([1, 2, 4])
  histogram.observe(3)
  const linesEach = histogramSamples({}, histogram).length
  const kept = Math.floor(maxSeriesAFamily / linesEach)
  assert.notEqual(maxSeriesAFamily % linesEach, 0)
  const samples = Array.from({ length: kept + 10 }, (_, at) => histogramSamples({ bee: `bee-${at}` }, histogram)).flat()
  const families = parseExposition(exposition([{ name: 'took_seconds', help: 'Time.', type: 'histogram', samples }]))
  const names = Map.groupBy(families.get('took_seconds')?.samples ?? [], ({ labels }) => labels.get('bee'))
  assert.equal(names.size, kept)
  for (const [bee, lines] of names) {
    assert.equal(lines.length, linesEach, bee)
    assert.ok(
      lines.some(({ labels }) => labels.get('le') === '+Inf'),
      bee,
    )
  }
  assert.equal(families.get('waggle_metrics_series_left_out')?.samples[0]?.value, 10 * linesEach)
  assert.deepEqual(lintExposition(families), [])
})

it('OpenMetrics names counters without their suffix, has exemplars, and marks the end of the response', () => {
  const exemplar = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', value: 0.05, at: 1_796_000_000_123 }
  const text = exposition(
    [
      { name: 'asked_total', help: 'Says "how many".', type: 'counter', samples: [{ labels: { a: 'b' }, value: 2 }] },
      {
        name: 'took_seconds',
        help: 'Time.',
        type: 'histogram',
        samples: [
          { suffix: '_bucket', labels: { le: '0.1' }, value: 1, exemplar },
          { suffix: '_bucket', labels: { le: '+Inf' }, value: 1 },
          { suffix: '_sum', labels: {}, value: 0.05 },
          { suffix: '_count', labels: {}, value: 1 },
        ],
      },
    ],
    'openmetrics',
  )
  assert.deepEqual(text.split('\n'), [
    '# HELP asked Says \\"how many\\".',
    '# TYPE asked counter',
    'asked_total{a="b"} 2',
    '# HELP took_seconds Time.',
    '# TYPE took_seconds histogram',
    'took_seconds_bucket{le="0.1"} 1 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 0.05 1796000000.123',
    'took_seconds_bucket{le="+Inf"} 1',
    'took_seconds_sum 0.05',
    'took_seconds_count 1',
    '# EOF',
    '',
  ])
})
