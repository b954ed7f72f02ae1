import assert from 'node:assert/strict'
import { subscribe } from 'node:diagnostics_channel'
import { describe, it, type TestContext } from 'node:test'
import { Rocks } from '../../connectors/rocksdb/rocks.ts'
import { eventually, SwarmHere } from '../support/swarm-here.ts'

/** The bee tells the test how often it was called. The test runs in the same process. */
const work = `import { channel } from 'node:diagnostics_channel'
export default (input) => {
  channel('worked').publish(input.number)
  return { done: input.number }
}
`
const files = { 'work.mjs': work }

/** Holds each sync of the log until the test releases it. So the disk looks like a disk whose syncs take long. */
function slowDisk(t: TestContext): { readonly held: readonly (() => void)[]; release(): void; readonly count: number } {
  const held: (() => void)[] = []
  const sync = Rocks.prototype.sync
  const disk = {
    held,
    count: 0,
    release: () => held.splice(0).forEach((go) => void go()),
  }
  t.mock.method(Rocks.prototype, 'sync', async function (this: Rocks) {
    disk.count++
    await new Promise<void>((go) => void held.push(go))
    return sync.call(this)
  })
  return disk
}

describe('A disk whose syncs take long', () => {
  it('delays each answer and each 202 until its sync is done, and one sync serves all answers that wait', async (t) => {
    await using swarm = await SwarmHere.open({ WAGGLE_PARTITIONS: '4' }, { files })
    const disk = slowDisk(t)
    let worked = 0
    subscribe('worked', () => void worked++)
    let settled = 0
    const asked = Array.from({ length: 60 }, (_, number) =>
      swarm.ask({ number }, { verb: number % 2 === 0 ? 'request' : 'submit' }).finally(() => void settled++),
    )
    await eventually(async () => worked === asked.length)
    assert.deepEqual([disk.held.length, settled], [1, 0])
    await eventually(async () => {
      disk.release()
      return settled === asked.length
    })
    const statuses = (await Promise.all(asked)).map(({ status }) => status).toSorted()
    assert.deepEqual([statuses.lastIndexOf(200) + 1, statuses.lastIndexOf(202) + 1], [30, 60])
    assert.ok(disk.count <= 10, `60 requests took ${disk.count} syncs`)
    t.mock.restoreAll()
    disk.release()
    assert.equal((await swarm.ask({ number: 61 })).status, 200)
  })

  it('does not delay a 504 at a request’s deadline, and later requests are answered', async (t) => {
    await using swarm = await SwarmHere.open({ WAGGLE_PARTITIONS: '1' }, { files })
    const disk = slowDisk(t)
    const answer = await swarm.ask({ number: 7 }, { headers: { 'x-timeout-seconds': '0.2', 'idempotency-key': 'k' } })
    const { code } = (await answer.json()) as { readonly code: string }
    assert.deepEqual([answer.status, code], [504, 'WAGGLE_NO_OUTCOME'])
    t.mock.restoreAll()
    disk.release()
    const later = await swarm.ask({ number: 7 }, { headers: { 'idempotency-key': 'k' } })
    assert.ok([200, 504].includes(later.status), `it has the status ${later.status}`)
    assert.equal((await swarm.ask({ number: 8 })).status, 200)
  })
})
