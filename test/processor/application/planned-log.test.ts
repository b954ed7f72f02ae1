import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { PlannedLog } from '../../../processor/application/planned-log.ts'
import type { TopicSpec } from '../../../processor/ports.ts'
import type { WaggleError } from '../../../topology/waggle-error.ts'

const topic = (name: string, partitions: number): TopicSpec => ({ name, partitions, cleanup: 'delete', retentionMs: null })

it('A planned log knows the topics that were created on it, refuses what the log refuses with the same error, and changes nothing', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-planned-'))
  const log = await openEmbeddedLog({ directory, clock: systemClock })
  const errorOf = (work: Promise<void>) =>
    work.then(
      () => assert.fail('nothing was refused'),
      ({ code, message, next }: WaggleError) => ({ code, message, next }),
    )
  try {
    await log.createTopics([topic('there', 2)])
    const planned = new PlannedLog(log)
    await planned.createTopics([topic('there', 2), topic('new', 3)])
    assert.deepEqual([(await planned.topic('there'))?.partitions, (await planned.topic('new'))?.partitions], [2, 3])
    assert.deepEqual([await planned.topics(), await log.topics()], [['there', 'new'], ['there']])
    const other = [topic('there', 3)]
    assert.deepEqual(await errorOf(planned.createTopics(other)), await errorOf(log.createTopics(other)))
    assert.equal((await errorOf(planned.createTopics([topic('new', 4)]))).code, 'WAGGLE_TOPIC_MISMATCH')
  } finally {
    await log.close()
    rmSync(directory, { recursive: true, force: true })
  }
})
