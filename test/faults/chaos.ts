import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { brokerJars, startBrokers } from '../../ops/bench/kafka-broker/brokers.ts'
import { type ChaosReport, textOf } from './chaos-report.ts'
import { CountsThroughKills } from './counts-through-kills.ts'
import { type Ordeal, throughKills } from './ordeal.ts'
import { RequestsThroughKills } from './requests-through-kills.ts'

/**
 * Runs three brokers, three processes of a DSL application and three processes of a swarm under load, exactly once. Every few seconds it kills a
 * broker or a process, or freezes a process until others have taken over. The input contains poison records, unless `--no-poison` is given.
 * `--report` writes the final report as JSON. Exit status 1: a promise was broken.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    processing: { type: 'string', default: 'exactly_once' },
    report: { type: 'string' },
    'no-poison': { type: 'boolean', default: false },
  },
})
const [minutes, seed] = [Number(values.minutes), Number(values.seed)]
const processing = values.processing === 'at_least_once' ? 'at_least_once' : 'exactly_once'
// At least once, no counts are promised, so only the swarm runs.
const only = processing === 'at_least_once' ? 'swarm' : values.only
if (!(minutes > 0) || !Number.isInteger(seed) || !['counts', 'swarm', undefined].includes(values.only) || values.processing !== processing) {
  throw new Error(
    'npm run chaos -- [--minutes 10] [--seed 1] [--only counts|swarm] [--processing exactly_once|at_least_once] [--no-poison] [--report FILE.json]',
  )
}
const poison = !values['no-poison']
const jars = brokerJars()
if ('missing' in jars) throw new Error(jars.missing)

// Only a started process can be ended. So an interrupt takes effect when no process is starting any more.
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    say(`${signal}: ends when what is starting has started`)
    interrupted.abort(new Error(`ended by ${signal}`))
  })
}
/** Results should never stop for this long, whatever is killed. If they do, the output of the processes is printed. */
const longStopMs = 60_000
const startedAt = performance.now()
const ordeals: Ordeal[] = []
say('starting three brokers')
const cluster = await startBrokers(jars.libs, { nodes: 3 })
const progress = setInterval(() => {
  say(ordeals.map(({ status }) => status).join(' | ') || 'starting')
  for (const { progress, lastWords } of ordeals) if (progress.standing.ms > longStopMs) say(lastWords)
}, 10_000)
try {
  await run()
} finally {
  clearInterval(progress)
  await Promise.all(ordeals.map((ordeal) => ordeal.close()))
  await cluster.close()
}

async function run(): Promise<void> {
  const { signal } = interrupted
  if (only !== 'swarm') ordeals.push(await CountsThroughKills.start(cluster, { poison }))
  signal.throwIfAborted()
  if (only !== 'counts') ordeals.push(await RequestsThroughKills.start({ cluster, processing, processes: 3, pauseMs: 250, poison }))
  const end = performance.now() + minutes * 60_000
  const report = await throughKills({
    ordeals,
    seed,
    cluster,
    pauseMs: [2000, 6000],
    awayMs: [500, 4000],
    isOver: () => performance.now() > end,
    say,
    signal,
  })
  const whole: ChaosReport = { seed, minutes, held: report.ordeals.every(({ broken }) => broken.length === 0), ...report }
  process.stdout.write(textOf(whole))
  if (values.report !== undefined) writeFileSync(values.report, `${JSON.stringify(whole, null, 2)}\n`)
  process.exitCode = whole.held ? 0 : 1
}

function say(line: string): void {
  process.stdout.write(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(5)} s  ${line}\n`)
}
