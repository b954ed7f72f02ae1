import type { OrdealReport, ThroughKillsReport } from './ordeal.ts'

export interface ChaosReport extends ThroughKillsReport {
  readonly seed: number
  readonly minutes: number
  /** True if no promise was broken. */
  readonly held: boolean
}

/** The report as text. */
export function textOf({ seed, minutes, held, killedProcesses, killedBrokers, frozenProcesses, ordeals }: ChaosReport): string {
  return [
    '',
    `${minutes} minutes, seed ${seed}: ${killedProcesses} processes and ${killedBrokers} brokers killed, ${frozenProcesses} processes frozen`,
    ...ordeals.flatMap(linesOf),
    held ? 'Everything held.' : 'NOT everything held.',
    '',
  ].join('\n')
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
