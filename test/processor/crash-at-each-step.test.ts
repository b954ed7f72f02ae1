import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type CrashPoint, commitSteps } from '../../processor/simulation/crash.ts'
import type { SimulatedLog } from '../../processor/simulation/simulated-log.ts'
import { type FunctionSwarm, newRequest, predictionsOf, type Rows, startSwarm, threeModels } from '../support/function-swarm.ts'
import { SimulatedWorld } from '../support/simulated-world.ts'

const ids = Array.from({ length: 8 }, (_, at) => `request-${at}`)

describe('A swarm that crashes in a commit', () => {
  for (const step of commitSteps) {
    it(`has one answer and three rows for every accepted request after a crash at ${step}`, async () => {
      // A run without a crash shows how many commits there are.
      const commits = await crashOnce(null, 1)
      assert.ok(commits >= 3, `only ${commits} commits`)
      for (let commit = 0; commit < commits; commit++) await crashOnce({ commit, step }, 1 + commit)
    })
  }

  it('has one answer and three rows for every accepted request after ten crashes in a row', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = new SimulatedWorld({ seed })
      const rows: Rows = new Map()
      const accepted = new Set<string>()
      const answers = new Map<string, string>()
      for (let life = 0; life < 5; life++) {
        const point = { commit: world.random.below(4), step: commitSteps[world.random.below(commitSteps.length)] ?? 'begin' }
        await live(world, world.boot(point), rows, accepted, answers, [`${life}-a`, `${life}-b`])
      }
      await finish(world, rows, accepted, answers)
    }
  })
})

/** Runs with one crash. Returns the number of commits. */
async function crashOnce(crash: CrashPoint | null, seed: number): Promise<number> {
  const world = new SimulatedWorld({ seed })
  const rows: Rows = new Map()
  const accepted = new Set<string>()
  const answers = new Map<string, string>()
  const log = world.boot(crash)
  await live(world, log, rows, accepted, answers, ids)
  await finish(world, rows, accepted, answers)
  return log.commits
}

/** Sends the requests in `wanted`, and runs until all are answered or the log has crashed. */
async function live(
  world: SimulatedWorld,
  log: SimulatedLog,
  rows: Rows,
  accepted: Set<string>,
  answers: Map<string, string>,
  wanted: readonly string[],
) {
  const swarm = await startSwarm(world, log, threeModels, predictionsOf(world), rows)
  let answered = 0
  for (const [at, id] of wanted.entries()) {
    await world.clock.advance(10)
    if (at % 2 === 0) void swarm.requests.submit(newRequest(id)).then(() => accepted.add(id))
    else
      void swarm.requests.request(newRequest(id)).then(({ answer }) => {
        accepted.add(id)
        answers.set(id, JSON.stringify(answer))
        answered++
      })
  }
  await world.clock.until(() => log.hasCrashed || (answered >= Math.floor(wanted.length / 2) && wanted.every((id) => isAnswered(swarm, id))))
  if (!log.hasCrashed) await closed(world, log, swarm)
}

/** Runs a last process that does not crash, until every accepted request has its outcome. */
async function finish(world: SimulatedWorld, rows: Rows, accepted: ReadonlySet<string>, answers: ReadonlyMap<string, string>): Promise<void> {
  const log = world.boot()
  const swarm = await startSwarm(world, log, threeModels, predictionsOf(world), rows)
  await world.clock.until(() => [...accepted].every((id) => isAnswered(swarm, id) && hasRows(rows, id)))
  await world.clock.advance(1000)
  const given = new Map<string, number>()
  for (const { records } of world.disk.topics.get('waggle.three.answer')?.partitions ?? [])
    for (const { key } of records) given.set(String(Buffer.from(key ?? [])), (given.get(String(Buffer.from(key ?? []))) ?? 0) + 1)
  for (const id of accepted) {
    const entry = await swarm.requests.find(id)
    assert.equal(entry?.state, 'answered')
    assert.equal(given.get(id), 1, `${id} has ${given.get(id)} answers`)
    const before = answers.get(id)
    if (before !== undefined) assert.equal(JSON.stringify(entry?.answer), before, 'an answer that was given is the one that is kept')
  }
  assert.deepEqual(swarm.failures, [])
  await closed(world, log, swarm)
}

function isAnswered(swarm: FunctionSwarm, id: string): boolean {
  const entry = swarm.application.stores.committed<string, { readonly state: string }>('requests', id)
  return entry !== null && entry.state !== 'pending'
}

function hasRows(rows: Rows, id: string): boolean {
  return ['a', 'b', 'c'].every((bee) => rows.has(`${bee}/${id}`))
}

/** Closes the application. The crash may come in the application's last commit. */
async function closed(world: SimulatedWorld, log: SimulatedLog, swarm: FunctionSwarm): Promise<void> {
  let isClosed = false
  const closing = swarm.close().then(() => {
    isClosed = true
  })
  closing.catch(() => {})
  await world.clock.until(() => isClosed || log.hasCrashed)
}
