import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'
import { idSecretOf } from '../../../ops/beekeeper/id-secret.ts'
import { idSecretTopic } from '../../../topology/topic-names.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

describe('The secret for request ids', () => {
  const random = new SystemRandom()

  it('is created once for a data directory, and is the same after each restart', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-secret-'))
    const read = async () => {
      const log = await openEmbeddedLog({ directory, clock: systemClock })
      const secret = await idSecretOf(log, { clock: systemClock, random })
      await log.close()
      return Buffer.from(secret).toString('hex')
    }
    const first = await read()
    assert.equal(first.length, 64)
    assert.equal(await read(), first)
    rmSync(directory, { recursive: true })
    assert.notEqual(await read(), first)
    rmSync(directory, { recursive: true })
  })

  it('is the same in all processes of a cluster, even if they start together and each write a secret', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new SimulatedWorld({ seed })
      const log = world.boot()
      const secrets: string[] = []
      for (let process = 0; process < 4; process++)
        void idSecretOf(log, { clock: world.clock, random }).then((secret) => secrets.push(Buffer.from(secret).toString('hex')))
      await world.clock.until(() => secrets.length === 4)
      assert.equal(new Set(secrets).size, 1, `seed ${seed}`)
      const keys = (world.disk.topics.get(idSecretTopic)?.partitions[0]?.records ?? []).map(({ key }) => Buffer.from(key ?? []).toString('hex'))
      assert.equal(new Set(keys).size, keys.length, 'compaction would take a secret away')
    }
  })

  it('is refused if a foreign record is first in the topic of secrets', async () => {
    const world = new SimulatedWorld()
    const log = world.boot()
    await log.createTopics([{ name: idSecretTopic, partitions: 1, cleanup: 'compact', retentionMs: null }])
    const producer = await log.producer()
    let isSent = false
    const record = { topic: idSecretTopic, partition: 0, key: Buffer.from('a'), value: Buffer.from('short'), headers: [], timestamp: 1 }
    void producer.send(record).then(() => {
      isSent = true
    })
    await world.clock.until(() => isSent)
    await assert.rejects(
      idSecretOf(log, { clock: world.clock, random }),
      (error) => error instanceof WaggleError && error.code === 'WAGGLE_ID_SECRET',
    )
  })
})
