import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { type LoadResult, load } from './load.ts'
import { MeasuredProgram } from './measured-program.ts'
import { type SwarmWorkload, smallWorkload, teddyWorkload } from './swarm-workloads.ts'
import type { Table } from './table.ts'

export interface SwarmBenchmarkOptions {
  /** The seconds of each load. */
  readonly seconds: number
  readonly clients: number
  /** The minutes of steady load in which memory is measured. With 0, memory is not measured. */
  readonly minutes: number
  /** The swarms to measure. Default: the swarm of three small models, and the teddy swarm. */
  readonly workloads?: readonly SwarmWorkload[]
}

/**
 * Measures the CPU time of a request, the latency and the memory of two programs with the same models: a swarm that joins, saves and durably stores
 * its answers, and a plain server.
 */
export async function swarmBenchmark({
  seconds,
  clients,
  minutes,
  workloads = [smallWorkload(), teddyWorkload()],
}: SwarmBenchmarkOptions): Promise<readonly Table[]> {
  const compared: Compared[] = []
  for (const workload of workloads) compared.push(await compare(workload, seconds, clients))
  const rows = compared.flatMap(({ name, floor, waggle }) => [rowOf(name, 'floor', floor), rowOf(name, 'Waggle', waggle)])
  const tables: Table[] = [
    {
      title: `Swarms, ${clients} clients, against a plain server with the same models (one sync of this disk: ${syncMs().toFixed(2)} ms)`,
      columns: [
        'swarm',
        'program',
        'requests/s',
        'CPU ms/request',
        'median ms',
        'p99 ms',
        'median at ¼ load, ms',
        'p99 at ¼ load, ms',
        'median one at a time, ms',
      ],
      rows,
      names: 2,
      floorRow: 'floor',
    },
    {
      title: 'Waggle less the floor',
      columns: ['swarm', 'CPU ms/request', 'median at ¼ load, ms', 'median one at a time, ms'],
      rows: compared.map(({ name, floor, waggle }) => [
        name,
        waggle.cpuMs - floor.cpuMs,
        waggle.quarter.medianMs - floor.quarter.medianMs,
        waggle.alone.medianMs - floor.alone.medianMs,
      ]),
    },
  ]
  if (minutes > 0) tables.push(await memoryOver(teddyWorkload(), minutes, Math.max(1, (compared.at(-1)?.waggle.full.perSecond ?? 0) / 2)))
  return tables
}

interface Compared {
  readonly name: string
  readonly floor: Measured
  readonly waggle: Measured
}

interface Measured {
  readonly full: LoadResult
  /** CPU milliseconds a request, of the whole process tree under full load. */
  readonly cpuMs: number
  readonly quarter: LoadResult
  readonly alone: LoadResult
}

async function compare(workload: SwarmWorkload, seconds: number, clients: number): Promise<Compared> {
  const floor = await startFloor(workload)
  const waggle = await startWaggle(workload)
  try {
    const programs = [
      { program: floor, url: floor.ready.gateway },
      { program: waggle.program, url: waggle.url },
    ] as const
    const { bodies, contentType } = workload
    const sending = (url: string, options: { clients: number; seconds: number; rate?: number }) => load({ url, bodies, contentType, ...options })
    const full = []
    for (const { program, url } of programs) {
      await sending(url, { clients, seconds: Math.min(5, seconds) })
      const before = program.usage().cpuMs
      const result = await sending(url, { clients, seconds })
      full.push({ full: result, cpuMs: (program.usage().cpuMs - before) / result.answered })
    }
    const rate = Math.min(...full.map((each) => each.full.perSecond)) / 4
    const measured: Measured[] = []
    for (const [at, { url }] of programs.entries()) {
      const quarter = await sending(url, { clients, seconds, rate })
      const alone = await sending(url, { clients: 1, seconds: Math.min(5, seconds) })
      measured.push({ ...(full[at] as (typeof full)[number]), quarter, alone })
    }
    return { name: workload.name, floor: measured[0] as Measured, waggle: measured[1] as Measured }
  } finally {
    await floor.stop()
    await waggle.stop()
  }
}

function rowOf(swarm: string, program: string, { full, cpuMs, quarter, alone }: Measured): readonly (string | number)[] {
  return [swarm, program, full.perSecond, cpuMs, full.medianMs, full.p99Ms, quarter.medianMs, quarter.p99Ms, alone.medianMs]
}

/** Measures the memory of the whole process tree, averaged over each minute of a steady load. */
async function memoryOver(workload: SwarmWorkload, minutes: number, rate: number): Promise<Table> {
  const { program, url, stop } = await startWaggle(workload)
  try {
    const averages: number[] = []
    for (let minute = 1; minute <= minutes; minute++) {
      const samples: number[] = []
      for (let sixth = 0; sixth < 6; sixth++) {
        await load({ url, bodies: workload.bodies, contentType: workload.contentType, clients: 32, seconds: 10, rate })
        samples.push(program.usage().residentBytes)
      }
      averages.push(samples.reduce((sum, bytes) => sum + bytes, 0) / samples.length / 2 ** 20)
    }
    return {
      title: `Memory of ${workload.name} with its processes at ${rate.toFixed(0)} requests/s, MiB, averaged by minute`,
      columns: averages.map((_, at) => `minute ${at + 1}`),
      rows: [averages],
      names: 0,
    }
  } finally {
    await stop()
  }
}

function startFloor({ file }: SwarmWorkload): Promise<MeasuredProgram> {
  return MeasuredProgram.start([join(import.meta.dirname, 'floor-program.ts'), file], {})
}

async function startWaggle({ file, gateway }: SwarmWorkload): Promise<{ program: MeasuredProgram; url: string; stop: () => Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
  const program = await MeasuredProgram.start([resolve(import.meta.dirname, '..', 'cli', 'main.ts'), 'run', file, '--json'], {
    WAGGLE_DATA_DIR: directory,
    WAGGLE_HTTP_PORT: '0',
    WAGGLE_CLICKHOUSE_PORT: '0',
  })
  return {
    program,
    url: `${program.ready.gateway}/v1/gateways/${gateway}/request`,
    async stop() {
      await program.stop()
      rmSync(directory, { recursive: true })
    },
  }
}

/** The median time, in ms, of 200 appends of 4 KiB, each with an fdatasync. */
function syncMs(): number {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
  const file = openSync(join(directory, 'sync'), 'w')
  const block = Buffer.alloc(4096)
  const samples = Array.from({ length: 200 }, () => {
    const startedMs = systemClock.elapsedMs()
    writeSync(file, block)
    fdatasyncSync(file)
    return systemClock.elapsedMs() - startedMs
  })
  closeSync(file)
  rmSync(directory, { recursive: true })
  return samples.sort((a, b) => a - b)[100] ?? 0
}
