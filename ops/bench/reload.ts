import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { ModelRow } from '../../topology/swarm/log-management.ts'
import { tensorsType } from '../../topology/swarm/payload/payload-serde.ts'
import { encodeTensors } from '../../topology/swarm/payload/tensor-codec.ts'
import { type LoadResult, load } from './load.ts'
import { MeasuredProgram } from './measured-program.ts'
import type { Table } from './table.ts'

/**
 * Measures a swarm whose model gets newer versions under a steady load of half the swarm's highest rate. Compares the longest wait of a request while
 * versions change with the longest wait before. A failed request ends the benchmark with an error.
 */
export async function reloadBenchmark({ seconds, reloads = 3 }: { readonly seconds: number; readonly reloads?: number }): Promise<readonly Table[]> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-reload-'))
  const model = resolve(import.meta.dirname, '..', '..', 'swarms', 'teddy-bear-detector', 'models', 'teddy-bear-detector.onnx')
  const put = (version: number) => {
    const folder = join(directory, `.${version}`)
    mkdirSync(folder, { recursive: true })
    cpSync(model, join(folder, 'model.onnx'))
    mkdirSync(join(directory, 'model'), { recursive: true })
    renameSync(folder, join(directory, 'model', String(version)))
  }
  put(1)
  writeFileSync(join(directory, 'swarm.yaml'), swarm)
  const program = await MeasuredProgram.start(
    [resolve(import.meta.dirname, '..', 'cli', 'main.ts'), 'run', join(directory, 'swarm.yaml'), '--json'],
    {
      WAGGLE_DATA_DIR: join(directory, 'data'),
      WAGGLE_HTTP_PORT: '0',
      WAGGLE_CLICKHOUSE_PORT: '0',
    },
  )
  try {
    const pixels = new Uint8Array(256 * 300 * 3).fill(99)
    const body = Buffer.from(encodeTensors({ image: { datatype: 'UINT8', shape: [256, 300, 3], data: pixels } }))
    const url = `${program.ready.gateway}/v1/gateways/judge/request`
    const sending = (options: { readonly clients: number; readonly seconds: number; readonly rate?: number }) =>
      load({ url, bodies: [body], contentType: tensorsType, ...options })
    const full = await sending({ clients: 2 * batchSize, seconds: Math.min(5, seconds) })
    const rate = full.perSecond / 2
    const before = await sending({ clients: 1, seconds, rate })
    const changing = sending({ clients: 1, seconds, rate })
    for (let version = 2; version < 2 + reloads; version++) {
      put(version)
      const response = await fetch(`${program.ready.gateway}/v2/models/reload/bees/judge/reload`, { method: 'POST' })
      const { versions } = (await response.json()) as ModelRow
      if (!versions.some((one) => one.version === String(version) && one.state === 'serving')) throw new Error(`version ${version} does not answer`)
    }
    const during = await changing
    const batchMs = (1000 * batchSize) / full.perSecond
    return [
      {
        title: `A newer version ${reloads} times in ${seconds} s under half of the full load`,
        columns: ['window', 'requests', 'requests/s', 'median ms', 'p99 ms', 'longest ms'],
        rows: [rowOf('before', before), rowOf('while versions change', during)],
      },
      {
        title: 'The price of the newer versions (a failed request would end the benchmark)',
        columns: ['longest wait less that before, ms', `a full batch of ${batchSize}, ms`],
        rows: [[(during.latenciesMs.at(-1) ?? 0) - (before.latenciesMs.at(-1) ?? 0), batchMs]],
        names: 0,
      },
    ]
  } finally {
    await program.stop()
    rmSync(directory, { recursive: true })
  }
}

function rowOf(window: string, { answered, perSecond, medianMs, p99Ms, latenciesMs }: LoadResult): readonly (string | number)[] {
  return [window, answered, perSecond, medianMs, p99Ms, latenciesMs.at(-1) ?? 0]
}

const batchSize = 10
const swarm = `name: reload
bees:
  - {name: entrance, type: gateway-input, spec: {name: judge}}
  - {name: batching, type: batch, input: {name: entrance}, spec: {batch_size: ${batchSize}, timeout_seconds: 1}}
  - {name: judge, type: tensor-rt, input: {name: batching}, spec: {model: ./model}}
  - {name: answer, type: respond, input: {name: judge}}
`
