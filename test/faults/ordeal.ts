import { setTimeout as pause } from 'node:timers/promises'
import type { KafkaCluster } from '../../ops/bench/kafka-broker/brokers.ts'
import { SimulatedRandom } from '../../processor/simulation/simulated-random.ts'
import { brokersAsVictims, type KillsOptions, killAtRandom, type Victims } from './kills.ts'
import type { Progress, Recovery, Stop } from './progress.ts'

/** Processes under load that may be killed. Afterwards they check their own outputs. */
export interface Ordeal {
  readonly name: string
  readonly victims: Victims
  readonly progress: Progress
  /** The progress in one line, for people who watch. */
  readonly status: string
  /** The last output of the ordeal's processes, to explain why no results come. */
  readonly lastWords: string
  /** Ends the load, waits for the last results and checks them. */
  finish(): Promise<Outcome>
  close(): Promise<void>
}

export interface Outcome {
  readonly counted: { readonly [what: string]: number }
  /** Broken promises; empty if all promises held. */
  readonly broken: readonly string[]
}

export interface OrdealReport extends Outcome {
  readonly name: string
  readonly longestStop: Stop
  /** The time from a kill until every part has returned a result for an input that was sent after the kill. */
  readonly recovery: { readonly [kind in Victims['kind']]: Recovered }
}

export interface Recovered {
  readonly kills: number
  readonly medianMs: number
  readonly maxMs: number
}

export interface ThroughKillsOptions extends Pick<KillsOptions, 'isOver' | 'pauseMs' | 'awayMs' | 'say'> {
  readonly ordeals: readonly Ordeal[]
  readonly seed: number
  /** Brokers that may be killed too; undefined if only processes are killed. */
  readonly cluster?: KafkaCluster
  /** The signal to end the run early. When it aborts, the run is rejected after all processes are back. */
  readonly signal?: AbortSignal
}

export interface ThroughKillsReport {
  readonly killedProcesses: number
  readonly killedBrokers: number
  readonly frozenProcesses: number
  readonly ordeals: readonly OrdealReport[]
}

/** Kills processes of all ordeals, and brokers, under load, until every part works again. Then each ordeal checks its outputs. */
export async function throughKills({ ordeals, seed, cluster, signal, ...options }: ThroughKillsOptions): Promise<ThroughKillsReport> {
  const victims = ordeals.map((ordeal) => ordeal.victims)
  if (cluster !== undefined) victims.push(brokersAsVictims(cluster))
  for (const { progress } of ordeals) progress.begin()
  const killed = await killAtRandom({
    ...options,
    isOver: (count) => signal?.aborted === true || options.isOver(count),
    victims,
    random: new SimulatedRandom(seed),
    onKill: (kind) => {
      for (const { progress } of ordeals) progress.killed(kind)
    },
  })
  for (const { progress } of ordeals) await waitFor(() => signal?.aborted === true || progress.waitedFor.length === 0, recoveryMs)
  const reports: OrdealReport[] = []
  for (const ordeal of ordeals) {
    signal?.throwIfAborted()
    const { name, progress } = ordeal
    progress.end()
    const { longestStop, recoveries, waitedFor } = progress
    const stands = waitedFor.map((part) => `nothing that was sent after the last kill had come out of ${part} within ${recoveryMs / 1000} s`)
    options.say?.(`${name}: the load ends`)
    const { counted, broken } = await ordeal.finish()
    const recovery = { process: recovered(recoveries, 'process'), broker: recovered(recoveries, 'broker') }
    reports.push({ name, counted, longestStop, recovery, broken: [...stands, ...broken] })
  }
  return { killedProcesses: killed.processes, killedBrokers: killed.brokers, frozenProcesses: killed.frozen, ordeals: reports }
}

/** Waits for a condition. False if it did not become true in time. */
export async function waitFor(isSo: () => boolean, timeoutMs: number): Promise<boolean> {
  for (const end = performance.now() + timeoutMs; !isSo(); await pause(50)) if (performance.now() > end) return false
  return true
}

function recovered(recoveries: readonly Recovery[], kind: Victims['kind']): Recovered {
  const sorted = recoveries
    .filter(({ of }) => of === kind)
    .map(({ ms }) => Math.round(ms))
    .sort((a, b) => a - b)
  return { kills: sorted.length, medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0, maxMs: sorted.at(-1) ?? 0 }
}

const recoveryMs = 120_000
