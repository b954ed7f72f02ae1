import { setTimeout as pause } from 'node:timers/promises'
import type { BeeLine, BeeRow, SwarmRow } from '../../topology/swarm/swarm-management.ts'
import { exitStatus } from './exit-status.ts'
import type { ServerOptions } from './server-options.ts'
import { call, print } from './swarms.ts'
import { terminalText } from './terminal-text.ts'
import { textTable } from './text-table.ts'
import { timeText } from './time-text.ts'

/** `waggle bees list [SWARM]`: prints the bees of the server's swarms, with the counts of their calls. */
export async function listBees(swarm: string | null, options: ServerOptions): Promise<number> {
  const swarms =
    swarm === null ? ((await call(options, { method: 'GET', path: '/v1/swarms' })) as readonly SwarmRow[]).map(({ name }) => name) : [swarm]
  const rows = (await Promise.all(swarms.map((name) => call(options, { method: 'GET', path: `${pathOf(name)}/bees` })))).flat() as BeeRow[]
  print(options, rows, tableOf(rows))
  return exitStatus.done
}

/** `waggle bees get SWARM BEE`: prints one bee, with the counts of its calls. */
export async function getBee(swarm: string, bee: string, options: ServerOptions): Promise<number> {
  const row = (await call(options, { method: 'GET', path: beePath(swarm, bee) })) as BeeRow
  print(options, row, tableOf([row]))
  return exitStatus.done
}

/** `waggle bees logs SWARM BEE`: prints the last log lines of a bee. With `follow` it also prints new lines until Ctrl-C. */
export async function beeLogs(swarm: string, bee: string, options: ServerOptions & { readonly follow: boolean }): Promise<number> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  for (let after = 0; !stop.signal.aborted; ) {
    const lines = (await call(options, { method: 'GET', path: `${beePath(swarm, bee)}/logs?after=${after}` })) as readonly BeeLine[]
    for (const line of lines) {
      after = line.sequence
      const text = `${timeText(line.time)}  ${line.level.padEnd(5)}  ${line.message.replaceAll('\n', ' ⏎ ')}${line.request_id === undefined ? '' : ` (request ${line.request_id})`}`
      process.stdout.write(`${options.json ? JSON.stringify(line) : terminalText(text)}\n`)
    }
    if (!options.follow) break
    await pause(betweenLooksMs, null, { signal: stop.signal }).catch(() => {})
  }
  return exitStatus.done
}

function tableOf(rows: readonly BeeRow[]): string {
  const cells = rows.map((row) => [
    row.swarm,
    row.name,
    row.type,
    row.state,
    processText(row.instance),
    String(row.results_total),
    String(row.failed_total),
    row.mean_call_seconds === null ? '-' : `${(row.mean_call_seconds * 1000).toFixed(1)} ms`,
  ])
  return textTable(['swarm', 'bee', 'type', 'state', 'process', 'results', 'failed', 'call'], cells)
}

/** The end of a process's id, which differs between the processes behind one address. */
export function processText(instance: string): string {
  return instance.slice(-8)
}

function pathOf(swarm: string): string {
  return `/v1/swarms/${encodeURIComponent(swarm)}`
}

function beePath(swarm: string, bee: string): string {
  return `${pathOf(swarm)}/bees/${encodeURIComponent(bee)}`
}

const betweenLooksMs = 500
