import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Serdes } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { lines, topology } from '../../examples/word-count.ts'

it('The word-count example counts each word of its lines', async () => {
  await using driver = new TopologyTestDriver(topology)
  const input = driver.createInputTopic('lines', Serdes.string(), Serdes.string())
  const output = driver.createOutputTopic('word-counts', Serdes.string(), Serdes.long())
  for (const line of lines) await input.pipeInput(null, line)
  const counts = new Map(output.readRecordsToList().map(({ key, value }) => [key, value]))
  assert.deepEqual(
    [...counts].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    [
      ['be', 3],
      ['do', 1],
      ['is', 2],
      ['not', 1],
      ['or', 1],
      ['question', 1],
      ['that', 1],
      ['the', 1],
      ['to', 4],
    ],
  )
})
