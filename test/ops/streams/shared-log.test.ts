import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { shareEmbeddedLog } from '../../../ops/streams/shared-log.ts'

it('The log of a directory can be opened again while its earlier instance is closing', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-shared-'))
  const first = await shareEmbeddedLog(directory)
  const closed = first.close()
  const [second, third] = await Promise.all([shareEmbeddedLog(directory), shareEmbeddedLog(directory)])
  await closed
  assert.notEqual(second.log, first.log)
  assert.equal(third.log, second.log)
  await second.log.createTopics([{ name: 'in', partitions: 1, cleanup: 'delete', retentionMs: null }])
  await second.close()
  assert.deepEqual(await third.log.topics(), ['in'])
  await third.close()
  rmSync(directory, { recursive: true })
})
