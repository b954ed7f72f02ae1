import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { steadyClock } from '../../../../connectors/system/system-clock.ts'
import { type Otlp, openOtlp } from '../../../../ops/telemetry/otlp/otlp.ts'
import type { Clock } from '../../../../processor/ports.ts'
import { SimulatedRandom } from '../../../../processor/simulation/simulated-random.ts'
import { eventually } from '../../../support/swarm-here.ts'

const hour = 3_600_000
const start = 1_796_000_000_000

/** The times of everything that a collector got, in nanoseconds. */
interface Sent {
  readonly spans: { readonly name: string; readonly ms: number; readonly startedAtMs: number }[]
  readonly points: { readonly name: string; readonly ms: number }[]
  readonly lines: number[]
}

/** A collector that takes OTLP as JSON over HTTP. */
async function collector() {
  const sent: Sent = { spans: [], points: [], lines: [] }
  const server = createServer(async (request, response) => {
    const body = (await json(request)) as Body
    for (const { scopeSpans } of body.resourceSpans ?? [])
      for (const { name, startTimeUnixNano, endTimeUnixNano } of scopeSpans.flatMap(({ spans }) => spans))
        sent.spans.push({ name, ms: msBetween(startTimeUnixNano, endTimeUnixNano), startedAtMs: msBetween('0', startTimeUnixNano) })
    for (const { scopeMetrics } of body.resourceMetrics ?? [])
      for (const { name, sum, gauge, histogram } of scopeMetrics.flatMap(({ metrics }) => metrics))
        for (const { startTimeUnixNano, timeUnixNano } of (sum ?? gauge ?? histogram)?.dataPoints ?? [])
          sent.points.push({ name, ms: msBetween(startTimeUnixNano, timeUnixNano) })
    for (const { scopeLogs } of body.resourceLogs ?? [])
      for (const { timeUnixNano } of scopeLogs.flatMap(({ logRecords }) => logRecords)) sent.lines.push(msBetween('0', timeUnixNano))
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { sent, server, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

function msBetween(from: string, to: string): number {
  return Number((BigInt(to) - BigInt(from)) / 1_000_000n)
}

interface Body {
  readonly resourceSpans?: readonly {
    readonly scopeSpans: readonly {
      readonly spans: readonly { readonly name: string; readonly startTimeUnixNano: string; readonly endTimeUnixNano: string }[]
    }[]
  }[]
  readonly resourceMetrics?: readonly {
    readonly scopeMetrics: readonly {
      readonly metrics: readonly ({ readonly name: string } & { readonly [kind in 'sum' | 'gauge' | 'histogram']?: Points })[]
    }[]
  }[]
  readonly resourceLogs?: readonly { readonly scopeLogs: readonly { readonly logRecords: readonly { readonly timeUnixNano: string }[] }[] }[]
}

interface Points {
  readonly dataPoints: readonly { readonly startTimeUnixNano: string; readonly timeUnixNano: string }[]
}

const variables = (endpoint: string) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  OTEL_BSP_SCHEDULE_DELAY: '20',
  OTEL_BLRP_SCHEDULE_DELAY: '20',
  OTEL_METRIC_EXPORT_INTERVAL: '100',
  OTEL_METRIC_EXPORT_TIMEOUT: '100',
})

describe('Telemetry while the clock jumps', () => {
  const earlier = new Map<string, string | undefined>()
  let taking: Awaited<ReturnType<typeof collector>>
  before(async () => {
    taking = await collector()
    // The exporters of OpenTelemetry read the variables of the process itself.
    for (const [name, value] of Object.entries(variables(taking.endpoint))) {
      earlier.set(name, process.env[name])
      process.env[name] = value
    }
  })
  after(() => {
    for (const [name, value] of earlier)
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    taking.server.closeAllConnections()
    taking.server.close()
  })

  /** Sends a request's span, a call's span, a line and metrics. The clock jumps by `jumpMs` while they are open. */
  async function send(clock: Pick<Clock, 'now'>, jump: () => void): Promise<Sent> {
    const { sent } = taking
    for (const list of Object.values(sent)) list.length = 0
    const otlp = (await openOtlp({
      env: variables(taking.endpoint),
      clock: {
        now: clock.now,
        elapsedMs: () => performance.now(),
        after: (ms, act) =>
          (
            (timer) => () =>
              clearTimeout(timer)
          )(setTimeout(act, ms)),
      },
      random: new SimulatedRandom(1),
      instance: 'i',
      say: () => {},
    })) as Otlp
    otlp.useMetrics(() => [{ name: 'waggle_swarm_failures_total', type: 'counter', help: 'h', samples: [{ labels: {}, value: 1 }] }])
    const { context, end } = otlp.tracing?.begin({ gateway: 'g', call: 'request', id: 'r', path: '/r' }) ?? assert.fail()
    const startedAt = clock.now()
    jump()
    const span = { context, parentSpanId: context.spanId, requestId: 'r', attempt: 1, place: null, error: null }
    otlp.tracing?.called({ swarm: 's', bee: 'b', type: 'module', startedAt, finishedAt: clock.now(), rows: 1, isRepeated: false, spans: [span] })
    end(200)
    otlp.log('b', 'info', 'a line')
    await eventually(async () => sent.spans.length === 2 && sent.lines.length === 1 && sent.points.length > 0)
    await otlp.close()
    return sent
  }

  it('has no span that ends before it begins and no metric that ends before the process began, by a clock that goes back an hour', async () => {
    let now = start
    const { spans, points } = await send({ now: () => now }, () => {
      now -= hour
    })
    assert.deepEqual(
      spans.map(({ name, ms }) => [name, ms]),
      [
        ['b', 0],
        ['POST /r', 0],
      ],
    )
    assert.ok(
      points.every(({ ms }) => ms >= 0),
      JSON.stringify(points),
    )
  })

  for (const [direction, jumpMs] of Object.entries({ 'an hour back': -hour, 'an hour ahead': hour }))
    it(`has the durations that have really passed, by the clock of the process, when somebody sets the machine’s clock ${direction}`, async () => {
      const machine = { wallMs: start, monotonicMs: 0 }
      const clock = steadyClock({ wallMs: () => machine.wallMs, monotonicMs: () => machine.monotonicMs })
      const { spans, lines } = await send(clock, () => {
        machine.wallMs += jumpMs + 200
        machine.monotonicMs += 200
      })
      for (const { name, ms, startedAtMs } of spans) {
        assert.ok(ms >= 190 && ms <= 210, `${name}: ${ms} ms`)
        assert.equal(startedAtMs, start)
      }
      assert.ok(lines.every((at) => at >= start + 190 && at <= start + 210))
    })
})
