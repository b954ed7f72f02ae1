import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Repairs } from '../../../connectors/clickhouse/repairs.ts'

describe('The repairs of an embedded ClickHouse', () => {
  let directory: string
  let table: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-repairs-'))
    table = join(directory, 'store', 'abc', 'table')
    mkdirSync(join(table, 'detached'), { recursive: true })
  })

  afterEach(() => rmSync(directory, { recursive: true }))

  function parts(...names: readonly string[]): void {
    for (const name of names) mkdirSync(join(table, name))
  }

  const lost = (swarm = 'one') => new Repairs(directory).lostFor(swarm, 'table')

  function dealtWith(swarm = 'one'): void {
    const repairs = new Repairs(directory)
    repairs.lostFor(swarm, 'table')
    repairs.done(swarm, 'table', new Map())
  }

  it('find no loss if the table does not exist, or if a part contains each block', () => {
    assert.deepEqual(new Repairs(join(directory, 'nowhere')).lostFor('one', 'table'), [])
    assert.deepEqual(lost(), [])
    parts('all_1_1_1', 'all_2_9_2', 'all_3_3_1', 'all_10_10_1')
    assert.deepEqual(lost(), [])
  })

  it('find block numbers that are in no part, even before the first part', () => {
    parts('all_3_3_1', 'all_6_9_2', 'all_11_11_1', 'tmp_insert_all_4_4_0')
    assert.deepEqual(lost(), ['blocks 1 to 2', 'blocks 4 to 5', 'blocks 10 to 10'])
  })

  it('remember lost blocks until each swarm has written its rows again, even after the engine has merged the neighbouring blocks', () => {
    parts('all_1_1_1', 'all_3_3_1')
    assert.deepEqual(lost(), ['blocks 2 to 2'])
    parts('all_1_3_2')
    assert.deepEqual(lost(), ['blocks 2 to 2'])
    dealtWith('one')
    assert.deepEqual(lost('one'), [])
    assert.deepEqual(lost('two'), ['blocks 2 to 2'])
  })

  it('distinguish a new gap from an old gap beside it', () => {
    parts('all_1_1_1', 'all_3_3_1', 'all_4_4_1')
    dealtWith()
    assert.deepEqual(lost(), [])
    rmSync(join(table, 'all_3_3_1'), { recursive: true })
    assert.deepEqual(lost(), ['blocks 3 to 3'])
  })

  it('report a broken part once, and a later loss of a part with the same number again', () => {
    parts('all_1_1_1', 'all_2_2_1')
    renameSync(join(table, 'all_2_2_1'), join(table, 'detached', 'broken-on-start_all_2_2_1'))
    assert.deepEqual(lost(), ['broken-on-start_all_2_2_1'])
    dealtWith()
    assert.deepEqual(lost(), [])
    parts('all_2_2_1', 'all_3_3_1')
    dealtWith()
    assert.deepEqual(lost(), [])
    rmSync(join(table, 'all_2_2_1'), { recursive: true })
    assert.deepEqual(lost(), ['blocks 2 to 2'])
  })

  it('remember the offset up to which records were read again, as long as the last row is the same', () => {
    new Repairs(directory).done('one', 'table', new Map([['save topic 0', { next: 10, position: 20 }]]))
    const repairs = new Repairs(directory)
    assert.equal(repairs.readUpTo('table', 'save topic 0', 10), 20)
    assert.equal(repairs.readUpTo('table', 'save topic 0', 9), 0)
    assert.equal(repairs.readUpTo('table', 'save topic 1', 10), 0)
  })

  it('start empty if their file is damaged', () => {
    parts('all_1_1_1', 'all_3_3_1')
    dealtWith()
    writeFileSync(join(directory, 'repairs.json'), '{"table":')
    assert.deepEqual(lost(), ['blocks 2 to 2'])
  })
})
