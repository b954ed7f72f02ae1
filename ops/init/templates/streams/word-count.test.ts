import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Serdes } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { topology } from './word-count.ts'

it('the word count counts each word', async () => {
  await using driver = new TopologyTestDriver(topology)
  const lines = driver.createInputTopic('lines', Serdes.string(), Serdes.string())
  const counts = driver.createOutputTopic('word-counts', Serdes.string(), Serdes.long())
  await lines.pipeInput(null, 'To be, or not to be')
  assert.deepEqual(Object.fromEntries(counts.readRecordsToList().map(({ key, value }) => [key, value])), { to: 2, be: 2, or: 1, not: 1 })
})
