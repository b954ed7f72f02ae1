import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { MeasuredProgram } from '../../../../ops/bench/measured-program.ts'
import { type CollectedSpan, OtelCollector, otelCollector } from '../../../support/otel-collector.ts'
import { patient } from '../../../support/patient.ts'
import { pythonEnvironment } from '../../../support/python-environment.ts'
import { eventually } from '../../../support/swarm-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', '..', 'ops', 'cli', 'main.ts')
const program = otelCollector()
const python =
  'missing' in program
    ? program
    : pythonEnvironment('opentelemetry-1.45.2', [['opentelemetry-sdk==1.45.2', 'opentelemetry-exporter-otlp-proto-http==1.45.2']])
const missing = 'missing' in program ? program.missing : 'missing' in python ? python.missing : null
const skip = missing !== null && process.env.CI !== 'true' ? missing : false

const greeter = `from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from waggle import register_bee

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
tracer = provider.get_tracer("greeter")

@register_bee(name="greet")
def greet(swarm, payload, context):
    with tracer.start_as_current_span("words"):
        return {"greeting": payload["name"], "traceparent": context.traceparent, "baggage": context.baggage}
`

/** One swarm calls the gateway of another swarm by HTTP. The other swarm has a Python bee, and a module whose calls are batches. */
describe('A request through two processes and a Python bee', { skip, timeout: 120_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-collected-'))
  const programs: MeasuredProgram[] = []
  let collector: OtelCollector

  const start = async (name: string, swarm: string, env: { readonly [variable: string]: string }) => {
    const home = join(directory, name)
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, 'swarm.yaml'), swarm)
    const otel = { OTEL_SERVICE_NAME: name, OTEL_BSP_SCHEDULE_DELAY: '100', OTEL_BLRP_SCHEDULE_DELAY: '100', OTEL_METRIC_EXPORT_INTERVAL: '500' }
    const own = { WAGGLE_DATA_DIR: join(home, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_PARTITIONS: '1', ...otel, ...env }
    const running = await MeasuredProgram.start([main, 'run', join(home, 'swarm.yaml'), '--json'], own)
    programs.push(running)
    return running
  }

  before(async () => {
    assert.ok('path' in program && 'python' in python, missing ?? '')
    collector = await OtelCollector.start(program.path)
    mkdirSync(join(directory, 'inner'))
    writeFileSync(join(directory, 'inner', 'greet.py'), greeter)
    writeFileSync(join(directory, 'inner', 'batched.mjs'), 'export default (input) => input\n')
    const map = { resolve: { 'test/python:1': [python.python] } }
    writeFileSync(join(directory, 'inner', 'waggle.yaml'), JSON.stringify(map))
    const inner = await start(
      'inner',
      `name: inner
bees:
  - {name: entrance, type: gateway-input, spec: {name: inner}}
  - {name: together, type: batch, input: {name: entrance}, spec: {batch_size: 2, timeout_seconds: 20, release: full}}
  - {name: batched, type: module, input: {name: together}, spec: {file: ./batched.mjs}}
  - {name: greet, type: python, input: {name: batched}, spec: {file: ./greet.py, bee: greet, image: test/python:1, env: {OTEL_EXPORTER_OTLP_ENDPOINT: "${collector.httpUrl}", OTEL_SERVICE_NAME: greeter}}}
  - {name: answer, type: respond, input: {name: greet}}
`,
      { OTEL_EXPORTER_OTLP_ENDPOINT: collector.grpcUrl, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    )
    await start(
      'outer',
      `name: outer
bees:
  - {name: entrance, type: gateway-input, spec: {name: outer}}
  - {name: ask, type: http-call, input: {name: entrance}, spec: {url: "${inner.ready.gateway}/v1/gateways/inner/request"}}
  - {name: answer, type: respond, input: {name: ask}}
`,
      { OTEL_EXPORTER_OTLP_ENDPOINT: collector.httpUrl },
    )
  })

  after(async () => {
    for (const running of programs) await running.stop()
    await collector[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })

  const ask = async (name: string, headers: { readonly [name: string]: string }) => {
    const init = { method: 'POST', body: JSON.stringify({ name }), headers: { 'content-type': 'application/json', ...headers } }
    const response = await fetch(`${programs[1]?.ready.gateway}/v1/gateways/outer/request`, init)
    const id = response.headers.get('x-request-id') ?? ''
    assert.equal(response.status, 200, await response.clone().text())
    return { id, answer: (await response.json()) as { readonly traceparent: string; readonly baggage: string } }
  }

  it('is one trace in OpenTelemetry’s collector, with the caller’s span as its root and links to its batch', async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
    const caller = '00f067aa0ba902b7'
    const [traced, other] = await Promise.all([ask('bear', { traceparent: `00-${traceId}-${caller}-01`, baggage: 'shop=den' }), ask('bees', {})])
    assert.equal(traced.answer.baggage, 'shop=den')
    const ofTrace = (id: string) => collector.spans.filter((span) => span.traceId === id)
    await eventually(async () => ofTrace(traceId).length === 6)
    const spans = ofTrace(traceId)
    const named = (name: string): CollectedSpan => spans.find((span) => span.name === name) ?? assert.fail(`no span ${name}`)
    const [outer, call, inner, batched, greet, words] = [
      'POST /v1/gateways/outer/request',
      'ask',
      'POST /v1/gateways/inner/request',
      'batched',
      'greet',
      'words',
    ].map(named) as [CollectedSpan, CollectedSpan, CollectedSpan, CollectedSpan, CollectedSpan, CollectedSpan]
    assert.deepEqual(
      [outer, call, inner, batched, greet, words].map(({ service, parentId }) => [service, parentId]),
      [
        ['outer', caller],
        ['outer', outer.id],
        ['inner', call.id],
        ['inner', inner.id],
        ['inner', batched.id],
        ['greeter', greet.id],
      ],
    )
    assert.equal(traced.answer.traceparent, `00-${traceId}-${greet.id}-01`)
    assert.deepEqual([outer.attributes.get('waggle.request_id'), outer.attributes.get('http.response.status_code')], [traced.id, '200'])
    // A request without a trace begins a trace with the digits of the request's id.
    const otherTrace = other.id.replaceAll('-', '')
    await eventually(async () => ofTrace(otherTrace).length === 6)
    const batches = collector.spans.filter(({ name }) => name === 'batched batch')
    assert.equal(batches.length, 1)
    const [batch] = batches
    assert.equal(batch?.attributes.get('waggle.batch.size'), '2')
    assert.deepEqual(
      new Set(batch?.links.map((link) => `${link.traceId}/${link.id}`)),
      new Set([batched, ...ofTrace(otherTrace).filter(({ name }) => name === 'batched')].map((span) => `${span.traceId}/${span.id}`)),
    )
    assert.deepEqual(batched.links, [{ traceId: batch?.traceId, id: batch?.id }])
  })

  it('is in the metrics and the log lines that the collector has received from both processes', async () => {
    const has = (text: RegExp) => eventually(async () => text.test(collector.record))
    await has(/Name: waggle_gateway_requests_total/)
    await has(/Name: waggle_bee_call_duration_seconds/)
    await fetch(`${programs[1]?.ready.gateway}/v1/gateways/outer/request`, {
      method: 'POST',
      body: '[]',
      headers: { 'content-type': 'application/json' },
    })
    await has(/SeverityText: ERROR[\s\S]*?waggle\.code: Str\(WAGGLE_/)
  })
})

const judges = `const judged = (model, score) => ({ label: 'dear', scores: { dear: score, cheap: 1 - score }, model })
export const strict = () => judged('strict', 0.9)
export const lenient = () => judged('lenient', 0.6)
export const less = ({ left }) => ({ left: left - 1 })
`

describe('The trace of a request through synchronous bees', { skip, timeout: 120_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-synchronous-'))
  let running: MeasuredProgram
  let collector: OtelCollector

  before(async () => {
    assert.ok('path' in program, missing ?? '')
    collector = await OtelCollector.start(program.path)
    writeFileSync(join(directory, 'judges.mjs'), judges)
    writeFileSync(
      join(directory, 'swarm.yaml'),
      `name: judged
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: paid, type: filter, input: {name: entrance}, spec: {condition: abs(price) > \`0\`}}
  - {name: strict, type: module, input: {name: paid}, spec: {file: ./judges.mjs, bee: strict}}
  - {name: lenient, type: module, input: {name: paid}, spec: {file: ./judges.mjs, bee: lenient}}
  - {name: verdict, type: weighted-average-ensemble, input: {join: [strict, lenient]}}
  - {name: short, type: map, input: {name: verdict}, spec: {expression: "{label: label}"}}
  - {name: answer, type: respond, input: {name: short}}
`,
    )
    writeFileSync(
      join(directory, 'rounds.yaml'),
      `name: rounds
bees:
  - {name: entrance, type: gateway-input, spec: {name: rounds}}
  - {name: again, type: loop, input: {stack: [entrance, less]}, spec: {while: left > \`0\`, body: less, max_rounds: 9}}
  - {name: less, type: module, input: {name: again}, spec: {file: ./judges.mjs, bee: less}}
  - {name: same, type: map, input: {name: again}, spec: {expression: "@"}}
  - {name: other, type: map, input: {name: again}, spec: {expression: "@"}}
  - {name: any, type: merge, input: {stack: [same, other]}}
  - {name: answer, type: respond, input: {name: any}}
`,
    )
    const env = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.httpUrl}/v1/traces`, OTEL_BSP_SCHEDULE_DELAY: '100' }
    const own = { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_PARTITIONS: '1', ...env }
    running = await MeasuredProgram.start([main, 'run', join(directory, 'swarm.yaml'), join(directory, 'rounds.yaml'), '--json'], own)
  })

  after(async () => {
    await running?.stop()
    await collector[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })

  const ask = (price: number | string, status: number) => askFor('door', { price }, status)
  const askFor = async (gateway: string, input: object, status: number) => {
    const init = { method: 'POST', body: JSON.stringify(input), headers: { 'content-type': 'application/json' } }
    const response = await patient(() => fetch(`${running.ready.gateway}/v1/gateways/${gateway}/request`, init))
    assert.equal(response.status, status, await response.text())
    return (response.headers.get('x-request-id') ?? '').replaceAll('-', '')
  }
  const ofTrace = (id: string) => new Map(collector.spans.filter(({ traceId }) => traceId === id).map((span) => [span.name, span]))

  it('has a span for each bee, whose parent is the span of the previous bee', async () => {
    const id = await ask(5, 200)
    await eventually(async () => ofTrace(id).size >= 6)
    const spans = ofTrace(id)
    const parentOf = (name: string) => [...spans.values()].find((span) => span.id === spans.get(name)?.parentId)?.name
    assert.equal(parentOf('paid'), 'POST /v1/gateways/door/request')
    assert.deepEqual([parentOf('strict'), parentOf('lenient')], ['paid', 'paid'])
    assert.ok(['strict', 'lenient'].includes(parentOf('verdict') ?? ''), parentOf('verdict'))
    assert.equal(parentOf('short'), 'verdict')
    assert.deepEqual(
      [spans.get('short')?.attributes.get('waggle.bee.type'), spans.get('short')?.attributes.get('waggle.request_id')?.replaceAll('-', '')],
      ['map', id],
    )
    assert.deepEqual([...spans.keys()].toSorted(), ['POST /v1/gateways/door/request', 'lenient', 'paid', 'short', 'strict', 'verdict'])
  })

  it('has a span for each round of a loop, and a span for a merge', async () => {
    const id = await askFor('rounds', { left: 2 }, 200)
    const spans = () => collector.spans.filter(({ traceId }) => traceId === id)
    await eventually(async () => spans().length === 9)
    const names = new Map(spans().map(({ id: own, name }) => [own, name]))
    // The merge uses the first of its two inputs.
    const ways = spans().map(({ name, parentId }) => `${names.get(parentId) ?? 'caller'} > ${name}`.replace('other > any', 'same > any'))
    const root = 'POST /v1/gateways/rounds/request'
    assert.deepEqual(
      ways.toSorted(),
      [
        ...[`caller > ${root}`, `${root} > again`, 'again > less', 'again > less', 'again > same', 'again > other'],
        ...['less > again', 'less > again', 'same > any'],
      ].toSorted(),
    )
    assert.equal(names.size, 9)
  })

  it('has the failure of a bee as the error of its span, and no error for a filter that drops a value', async () => {
    const [failed, held] = [await ask('no number', 502), await ask(0, 422)]
    await eventually(async () => ofTrace(failed).size === 2 && ofTrace(held).size === 2)
    assert.equal(ofTrace(failed).get('paid')?.status, 'Error')
    assert.match(ofTrace(failed).get('paid')?.attributes.get('error.type') ?? '', /^WAGGLE_/)
    assert.equal(ofTrace(held).get('paid')?.status, 'Unset')
  })
})
