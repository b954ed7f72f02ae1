import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { brokerJars, type KafkaCluster, startBrokers } from '../../ops/bench/kafka-broker/brokers.ts'
import type { ChangesReport } from './changes-report.ts'
import { type ChangesOptions, changesThroughKills } from './changes-through-kills.ts'
import { textOf } from './chaos-report.ts'
import { CountsThroughKills } from './counts-through-kills.ts'
import { type Ordeal, type ThroughKillsReport, throughKills } from './ordeal.ts'
import { RequestsThroughKills } from './requests-through-kills.ts'

/**
 * Runs three brokers, three processes of a DSL application and three of a swarm under load, exactly once. Every few seconds it kills one of them, or
 * freezes a process until others have taken over. The input contains poison records, unless `--no-poison` is given. Then it updates, rolls back,
 * restarts and kills servers (`changesThroughKills`), on the embedded log and on the brokers. `--report` writes the final report as JSON. Exit status
 * 1: a promise was broken.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    processing: { type: 'string', default: 'exactly_once' },
    report: { type: 'string' },
    'no-poison': { type: 'boolean', default: false },
    log: { type: 'string' },
    servers: { type: 'string', default: '3' },
    changes: { type: 'string' },
  },
})
const [minutes, seed, servers] = [Number(values.minutes), Number(values.seed), Number(values.servers)]
const maxChanges = values.changes === undefined ? Number.POSITIVE_INFINITY : Number(values.changes)
const processing = values.processing === 'at_least_once' ? 'at_least_once' : 'exactly_once'
// Counts are exact only with exactly_once, so that part runs only then.
const parts = (['counts', 'swarm', 'changes'] as const).filter(
  (part) => part === (values.only ?? part) && (part !== 'counts' || processing === 'exactly_once'),
)
const logs = (['embedded', 'kafka'] as const).filter((log) => parts.includes('changes') && log === (values.log ?? log))
const isRight =
  minutes > 0 &&
  Number.isInteger(seed) &&
  [2, 3].includes(servers) &&
  maxChanges > 0 &&
  parts.length > 0 &&
  values.processing === processing &&
  ['embedded', 'kafka', undefined].includes(values.log)
if (!isRight) {
  throw new Error(
    'npm run chaos -- [--minutes 10] [--seed 1] [--only counts|swarm|changes] [--processing exactly_once|at_least_once] [--no-poison] [--report FILE.json] [--log embedded|kafka] [--servers 2|3] [--changes COUNT]',
  )
}
const poison = !values['no-poison']
const hasKills = parts.includes('counts') || parts.includes('swarm')
/** The kills take half of the time, and the changes on each log take a quarter. */
const shares = (hasKills ? 2 : 0) + logs.length

// A process can be ended only after it has started. So an interrupt takes effect when no process is starting any more.
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    say(`${signal}: ends when what is starting has started`)
    interrupted.abort(new Error(`ended by ${signal}`))
  })
}
/** The longest time without a result, in ms, whatever is killed. After a longer time, the output of the processes is printed. */
const longStopMs = 60_000
const startedAt = performance.now()
const { signal } = interrupted
const ordeals: Ordeal[] = []
const whole = { seed, minutes, kills: null as ThroughKillsReport | null, changes: [] as ChangesReport[], held: true }
if (logs.includes('embedded')) await change({ cluster: null, servers: 1 })
if (hasKills || logs.includes('kafka')) await onBrokers()
process.stdout.write(textOf(whole))
if (values.report !== undefined) writeFileSync(values.report, `${JSON.stringify(whole, null, 2)}\n`)
process.exitCode = whole.held ? 0 : 1

async function onBrokers(): Promise<void> {
  const jars = brokerJars()
  if ('missing' in jars) throw new Error(jars.missing)
  say('starting three brokers')
  const cluster = await startBrokers(jars.libs, { nodes: 3 })
  const progress = setInterval(() => {
    if (ordeals.length > 0) say(ordeals.map(({ status }) => status).join(' | '))
    for (const { progress, lastWords } of ordeals) if (progress.standing.ms > longStopMs) say(lastWords)
  }, 10_000)
  try {
    if (hasKills) await kill(cluster)
    await Promise.all(ordeals.splice(0).map((ordeal) => ordeal.close()))
    if (logs.includes('kafka')) await change({ cluster, servers })
  } finally {
    clearInterval(progress)
    await Promise.all(ordeals.map((ordeal) => ordeal.close()))
    await cluster.close()
  }
}

async function kill(cluster: KafkaCluster): Promise<void> {
  if (parts.includes('counts')) ordeals.push(await CountsThroughKills.start(cluster, { poison }))
  signal.throwIfAborted()
  if (parts.includes('swarm')) ordeals.push(await RequestsThroughKills.start({ cluster, processing, processes: 3, pauseMs: 250, poison }))
  const end = performance.now() + (minutes * 60_000 * 2) / shares
  whole.kills = await throughKills({
    ordeals,
    seed,
    cluster,
    pauseMs: [2000, 6000],
    awayMs: [500, 4000],
    isOver: () => performance.now() > end,
    say,
    signal,
  })
  whole.held &&= whole.kills.ordeals.every(({ broken }) => broken.length === 0)
}

async function change(where: Pick<ChangesOptions, 'cluster' | 'servers'>): Promise<void> {
  const end = performance.now() + (minutes * 60_000) / shares
  // With `--changes`, the number of changes alone decides when the run ends, so that the same seed makes the same changes.
  const isOver = (changes: number) => changes >= maxChanges || (values.changes === undefined && performance.now() > end)
  say(where.cluster === null ? 'changes of a server on the embedded log' : `changes of ${where.servers} servers on the brokers`)
  const report = await changesThroughKills({ ...where, processing, seed, isOver, say, signal })
  whole.changes.push(report)
  whole.held &&= report.broken.length === 0
}

function say(line: string): void {
  process.stdout.write(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(5)} s  ${line}\n`)
}
