import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { comparison, type Kept } from '../../../ops/bench/comparison.ts'
import type { Table } from '../../../ops/bench/table.ts'

describe('A comparison of two runs of a benchmark', () => {
  it('shows each figure of both runs, and its change', () => {
    const { table, worse } = compared({ columns: ['what', 'records/s'], kept: [['count', 100]], now: [['count', 110]] })
    assert.deepEqual(table.columns, ['what', 'figure', 'kept', 'now', 'now / kept', ''])
    assert.deepEqual(table.rows, [['count', 'records/s', 100, 110, 1.1, '']])
    assert.equal(worse, 0)
  })

  it('marks figures that got more than 15 % worse: a lower rate, or more time or memory', () => {
    const columns = ['what', 'records/s', 'CPU µs/record', 'peak MiB']
    const now = [
      ['slower', 80, 12, 120],
      ['within', 90, 11, 114],
      ['better', 200, 5, 50],
    ]
    const kept = now.map(([name = '']) => [name, 100, 10, 100])
    assert.deepEqual(marks(compared({ columns, kept, now })), ['slower: records/s', 'slower: CPU µs/record', 'slower: peak MiB'])
  })

  it('marks a loss only if the peer in the same row and run does not share it', () => {
    const columns = ['what', 'CPU µs/record', 'peer']
    const peerColumns = { 'CPU µs/record': 'peer' }
    const kept = [
      ['as the machine', 10, 100],
      ['more than the machine', 10, 100],
      ['alone', 10, 100],
    ]
    const now = [
      ['as the machine', 20, 190],
      ['more than the machine', 20, 150],
      ['alone', 12, 50],
    ]
    const expected = ['more than the machine: CPU µs/record', 'alone: CPU µs/record']
    assert.deepEqual(marks(compared({ columns, peerColumns, kept, now })), expected)
  })

  it('marks a loss only if the floor does not share it; if there are several floors, the floor with the same first cell counts', () => {
    const columns = ['swarm', 'program', 'requests/s']
    const kept = ['small', 'large'].flatMap((swarm) => [
      [swarm, 'floor', 100],
      [swarm, 'Waggle', 50],
    ])
    const now = [
      ['small', 'floor', 60],
      ['small', 'Waggle', 30],
      ['large', 'floor', 100],
      ['large', 'Waggle', 30],
    ]
    assert.deepEqual(marks(compared({ columns, names: 2, floorRow: 'floor', kept, now })), ['large, Waggle: requests/s'])
  })

  it('matches rows by all columns that name a row, and omits rows of only one run', () => {
    const columns = ['what', 'keys', 'records/s']
    const kept = [
      ['count', 100, 10],
      ['count', 1000, 5],
      ['gone', 100, 1],
    ]
    const now = [
      ['count', 1000, 4],
      ['count', 100, 10],
      ['new', 100, 1],
      ['count', 5, '–'],
    ]
    const { table, worse } = compared({ columns, names: 2, kept, now })
    assert.deepEqual(
      table.rows.map(([name, , was, is, , mark]) => [name, was, is, mark]),
      [
        ['count, 1000', 5, 4, 'worse'],
        ['count, 100', 10, 10, ''],
      ],
    )
    assert.equal(worse, 1)
  })

  it('omits a table whose columns have changed', () => {
    const kept = run({ title: 'one', columns: ['what', 'records/s'], rows: [['count', 1]] })
    const now = run({ title: 'one', columns: ['what', 'seconds'], rows: [['count', 1]] })
    assert.deepEqual(comparison({ title: '', kept, now }).table.rows, [])
  })
})

type Rows = readonly (readonly (string | number)[])[]

function compared({ kept, now, ...table }: Omit<Table, 'title' | 'rows'> & { readonly kept: Rows; readonly now: Rows }) {
  return comparison({ title: '', kept: run({ ...table, title: 'kept', rows: kept }), now: run({ ...table, title: 'now', rows: now }) })
}

function run(table: Table): Kept {
  return { date: '2026-01-01', machine: 'one', commit: 'abc', tables: [table] }
}

function marks({ table }: { readonly table: Table }): readonly string[] {
  return table.rows.filter((row) => row.at(-1) === 'worse').map(([name, measure]) => `${name}: ${measure}`)
}
