import type { Stop } from './progress.ts'

export interface ChangesReport {
  readonly log: 'embedded' | 'kafka'
  readonly processing: 'at_least_once' | 'exactly_once'
  readonly servers: number
  readonly seed: number
  readonly changes: readonly DoneChange[]
  /** The requests that were accepted. */
  readonly requests: number
  /** The parts that callers got as they came. */
  readonly parts: number
  /** The times that a stream went on behind its last event. */
  readonly resumed: number
  /** The answers that callers waited for, by the version of the swarm that gave them. */
  readonly answersOf: { readonly [version: string]: number }
  /** The longest time in which a caller got nothing. */
  readonly longestStop: Stop
  /** Broken promises; empty if all held. */
  readonly broken: readonly string[]
}

export interface DoneChange {
  readonly kind: string
  /** The begin, counted from the start of the servers. */
  readonly atMs: number
  /** The time until each caller had got what it asked for after the begin of the change. */
  readonly tookMs: number
  /** The processes, and the outcome of an update. */
  readonly result: string
}

/** The report as text, with the command that does the same changes again. */
export function changesText(report: ChangesReport): string {
  const { log, processing, servers, seed, changes, requests, parts, resumed, answersOf, longestStop, broken } = report
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
  const rows = changes.map(({ kind, atMs, tookMs, result }, at) => [String(at + 1), seconds(atMs), kind, seconds(tookMs), result])
  const widths = [3, 9, Math.max(6, ...changes.map(({ kind }) => kind.length)), 8]
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, at) => (at === 0 || at === 1 || at === 3 ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0))).join('  ')}`
  const answers = Object.entries(answersOf).map(([version, count]) => `${count} by ${version}`)
  return [
    '',
    `Changes on ${log === 'embedded' ? 'the embedded log' : `Kafka, ${processing}, ${servers} servers`}, seed ${seed}:`,
    line(['', 'at', 'change', 'took', 'what']),
    ...rows.map(line),
    `${requests} requests accepted, answered ${answers.join(', ')} (the others were only submitted); ${parts} parts as they came, streams went on ${resumed} times`,
    `longest stop ${seconds(longestStop.ms)}, of ${longestStop.part}, from ${seconds(longestStop.beganAtMs)} on`,
    ...broken.slice(0, shown).map((what) => `BROKEN: ${what}`),
    ...(broken.length > shown ? [`… and ${broken.length - shown} more`] : []),
    `Again: ${againCommand(report)}`,
    '',
  ].join('\n')
}

function againCommand({ log, processing, servers, seed, changes }: ChangesReport): string {
  const where = log === 'embedded' ? '' : ` --servers ${servers} --processing ${processing}`
  return `npm run chaos -- --only changes --log ${log}${where} --seed ${seed} --changes ${changes.length}`
}

const shown = 10
