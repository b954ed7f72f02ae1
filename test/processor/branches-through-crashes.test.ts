import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LogTraits } from '../../processor/ports.ts'
import { type CrashPoint, commitSteps } from '../../processor/simulation/crash.ts'
import type { SimulatedLog } from '../../processor/simulation/simulated-log.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../processor/simulation/simulated-state-directory.ts'
import { type FunctionSwarm, type Functions, newRequest, startSwarm } from '../support/function-swarm.ts'
import { SimulatedWorld } from '../support/simulated-world.ts'

/** A loop like that of an agent. Each round takes one of two branches, and the branches merge again. Every number goes down to 0. */
const yaml = `
name: agent
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: again, type: loop, input: {stack: [entrance, done]}, spec: {while: 'n > \`0\`', body: choose, max_rounds: 20}}
  - {name: choose, type: route, input: {name: again}, spec: {routes: {odd: 'n % \`2\` == \`1\`'}, default: even}}
  - {name: odd, type: function, input: {name: choose}}
  - {name: even, type: function, input: {name: choose}}
  - {name: done, type: merge, input: {stack: [odd, even]}}
  - {name: answer, type: respond, input: {name: again}}
`
interface Work {
  readonly n: number
  readonly way: string
}
const functionsIn = ({ clock }: SimulatedWorld): Functions => {
  const after10Ms = <T>(value: T) => new Promise<T>((resolve) => void clock.after(10, () => resolve(value)))
  return {
    odd: (input) => after10Ms({ n: (input as Work).n - 1, way: `${(input as Work).way}o` }),
    even: (input) => after10Ms({ n: (input as Work).n / 2, way: `${(input as Work).way}e` }),
  }
}
const works: { readonly [id: string]: { readonly n: number; readonly expected: string } } = {
  five: { n: 5, expected: 'oeeo' },
  zero: { n: 0, expected: '' },
  eight: { n: 8, expected: 'eeeo' },
}
const kinds: { readonly [processing: string]: LogTraits } = {
  embedded: { atomicCommit: true, repeatsRecords: false, handsOn: true },
  exactly_once: { atomicCommit: true, repeatsRecords: true, handsOn: false },
  at_least_once: { atomicCommit: false, repeatsRecords: true, handsOn: false },
}

describe('A loop with branches', () => {
  for (const [processing, traits] of Object.entries(kinds)) {
    for (const step of traits.atomicCommit ? commitSteps : [...commitSteps, 'torn' as const]) {
      it(`gives every accepted request its one answer after the same rounds in spite of a crash at ${step}, ${processing}`, async () => {
        const commits = await crashOnce(traits, null)
        assert.ok(commits >= 3, `only ${commits} commits`)
        // A cluster makes many commits, because each bee reads committed records only.
        for (let commit = 0; commit < commits; commit += traits.handsOn ? 2 : 10) await crashOnce(traits, { commit, step })
      })
    }
  }
})

/** Runs once with a crash, and then without. Returns the number of commits of the first run. */
async function crashOnce(traits: LogTraits, crash: CrashPoint | null): Promise<number> {
  const isEmbedded = traits.handsOn
  const world = new SimulatedWorld({ seed: 1 + (crash?.commit ?? 0), traits, keepsState: isEmbedded })
  const files = new SimulatedStateFiles('p')
  const accepted = new Set<string>()
  const start = async (log: SimulatedLog): Promise<FunctionSwarm | null> => {
    let swarm: FunctionSwarm | null = null
    const options = isEmbedded ? { commitIntervalMs: 10 } : { answerPartitions: 4, commitIntervalMs: 20, states: new SimulatedStateDirectory(files) }
    startSwarm(world, log, yaml, functionsIn(world), new Map(), options).then(
      (started) => {
        swarm = started
      },
      () => {},
    )
    await world.clock.until(() => swarm !== null || log.hasCrashed)
    return swarm
  }
  const first = world.boot(crash)
  const swarm = await start(first)
  if (swarm !== null) {
    for (const [id, { n }] of Object.entries(works)) {
      await world.clock.advance(5)
      void swarm.requests.submit(newRequest(id, { body: { n, way: '' } })).then(
        () => accepted.add(id),
        () => {},
      )
    }
    await world.clock.until(() => first.hasCrashed || Object.keys(works).every((id) => answersOf(world, id).length > 0))
  }
  await close(world, first, swarm)
  const last = world.boot()
  const again = await start(last)
  assert.ok(again !== null)
  await world.clock.until(() => [...accepted].every((id) => answersOf(world, id).length > 0))
  await world.clock.advance(5000)
  for (const id of accepted) {
    const answers = answersOf(world, id)
    for (const answer of answers) assert.deepEqual(answer, { n: 0, way: works[id]?.expected })
    if (traits.atomicCommit) {
      assert.equal(answers.length, 1)
      const rounds = works[id]?.expected.length ?? 0
      assert.equal(recordsOf(world, 'waggle.agent.done', id).length, rounds, `${id} has other rounds than ${rounds}`)
    }
  }
  assert.deepEqual(again.failures, [])
  await close(world, last, again)
  return first.commits
}

function answersOf(world: SimulatedWorld, id: string): readonly unknown[] {
  return recordsOf(world, 'waggle.agent.answer', id)
}

function recordsOf(world: SimulatedWorld, topic: string, id: string): readonly unknown[] {
  return (world.disk.topics.get(topic)?.partitions ?? []).flatMap(({ records }) =>
    records.flatMap(({ key, value }) => (Buffer.from(key ?? []).toString() === id ? [JSON.parse(Buffer.from(value ?? []).toString())] : [])),
  )
}

async function close(world: SimulatedWorld, log: SimulatedLog, swarm: FunctionSwarm | null): Promise<void> {
  let isClosed = swarm === null
  swarm?.close().then(
    () => {
      isClosed = true
    },
    () => {},
  )
  await world.clock.until(() => isClosed || log.hasCrashed)
}
