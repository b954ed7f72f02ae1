import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { GroupConsumer } from '../../../../connectors/log/embedded/group-consumer.ts'
import { Groups } from '../../../../connectors/log/embedded/groups.ts'
import { positionKey } from '../../../../connectors/log/embedded/keys.ts'
import { Partition } from '../../../../connectors/log/embedded/partition.ts'
import { Readers } from '../../../../connectors/log/embedded/readers.ts'
import { positionBytes } from '../../../../connectors/log/embedded/values.ts'
import { Rocks } from '../../../../connectors/rocksdb/rocks.ts'

describe('The readers of a partition', () => {
  let directory: string
  let rocks: Rocks
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-readers-'))
    rocks = await Rocks.open(directory)
  })
  afterEach(async () => {
    await rocks.close()
    rmSync(directory, { recursive: true })
  })

  const partition = (number: number) => new Partition('rows', 1, number, { start: 5, end: 20, bytes: 0 })
  const commit = (group: string, number: number, offset: number) => rocks.write([[positionKey(group, 'rows', number), positionBytes(offset, '')]])

  it('include a group whose only position is in another partition of the topic, as a reader from the start', () => {
    commit('sink', 0, 12)
    commit('other', 0, 15)
    commit('other', 1, 16)
    const readers = new Readers(rocks, new Groups())
    assert.deepEqual(readers.of(partition(0)), [
      { group: 'other', offset: 15 },
      { group: 'sink', offset: 12 },
    ])
    assert.deepEqual(readers.of(partition(1)), [
      { group: 'other', offset: 16 },
      { group: 'sink', offset: 5 },
    ])
    assert.deepEqual([readers.floor(partition(0)), readers.floor(partition(1))], [12, 5])
  })

  it('do not include groups with positions in other topics', () => {
    rocks.write([[positionKey('sink', 'rows.other', 0), positionBytes(1, '')]])
    const groups = new Groups()
    groups.open('new')
    const readers = new Readers(rocks, groups)
    assert.deepEqual([readers.of(partition(0)), readers.floor(partition(0))], [[], 20])
  })

  it('include a group that subscribes while they are in use, until its last member that reads the topic has left', () => {
    const groups = new Groups()
    const readers = new Readers(rocks, groups)
    const member = (topics: readonly string[]) => ({ topics, reads: (topic: string) => topics.includes(topic), reassign: () => {} }) as GroupConsumer
    const [one, two, other] = [member(['rows', 'more']), member(['rows']), member(['more'])]
    const group = groups.open('new')
    for (const joining of [other, one, two]) group.join(joining)
    assert.deepEqual([readers.of(partition(0)), readers.floor(partition(0))], [[{ group: 'new', offset: 5 }], 5])
    group.leave(one)
    assert.equal(readers.floor(partition(0)), 5)
    group.leave(two)
    assert.equal(readers.floor(partition(0)), 20)
    assert.deepEqual([[...groups.reading('rows')], [...groups.reading('more')]], [[], [group]])
  })
})
