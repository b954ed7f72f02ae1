import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { MeasuredProgram } from '../../../../ops/bench/measured-program.ts'
import { signals } from '../../../../ops/telemetry/otlp/otlp-settings.ts'
import { eventually } from '../../../support/swarm-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', '..', 'ops', 'cli', 'main.ts')

it('Requests are answered while the collector accepts connections without responding, and the log has one line for each signal', async () => {
  const sockets = new Set<Socket>()
  const collector = createServer((socket) => sockets.add(socket.on('error', () => {})))
  collector.listen(0, '127.0.0.1')
  await once(collector, 'listening')
  const { port } = collector.address() as { readonly port: number }
  const directory = mkdtempSync(join(tmpdir(), 'waggle-silent-'))
  writeFileSync(
    join(directory, 'swarm.yaml'),
    `name: silent
bees:
  - {name: entrance, type: gateway-input, spec: {name: silent}}
  - {name: work, type: module, input: {name: entrance}, spec: {file: ./work.mjs}}
  - {name: answer, type: respond, input: {name: work}}
`,
  )
  writeFileSync(join(directory, 'work.mjs'), 'export default (input) => { if (input.number < 0) throw new Error("negative"); return input }\n')
  const program = await MeasuredProgram.start([main, 'run', join(directory, 'swarm.yaml'), '--json'], {
    WAGGLE_DATA_DIR: join(directory, 'data'),
    WAGGLE_HTTP_PORT: '0',
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_TIMEOUT: '300',
    OTEL_BSP_SCHEDULE_DELAY: '50',
    OTEL_BSP_EXPORT_TIMEOUT: '400',
    OTEL_BSP_MAX_QUEUE_SIZE: '8',
    OTEL_BLRP_SCHEDULE_DELAY: '50',
    OTEL_BLRP_EXPORT_TIMEOUT: '400',
    OTEL_BLRP_MAX_QUEUE_SIZE: '8',
    OTEL_METRIC_EXPORT_INTERVAL: '400',
    OTEL_METRIC_EXPORT_TIMEOUT: '400',
  })
  try {
    const ask = async (number: number) => {
      const init = { method: 'POST', body: JSON.stringify({ number }), headers: { 'content-type': 'application/json' } }
      return (await fetch(`${program.ready.gateway}/v1/gateways/silent/request`, init)).status
    }
    const statuses = await Promise.all(Array.from({ length: 50 }, (_, at) => ask(at)))
    assert.deepEqual(new Set(statuses), new Set([200]))
    // The failure of a bee is a line of the log, which the collector does not take either.
    assert.equal(await ask(-1), 502)
    const linesAbout = (signal: string) => program.lastWords.split('\n').filter((line) => line.includes(`takes no ${signal}: `))
    const counts = () => signals.map((signal) => linesAbout(signal).length)
    await eventually(async () => counts().every((count) => count > 0))
    assert.deepEqual(new Set(await Promise.all([50, 51].map(ask))), new Set([200]))
    assert.equal(await program.stop(), 0)
    assert.deepEqual(counts(), [1, 1, 1], program.lastWords)
  } finally {
    await program.stop()
    for (const socket of sockets) socket.destroy()
    collector.close()
    rmSync(directory, { recursive: true, force: true })
  }
})
