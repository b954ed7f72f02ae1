import { spawnSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { ownMember } from '../../topology/own-member.ts'
import { exitStatus } from '../cli/exit-status.ts'
import { comparison, type Kept } from './comparison.ts'
import { keep, keptBenchmarks } from './kept-benchmarks.ts'
import type { Table } from './table.ts'
import { printTable } from './table.ts'

/**
 * `npm run bench -- NAME`: runs a benchmark with its floor or peer, and prints a table, or JSON. `--keep` stores the numbers in docs/benchmarks.json.
 * `--compare` compares the run with the kept numbers. `--compare` without a name compares the kept numbers with the numbers that were kept before
 * them.
 */
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    compare: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '10' },
    clients: { type: 'string', default: '32' },
    minutes: { type: 'string', default: '0' },
    records: { type: 'string', default: '' },
    keys: { type: 'string', default: '' },
    caches: { type: 'string', default: '10485760,0' },
    partitions: { type: 'string', default: '4,64,1024' },
    swarms: { type: 'string', default: '1,100' },
    bees: { type: 'string', default: '50' },
    rate: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
  },
})

const benchmarks: { readonly [name: string]: () => Promise<readonly Table[]> } = {
  async engine() {
    const { engineBenchmark } = await import('./engine.ts')
    return engineBenchmark({ records: Number(values.records || 400_000) })
  },
  async streams() {
    const { streamsBenchmark } = await import('./streams.ts')
    const keys = numbers(values.keys || '100,10000,1000000')
    return streamsBenchmark({ records: Number(values.records || 100_000), keys, only: values.only })
  },
  async bees() {
    const { beesBenchmark } = await import('./bees.ts')
    return beesBenchmark({ seconds: Number(values.seconds), only: values.only })
  },
  async workers() {
    const { workersBenchmark } = await import('./workers.ts')
    return [workersBenchmark({ records: Number(values.records || 200_000) })]
  },
  async keys() {
    const { keysBenchmark } = await import('./keys.ts')
    return keysBenchmark({ keys: numbers(values.keys || '1000000,5000000,10000000') })
  },
  async kafka() {
    const { kafkaBenchmark } = await import('./kafka.ts')
    const [records, keys] = [Number(values.records || 1_000_000), Number(values.keys || 10_000)]
    return kafkaBenchmark({ records, keys, caches: numbers(values.caches), only: values.only })
  },
  async 'kafka-swarm'() {
    const { kafkaSwarmBenchmark } = await import('./kafka-swarm.ts')
    return kafkaSwarmBenchmark({ seconds: Number(values.seconds), rate: Number(values.rate), only: values.only })
  },
  async requests() {
    const { requestsBenchmark } = await import('./requests.ts')
    const [partitions, swarms] = [numbers(values.partitions), numbers(values.swarms)]
    return requestsBenchmark({ seconds: Number(values.seconds), clients: Number(values.clients), partitions, swarms })
  },
  async restart() {
    const { restartBenchmark } = await import('./restart.ts')
    return restartBenchmark({ seconds: Number(values.seconds), clients: Number(values.clients) })
  },
  async overload() {
    const { overloadBenchmark } = await import('./overload.ts')
    return overloadBenchmark({ minutes: Number(values.minutes) || 10, clients: Number(values.clients) })
  },
  async telemetry() {
    const { telemetryBenchmark } = await import('./telemetry.ts')
    return telemetryBenchmark({ seconds: Number(values.seconds), clients: Number(values.clients), records: Number(values.records || 500_000) })
  },
  async server() {
    const { serverBenchmark } = await import('./server.ts')
    return serverBenchmark({ seconds: Number(values.seconds), clients: Number(values.clients), swarms: Math.max(...numbers(values.swarms)) })
  },
  async models() {
    const { modelsBenchmark } = await import('./models.ts')
    return modelsBenchmark({ seconds: Number(values.seconds), clients: Number(values.clients) })
  },
  async page() {
    const { pageBenchmark } = await import('./page.ts')
    return pageBenchmark({ seconds: Number(values.seconds), bees: Number(values.bees) })
  },
  async pictures() {
    const { picturesBenchmark } = await import('./pictures.ts')
    return picturesBenchmark({ seconds: Number(values.seconds) })
  },
  async swarm() {
    const { swarmBenchmark } = await import('./swarm.ts')
    return swarmBenchmark({ seconds: Number(values.seconds), clients: Number(values.clients), minutes: Number(values.minutes) })
  },
}

