import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { skipWithoutPython } from '../../support/python-bee.ts'
import { eventually, SwarmHere } from '../../support/swarm-here.ts'

/** Blocks its thread for 50 ms for each input, without using the processor, so that threads help on every machine. */
const work = `import { threadId } from 'node:worker_threads'
export default () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
  return { threadId }
}
`

/** The same bee in Python. */
const python = `import os, time
from waggle import register_bee
@register_bee(name="slow")
def slow(payload):
    time.sleep(0.05)
    return {"threadId": os.getpid()}
`

const moduleBee = 'type: module, spec: {file: ./slow.mjs}'
const pythonBee = 'type: python, spec: {file: ./slow.py, bee: slow}'

async function open(settings: string): Promise<SwarmHere> {
  return SwarmHere.open(
    {},
    {
      files: { 'slow.mjs': work, 'slow.py': python },
      bees: `  - {name: slow, input: {name: entrance}, ${settings}}\n  - {name: answer, type: respond, input: {name: slow}}`,
    },
  )
}

async function metric(swarm: SwarmHere, name: string): Promise<number | null> {
  const text = await (await fetch(`${swarm.url}/metrics`)).text()
  const line = text.split('\n').find((one) => one.startsWith(`${name}{`) && one.includes('bee="slow"'))
  return line === undefined ? null : Number(line.slice(line.lastIndexOf(' ') + 1))
}

const threadOf = async (swarm: SwarmHere) => ((await (await swarm.ask({})).json()) as { readonly threadId: number }).threadId

describe('The replicas of a bee in a swarm', () => {
  it('are as many threads of a module as the swarm file says', async () => {
    await using swarm = await open(`replicas: 3, ${moduleBee}`)
    const threads = new Set(await Promise.all(Array.from({ length: 24 }, () => threadOf(swarm))))
    assert.deepEqual([threads.size, threads.has(0)], [3, false])
    assert.equal(await metric(swarm, 'waggle_bee_replicas'), 3)
  })

  for (const [kind, bee, skip] of [
    ['threads of a module', moduleBee, false],
    ['processes of a Python bee', pythonBee, skipWithoutPython],
  ] as const)
    it(`grow in number up to max_replicas while requests wait, with a line in the log and a count in the metrics: ${kind}`, { skip }, async () => {
      await using swarm = await open(`max_replicas: 2, ${bee}`)
      assert.equal(await metric(swarm, 'waggle_bee_replicas'), 1)
      let isOver = false
      const workers = new Set<number>()
      const client = async () => {
        while (!isOver) workers.add(await threadOf(swarm))
      }
      const clients = Array.from({ length: 12 }, client)
      await eventually(async () => workers.size === 2)
      isOver = true
      await Promise.all(clients)
      assert.ok(
        swarm.said.some((line) => /^info slow gets replica 2: [\d.]+ calls are in flight at a time, and a row waits \d+ ms$/.test(line)),
        swarm.said.join('\n'),
      )
      assert.equal(await metric(swarm, 'waggle_bee_replica_changes_total'), 1)
    })
})
