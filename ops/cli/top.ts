import { setTimeout as pause } from 'node:timers/promises'
import type { BeeRow, SwarmRow } from '../../topology/swarm/swarm-management.ts'
import { processText } from './bees.ts'
import { exitStatus } from './exit-status.ts'
import type { ServerOptions } from './server-options.ts'
import { call } from './swarms.ts'
import { textTable } from './text-table.ts'

export interface TopOptions extends ServerOptions {
  /** The seconds between two readings of the counts. */
  readonly every: number
  /** The number of tables; null to continue until Ctrl-C. */
  readonly max: number | null
}

/** The work of a bee between two readings. */
export interface BeeRate {
  readonly swarm: string
  readonly bee: string
  readonly type: string
  readonly state: BeeRow['state']
  /** The run of the process that has these counts. */
  readonly instance: string
  /** Null at the first reading of a process, which has no earlier count. */
  readonly results_per_second: number | null
  readonly failed_per_second: number | null
  readonly results_total: number
  readonly failed_total: number
  /** The mean time of a call since the swarm started; null if there was no call. */
  readonly mean_call_seconds: number | null
}

/**
 * `waggle top [SWARM]`: prints the bees with their results and failures a second, the busiest first. A terminal shows one table that is updated; a
 * pipe gets one table after the other.
 */
export async function top(swarm: string | null, options: TopOptions): Promise<number> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const isScreen = process.stdout.isTTY === true && !options.json
  const limit = options.max ?? Number.POSITIVE_INFINITY
  // A service of several processes is answered by one or the other, and each has counts of its own.
  const seen = new Map<string, Look>()
  const keep = (one: Look) => {
    const instance = instanceOf(one)
    if (instance !== null) seen.set(instance, one)
  }
  keep(await look(swarm, options))
  for (let shown = 0; shown < limit; shown++) {
    await pause(options.every * 1000, null, { signal: stop.signal }).catch(() => {})
    if (stop.signal.aborted) break
    const now = await look(swarm, options)
    const rates = ratesOf(seen.get(instanceOf(now) ?? '') ?? null, now)
    const text = options.json ? JSON.stringify({ at: now.at, bees: rates }) : tableOf(rates, isScreen ? (process.stdout.rows ?? usualRows) - 1 : null)
    process.stdout.write(isScreen ? `\x1b[H\x1b[J${text}\n` : `${text}\n${options.json ? '' : '\n'}`)
    keep(now)
  }
  return exitStatus.done
}

export interface Look {
  /** The time in epoch milliseconds. */
  readonly at: number
  readonly bees: readonly BeeRow[]
}

/** The rates between two readings of the same process. A count that has fallen belongs to a new version, which started at zero. */
export function ratesOf(before: Look | null, now: Look): readonly BeeRate[] {
  const seconds = Math.max(0.001, (now.at - (before?.at ?? 0)) / 1000)
  const earlier = new Map((before?.bees ?? []).map((bee) => [nameOf(bee), bee]))
  const rateOf = (row: BeeRow, count: 'results_total' | 'failed_total') => {
    if (before === null) return null
    const last = earlier.get(nameOf(row))?.[count] ?? 0
    return (row[count] - (row[count] < last ? 0 : last)) / seconds
  }
  return now.bees
    .map((row) => ({
      swarm: row.swarm,
      bee: row.name,
      type: row.type,
      state: row.state,
      instance: row.instance,
      results_per_second: rateOf(row, 'results_total'),
      failed_per_second: rateOf(row, 'failed_total'),
      results_total: row.results_total,
      failed_total: row.failed_total,
      mean_call_seconds: row.mean_call_seconds,
    }))
    .toSorted((a, b) => busy(b) - busy(a) || (rateName(a) < rateName(b) ? -1 : 1))
}

async function look(swarm: string | null, options: ServerOptions): Promise<Look> {
  const rows = (await call(options, { method: 'GET', path: '/v1/swarms' })) as readonly SwarmRow[]
  const names = swarm === null ? rows.map(({ name }) => name) : [swarm]
  const bees = await Promise.all(names.map((name) => call(options, { method: 'GET', path: `/v1/swarms/${encodeURIComponent(name)}/bees` })))
  return { at: Date.now(), bees: bees.flat() as readonly BeeRow[] }
}

function tableOf(rates: readonly BeeRate[], rows: number | null): string {
  const cells = rates.map((rate) => [
    rate.swarm,
    rate.bee,
    rate.state,
    processText(rate.instance),
    rate.results_per_second?.toFixed(1) ?? '-',
    rate.failed_per_second?.toFixed(1) ?? '-',
    String(rate.results_total),
    String(rate.failed_total),
    rate.mean_call_seconds === null ? '-' : `${(rate.mean_call_seconds * 1000).toFixed(1)} ms`,
  ])
  const lines = textTable(['swarm', 'bee', 'state', 'process', 'results/s', 'failed/s', 'results', 'failed', 'call'], cells).split('\n')
  return (rows === null ? lines : lines.slice(0, rows)).join('\n')
}

/** The process that gave all rows of a reading; null for a reading without rows, and for rows of several processes. */
function instanceOf({ bees }: Look): string | null {
  const instances = new Set(bees.map(({ instance }) => instance))
  return instances.size === 1 ? ([...instances][0] ?? null) : null
}

function busy({ results_per_second, failed_per_second }: BeeRate): number {
  return (results_per_second ?? 0) + (failed_per_second ?? 0)
}

function nameOf({ swarm, name }: BeeRow): string {
  return `${swarm}/${name}`
}

function rateName({ swarm, bee }: BeeRate): string {
  return `${swarm}/${bee}`
}

const usualRows = 24