const [what] = positionals
const benchmark = what === undefined ? undefined : ownMember(benchmarks, what)
if (what !== undefined && benchmark !== undefined && !(values.keep && values.only !== '')) process.exit(await run(what, benchmark))
else if (what === undefined && values.compare) process.exit(compareKept())
else usage()

async function run(name: string, measured: () => Promise<readonly Table[]>): Promise<number> {
  const now: Kept = { date: new Date().toISOString().slice(0, 10), machine: machine(), commit: commit(), tables: await measured() }
  const kept = keptBenchmarks()[name]?.kept
  if (!values.compare) show(now.machine, now.tables)
  else if (kept === undefined) process.stderr.write(`Nothing is kept of ${name}: keep it with --keep.\n`)
  const worse = values.compare && kept !== undefined ? compare(name, kept, now) : 0
  if (values.keep) keep(name, now)
  return worse === 0 ? exitStatus.done : exitStatus.wrongInput
}

function compareKept(): number {
  const worse = Object.entries(keptBenchmarks()).map(([name, { kept, before }]) => (before === null ? 0 : compare(name, before, kept)))
  return worse.every((one) => one === 0) ? exitStatus.done : exitStatus.wrongInput
}

/** Prints the comparison, and returns the number of figures that got worse. */
function compare(name: string, kept: Kept, now: Kept): number {
  const of = ({ date, commit, machine }: Kept) => `${date} at ${commit} on ${machine}`
  const { table, worse } = comparison({ title: `${name}: kept ${of(kept)}; now ${of(now)}`, kept, now })
  show(now.machine, [table])
  return worse
}

function show(on: string, tables: readonly Table[]): void {
  if (values.json) process.stdout.write(`${JSON.stringify({ machine: on, tables })}\n`)
  else {
    process.stdout.write(`${on}\n`)
    for (const table of tables) printTable(table)
  }
}

function machine(): string {
  const cores = cpus()
  return `${cores.length} × ${cores[0]?.model ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}, ${process.platform}-${process.arch}`
}

/** The commit's hash, followed by a + if the working tree has changes. */
function commit(): string {
  const git = (...argv: string[]) => spawnSync('git', argv, { cwd: import.meta.dirname, encoding: 'utf8' }).stdout?.trim() ?? ''
  return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+'}`
}

function numbers(list: string): readonly number[] {
  return list.split(',').map(Number)
}

function usage(): never {
  process.stderr.write(
    [
      'Usage: npm run bench -- engine [--records N] | streams [--records N] [--keys N,N] [--only NAME] | workers [--records N] | keys [--keys N,N]',
      '       | kafka [--records N] [--keys N] [--caches BYTES,BYTES] [--only NAME] | swarm [--seconds N] [--clients N] [--minutes N]',
      '       | models [--seconds N] [--clients N] | pictures [--seconds N] | bees [--seconds N] [--only NAME]',
      '       | requests [--seconds N] [--clients N] [--partitions N,N] [--swarms N,N]',
      '       | overload [--minutes N] [--clients N] | restart [--seconds N] [--clients N] | bees [--seconds N]',
      '       | telemetry [--seconds N] [--clients N] [--records N]',
      '       | kafka-swarm [--seconds N] [--rate N] [--only NAME] | server [--seconds N] [--clients N] [--swarms N]',
      '       | page [--seconds N] [--bees N]',
      '       [--json] [--compare] [--keep, without --only]   or   npm run bench -- --compare\n',
    ].join('\n'),
  )
  process.exit(exitStatus.usage)
}
