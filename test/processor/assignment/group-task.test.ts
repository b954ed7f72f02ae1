import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Consumed, Materialized, Produced, Serdes, StreamsBuilder } from 'waggle-streams'
import { compareTaskIds, type TaskId, tasksOf } from '../../../processor/assignment/group-task.ts'
import { Topology } from '../../../topology/graph.ts'

const text = Serdes.string()
const read = Consumed.with(text, text)

describe('The tasks of a group', () => {
  it('consist of one task for each partition of a sub-topology’s longest topic, and each task reads the partitions with its own number', () => {
    const builder = new StreamsBuilder()
    builder.stream('long', read).merge(builder.stream('short', read)).to('out', Produced.with(text, text))
    const tasks = tasksOf(subtopologies(builder), (topic) => (topic === 'long' ? 2 : 1))
    assert.deepEqual(
      tasks.map(({ id, inputs }) => [id, inputs.map(({ topic, partition }) => `${topic}-${partition}`).join(' ')]),
      [
        ['0_0', 'long-0 short-0'],
        ['0_1', 'long-1'],
      ],
    )
  })

  it('count as stateful only if a changelog can rebuild their state', () => {
    const builder = new StreamsBuilder()
    const counts = (topic: string, logging: boolean) =>
      builder
        .stream(topic, read)
        .groupByKey()
        .count(Materialized.as(`${topic}-counts`, { logging }))
    counts('logged', true)
    counts('lost', false)
    assert.deepEqual(
      tasksOf(subtopologies(builder), () => 1).map(({ isStateful }) => isStateful),
      [true, false],
    )
  })

  it('are sorted by their numbers', () => {
    const ids: TaskId[] = ['10_0', '2_10', '2_9']
    assert.deepEqual(ids.sort(compareTaskIds), ['2_9', '2_10', '10_0'])
  })
})

function subtopologies(builder: StreamsBuilder) {
  const topology = builder.build()
  assert.ok(topology instanceof Topology)
  return topology.subtopologies()
}
