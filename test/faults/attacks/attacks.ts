import { setTimeout as pause } from 'node:timers/promises'
import type { Attack } from './attack.ts'
import { Neighbours, type Notice } from './neighbours.ts'
import { badRequests, clickhouseDoor, manySockets, shortRetries, silentSockets, slowBodies } from './network-attacks.ts'
import { explodingPictures } from './picture-attacks.ts'
import { deepValues, hostileProcesses, hostileResults } from './value-attacks.ts'
import { Victim } from './victim.ts'

const attacks: readonly Attack[] = [
  deepValues,
  hostileResults,
  hostileProcesses,
  shortRetries,
  badRequests,
  silentSockets,
  manySockets,
  slowBodies,
  explodingPictures,
  clickhouseDoor,
]

interface AttackReport {
  readonly name: string
  readonly broken: readonly string[]
  readonly notice: Notice
  /** Resident memory before the attack and five seconds after it. */
  readonly beforeBytes: number
  readonly afterBytes: number
}

/**
 * Attacks of one stranger on the others. Each attack runs against a real process while neighbours send requests. The attack must not break a promise,
 * and the neighbours must not notice it.
 *
 *     npm run faults -- --attacks [--only REGEX]
 */
export async function attackAll({ only, say }: { readonly only: RegExp | null; readonly say: (line: string) => void }): Promise<{
  readonly attacks: readonly AttackReport[]
  readonly broken: readonly string[]
}> {
  const chosen = attacks.filter(({ name }) => only?.test(name) ?? true)
  const victim = await Victim.start()
  const reports: AttackReport[] = []
  const ended: string[] = []
  try {
    const quiet = new Neighbours(victim)
    await pause(5_000)
    const alone = await quiet.leave()
    say(`neighbours alone: median ${alone.medianMs.toFixed(1)} ms, slowest ${alone.slowestMs.toFixed(0)} ms, ${mib(alone.mostBytes)} MiB`)
    for (const { name, run } of chosen) {
      const beforeBytes = victim.program.usage().residentBytes
      const neighbours = new Neighbours(victim)
      const broken = await run(victim)
      const notice = await neighbours.leave()
      await pause(5_000)
      const afterBytes = victim.program.usage().residentBytes
      const noticed = [
        ...notice.wrong.slice(0, 5),
        ...(notice.slowestMs > mostWaitMs ? [`a neighbour waited ${Math.round(notice.slowestMs)} ms`] : []),
        ...(notice.mostBytes > beforeBytes + mostMoreBytes ? [`memory grew by ${mib(notice.mostBytes - beforeBytes)} MiB`] : []),
      ]
      const report = { name, broken: [...broken, ...noticed], notice, beforeBytes, afterBytes }
      reports.push(report)
      say(lineOf(report))
      for (const one of report.broken.slice(0, 20)) say(`    ${one}`)
    }
  } finally {
    const status = await victim.stop()
    if (status !== 0) ended.push(`the process ended with status ${status}: ${victim.program.lastWords}`)
  }
  return { attacks: reports, broken: [...reports.flatMap((report) => report.broken), ...ended] }
}

function lineOf({ name, broken, notice, beforeBytes, afterBytes }: AttackReport): string {
  const { asked, medianMs, slowestMs, mostBytes } = notice
  const memory = `${mib(beforeBytes)} → ${mib(mostBytes)} → ${mib(afterBytes)} MiB`
  return `${broken.length === 0 ? '✔' : '✖'} ${name}: ${asked} neighbours, median ${medianMs.toFixed(1)} ms, slowest ${slowestMs.toFixed(0)} ms; ${memory}`
}

/** The longest wait of a neighbour that is allowed. It is long, because the attack keeps the two cores of this machine busy. */
const mostWaitMs = 5_000
const mostMoreBytes = 768 * 1024 * 1024

function mib(bytes: number): number {
  return Math.round(bytes / 1024 / 1024)
}
