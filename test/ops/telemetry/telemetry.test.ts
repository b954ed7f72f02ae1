import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { engineMetricNames } from '../../../ops/check/engine-metrics.ts'
import { type MetricRow, metricTable } from '../../../ops/telemetry/metric-table.ts'
import { lintExposition, type ParsedFamily, parseExposition } from '../../support/exposition-parser.ts'
import { describeWithKafka } from '../../support/kafka-cluster.ts'
import { eventually } from '../../support/swarm-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
/** A new name, so that tests on the same cluster do not disturb each other. */
const told = `told-${randomUUID().slice(0, 8)}`
const swarm = `name: ${told}
bees:
  - {name: entrance, type: gateway-input, spec: {name: ${told}}}
  - {name: work, type: module, input: {name: entrance}, spec: {file: ./work.mjs}}
  - {name: answer, type: respond, input: {name: work}}
`
const work = `export default ({ number }) => {
  if (number > 2) throw new Error('too much')
  return { number }
}
`

/** The same tests for both kinds of log. */
function tellsOf(env: () => { readonly [variable: string]: string }) {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-told-'))
  const envOfProgram = () => ({ WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_PARTITIONS: '2', ...env() })
  let program: MeasuredProgram

  before(async () => {
    writeFileSync(join(directory, 'swarm.yaml'), swarm)
    writeFileSync(join(directory, 'work.mjs'), work)
    program = await MeasuredProgram.start([main, 'run', join(directory, 'swarm.yaml'), '--json'], envOfProgram())
  })
  after(async () => {
    assert.equal(await program.stop(), 0)
    const argv = ['reset', join(directory, 'swarm.yaml'), '--force', '--gateways']
    if (env().WAGGLE_LOG === 'kafka') await promisify(execFile)(process.execPath, [main, ...argv], { env: { ...process.env, ...envOfProgram() } })
    rmSync(directory, { recursive: true, force: true })
  })

  const ask = async (gateway: string, body: unknown, verb: string) => {
    const init = { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    return (await fetch(`${program.ready.gateway}/v1/gateways/${encodeURIComponent(gateway)}/${verb}`, init)).status
  }
  const scraped = async () => {
    const response = await fetch(`${program.ready.gateway}/metrics`)
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4; charset=utf-8$/)
    return parseExposition(await response.text())
  }
  const sum = (families: ReadonlyMap<string, ParsedFamily>, name: string, labels: { readonly [label: string]: string } = {}) => {
    const samples = families.get(name)?.samples ?? []
    const matching = samples.filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels.get(label) === value))
    return matching.length === 0 ? null : matching.reduce((all, { value }) => all + value, 0)
  }

  it('are valid in Prometheus’ text format, including the names', async () => {
    assert.deepEqual(lintExposition(await scraped()), [])
  })

  it('match the table, with its types, help texts and labels', async () => {
    const known = new Map<string, MetricRow>(Object.entries(metricTable))
    for (const { name, type, help, samples } of (await scraped()).values()) {
      if (name.startsWith('kafka_')) continue
      const row = known.get(name)
      assert.deepEqual([row?.type, row?.help], [type, help], name)
      const labels = new Set(samples.flatMap((sample) => [...sample.labels.keys()].filter((label) => label !== 'le')))
      assert.deepEqual(labels, new Set(row?.labels), name)
    }
  })

  it('include the engine’s metrics that dashboards name', async () => {
    const known = engineMetricNames()
    const engine = [...(await scraped()).keys()].filter((name) => /^kafka_streams_stream_(thread|task|processor|topic|state_updater)/.test(name))
    assert.ok(engine.length > 20)
    assert.deepEqual(
      engine.filter((name) => !known.has(name)),
      [],
    )
  })

  it('count from 0 the dead letters of each task and the lost records of each input, so that an alert sees the first one', async () => {
    let families = await scraped()
    const samplesOf = (name: string) => families.get(name)?.samples ?? []
    const inputs = () =>
      new Set(samplesOf('waggle_swarm_lost_records_total').map(({ labels }) => `${labels.get('topic')} ${labels.get('partition')}`))
    // Tasks open after the start.
    await eventually(async () => {
      families = await scraped()
      return ['0', '1'].every((partition) => inputs().has(`waggle.gateway.${told} ${partition}`))
    })
    const letters = samplesOf('waggle_swarm_dead_letters_total')
    assert.equal(letters.length, sum(families, 'waggle_swarm_tasks', { swarm: told }))
    for (const { name, value } of [...letters, ...samplesOf('waggle_swarm_lost_records_total')]) assert.equal(value, 0, name)
  })

  it('count answered requests by status, with their durations', async () => {
    const statuses = await Promise.all([1, 2, 3].map((number) => ask(told, { number }, 'request')))
    assert.deepEqual(statuses, [200, 200, 502])
    assert.equal(await ask(told, { number: 1 }, 'submit'), 202)
    assert.equal(await ask('nowhere', {}, 'request'), 404)
    const families = await scraped()
    const count = 'waggle_gateway_requests_total'
    assert.deepEqual(
      ['200', '502', '202'].map((status) => sum(families, count, { gateway: told, status })),
      [2, 1, 1],
    )
    assert.equal(sum(families, count, { gateway: '', call: 'request', status: '404' }), 1)
    const durations = families.get('waggle_gateway_request_duration_seconds')?.samples ?? []
    const own = (name: string) =>
      durations.find((one) => one.name.endsWith(name) && one.labels.get('gateway') === told && one.labels.get('call') === 'request')
    assert.equal(own('_count')?.value, 3)
    assert.ok((own('_sum')?.value ?? 0) > 0 && (own('_sum')?.value ?? 0) < 60)
    assert.deepEqual(lintExposition(families), [])
  })

  it('contain the calls of each bee with their outcomes and durations', async () => {
    let families = await scraped()
    const rows = (outcome: string) => sum(families, 'waggle_bee_rows_total', { swarm: told, bee: 'work', outcome })
    // Nobody waits for the submitted request.
    await eventually(async () => {
      families = await scraped()
      return rows('result') === 3
    })
    assert.deepEqual(['result', 'refused', 'failed'].map(rows), [3, 0, 1])
    assert.equal(sum(families, 'waggle_bee_calls_total', { swarm: told, bee: 'work', sent: 'alone' }), 4)
    assert.equal(sum(families, 'waggle_bee_batch_rows_limit', { swarm: told, bee: 'work' }), 1)
    const durations = families.get('waggle_bee_call_duration_seconds')?.samples ?? []
    assert.equal(durations.find(({ name, labels }) => name.endsWith('_bucket') && labels.get('le') === '+Inf')?.value, 4)
  })

  it('contain dead letters, lag, state, and the engine’s metrics under Kafka’s names', async () => {
    const families = await scraped()
    assert.equal(sum(families, 'waggle_swarm_dead_letters_total', { swarm: told }), 1)
    assert.equal(sum(families, 'waggle_swarm_ready', { swarm: told }), 1)
    assert.equal(sum(families, 'waggle_swarm_restore_remaining_records', { swarm: told }), 0)
    assert.ok((sum(families, 'waggle_swarm_tasks', { swarm: told }) ?? 0) >= 4)
    const lags = families.get('kafka_consumer_consumer_fetch_manager_metrics_records_lag')?.samples ?? []
    assert.deepEqual(
      new Set(lags.map(({ labels }) => labels.get('topic'))),
      new Set([`waggle.gateway.${told}`, `waggle.${told}.work`, `waggle.${told}-accepted-repartition`]),
    )
    assert.deepEqual(new Set(lags.map(({ labels }) => labels.get('partition'))), new Set(['0', '1']))
    const threads = 'kafka_streams_stream_thread_metrics'
    assert.ok((sum(families, `${threads}_process_total`) ?? 0) > 0)
    // Answers can leave before the first commit has ended.
    await eventually(async () => {
      const latency = (await scraped()).get(`${threads}_commit_latency_avg_seconds`)?.samples[0]?.value
      return latency !== undefined && latency >= 0 && latency < 10
    })
    const started = sum(families, 'process_start_time_seconds') ?? 0
    assert.ok(Math.abs(started - Date.now() / 1000) < 600)
    assert.ok((sum(families, `${threads}_thread_start_time_seconds`) ?? 0) >= started - 60)
  })

  it('contain exemplars with the trace of a request, for a scraper that asks for OpenMetrics', async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
    const headers = { 'content-type': 'application/json', traceparent: `00-${traceId}-00f067aa0ba902b7-01` }
    const asked = await fetch(`${program.ready.gateway}/v1/gateways/${told}/request`, { method: 'POST', body: '{"number":1}', headers })
    assert.equal(asked.status, 200)
    const accept = 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1'
    const response = await fetch(`${program.ready.gateway}/metrics`, { headers: { accept } })
    assert.equal(response.headers.get('content-type'), 'application/openmetrics-text; version=1.0.0; charset=utf-8')
    const text = await response.text()
    assert.match(
      text,
      new RegExp(`^waggle_gateway_request_duration_seconds_bucket\\{.*\\} \\d+ # \\{trace_id="${traceId}"\\} [\\d.e-]+ [\\d.]+$`, 'm'),
    )
    assert.ok(text.endsWith('\n# EOF\n'))
  })
}

describe('The metrics of a swarm on the embedded log', () => tellsOf(() => ({})))

describeWithKafka('The metrics of a swarm on Kafka', {}, (cluster) =>
  tellsOf(() => ({ WAGGLE_LOG: 'kafka', KAFKA_BROKERS: cluster().brokers.join(',') })),
)
