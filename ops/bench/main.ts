import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { exitStatus } from '../cli/exit-status.ts'
import type { Table } from './table.ts'
import { printTable } from './table.ts'

/** `npm run bench -- engine | streams | workers | swarm`: each measures a floor in the same run, and prints a table, or JSON. */
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '10' },
    clients: { type: 'string', default: '32' },
    minutes: { type: 'string', default: '0' },
    records: { type: 'string', default: '' },
    keys: { type: 'string', default: '' },
    caches: { type: 'string', default: '10485760,0' },
    only: { type: 'string', default: '' },
  },
})

const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}, ${process.platform}-${process.arch}`
const [what] = positionals

if (what === 'engine') {
  const { engineBenchmark } = await import('./engine.ts')
  show(await engineBenchmark({ records: Number(values.records || 400_000) }))
} else if (what === 'swarm') {
  const { swarmBenchmark } = await import('./swarm.ts')
  show(await swarmBenchmark({ seconds: Number(values.seconds), clients: Number(values.clients), minutes: Number(values.minutes) }))
} else if (what === 'streams') {
  const { streamsBenchmark } = await import('./streams.ts')
  const keys = numbers(values.keys || '100,10000,1000000')
  show(await streamsBenchmark({ records: Number(values.records || 100_000), keys, only: values.only }))
} else if (what === 'workers') {
  const { workersBenchmark } = await import('./workers.ts')
  show([workersBenchmark({ records: Number(values.records || 200_000) })])
} else if (what === 'keys') {
  const { keysBenchmark } = await import('./keys.ts')
  show(await keysBenchmark({ keys: numbers(values.keys || '1000000,5000000,10000000') }))
} else if (what === 'kafka') {
  const { kafkaBenchmark } = await import('./kafka.ts')
  const { only, caches } = values
  show(await kafkaBenchmark({ records: Number(values.records || 1_000_000), keys: Number(values.keys || 10_000), caches: numbers(caches), only }))
} else {
  process.stderr.write(
    'Usage: npm run bench -- engine [--records N] | streams [--records N] [--keys N,N] [--only NAME] | workers [--records N] | swarm [--seconds N] [--clients N] [--minutes N]   [--json]\n',
  )
  process.exit(exitStatus.usage)
}

function show(tables: readonly Table[]): void {
  if (values.json) process.stdout.write(`${JSON.stringify({ machine, tables })}\n`)
  else {
    process.stdout.write(`${machine}\n`)
    for (const table of tables) printTable(table)
  }
  process.exit(exitStatus.done)
}

function numbers(list: string): readonly number[] {
  return list.split(',').map(Number)
}
