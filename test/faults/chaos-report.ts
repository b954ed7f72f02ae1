import { type ChangesReport, changesText } from './changes-report.ts'
import type { OrdealReport, ThroughKillsReport } from './ordeal.ts'

export interface ChaosReport {
  readonly seed: number
  readonly minutes: number
  /** The kills of processes and brokers; null if there were none. */
  readonly kills: ThroughKillsReport | null
  /** The changes of servers, once for each log. */
  readonly changes: readonly ChangesReport[]
  /** True if no promise was broken. */
  readonly held: boolean
}

/** The report as text. */
export function textOf({ seed, minutes, kills, changes, held }: ChaosReport): string {
  return [
    ...(kills === null ? [] : killsText(kills, `${minutes} minutes, seed ${seed}`)),
    ...changes.map(changesText),
    held ? 'Everything held.' : 'NOT everything held.',
    '',
  ].join('\n')
}

function killsText({ killedProcesses, killedBrokers, frozenProcesses, ordeals }: ThroughKillsReport, run: string): readonly string[] {
  return [
    '',
    `${run}: ${killedProcesses} processes and ${killedBrokers} brokers killed, ${frozenProcesses} processes frozen`,
    ...ordeals.flatMap(linesOf),
  ]
}

function linesOf({ name, counted, longestStop, recovery, broken }: OrdealReport): readonly string[] {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
  return [
    `${name}: ${Object.entries(counted)
      .map(([what, count]) => `${count} ${what}`)
      .join(', ')}`,
    ...Object.entries(recovery).map(
      ([kind, { kills, medianMs, maxMs }]) =>
        `  recovered from ${kills} kills of a ${kind} in ${seconds(medianMs)} (median), ${seconds(maxMs)} (longest)`,
    ),
    `  longest stop ${seconds(longestStop.ms)}, of ${longestStop.part}, from ${seconds(longestStop.beganAtMs)} on`,
    ...broken.slice(0, shown).map((what) => `  BROKEN: ${what}`),
    ...(broken.length > shown ? [`  … and ${broken.length - shown} more`] : []),
  ]
}

const shown = 10
