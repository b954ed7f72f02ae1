import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { StateDirectory, TaskDisk } from '../../processor/ports.ts'

export interface DirectoryUnderTest {
  readonly directory: StateDirectory
  /** Opens the same files as a new process would. */
  reopen(): Promise<StateDirectory>
  close(): Promise<void>
}

/** The contract of every state directory. */
export function stateDirectoryContract(name: string, open: () => Promise<DirectoryUnderTest>): void {
  describe(`${name} keeps the contract of a state directory`, () => {
    let under: DirectoryUnderTest
    let directory: StateDirectory

    beforeEach(async () => {
      under = await open()
      directory = under.directory
    })

    afterEach(() => under.close())

    it('keeps rows and the changelog offset of the rows over a restart', async () => {
      const disk = directory.open('0_1')
      assert.equal(disk.offset(changelog), null)
      disk.write({ changes: [{ store: 'counts', entries: [row('a', '1'), row('b', '2')] }], offsets: [{ ...changelog, offset: 7 }] })
      disk.write({ changes: [{ store: 'counts', entries: [row('a', null)] }], offsets: [{ ...changelog, offset: 8 }] })
      assert.deepEqual(rowsIn(disk, 'counts'), ['b=2'])
      const again = (await under.reopen()).open('0_1')
      assert.deepEqual(rowsIn(again, 'counts'), ['b=2'])
      assert.equal(again.offset(changelog), 8)
      assert.equal(again.offset({ ...changelog, partition: 2 }), null)
    })

    it('keeps its process id over a restart', async () => {
      const { processId } = directory
      assert.match(processId, /./)
      assert.equal((await under.reopen()).processId, processId)
    })

    it('keeps the rows of tasks and of stores apart', () => {
      const [one, other] = [directory.open('0_1'), directory.open('0_10')]
      one.write({ changes: [{ store: 'counts', entries: [row('a', 'one')] }], offsets: [] })
      one.write({ changes: [{ store: 'more', entries: [row('a', 'more')] }], offsets: [] })
      other.write({ changes: [{ store: 'counts', entries: [row('a', 'other')] }], offsets: [] })
      assert.deepEqual([rowsIn(one, 'counts'), rowsIn(one, 'more'), rowsIn(other, 'counts')], [['a=one'], ['a=more'], ['a=other']])
      assert.deepEqual(rowsIn(other, 'more'), [])
    })

    it('reads single rows, many rows at once, and ranges in either direction', () => {
      const disk = directory.open('0_0')
      disk.write({ changes: [{ store: 's', entries: ['a', 'b', 'c', 'd'].map((key) => row(key, key)) }], offsets: [] })
      const store = disk.store('s')
      const named = (found: Iterable<readonly [Uint8Array, Uint8Array]>) => [...found].map(([key]) => String(Buffer.from(key)))
      assert.equal(String(store.get(Buffer.from('c'))), 'c')
      assert.equal(store.get(Buffer.from('x')), null)
      assert.deepEqual(
        store.getMany([Buffer.from('d'), Buffer.from('x')]).map((value) => value && String(value)),
        ['d', null],
      )
      assert.deepEqual(named(store.range(Buffer.from('b'), Buffer.from('d'))), ['b', 'c'])
      assert.deepEqual(named(store.range(null, Buffer.from('c'), { reverse: true })), ['b', 'a'])
    })

    it('clears all rows before a given row in only one store, even after a restart', async () => {
      const disk = directory.open('0_0')
      for (const store of ['r', 's', 't']) disk.write({ changes: [{ store, entries: ['a', 'b', 'c'].map((key) => row(key, '1')) }], offsets: [] })
      disk.store('s').clearBefore?.(Buffer.from('b'))
      assert.deepEqual(rowsIn(disk, 's'), ['b=1', 'c=1'])
      assert.equal(disk.store('s').get(Buffer.from('a')), null)
      disk.write({ changes: [{ store: 's', entries: [row('a', '2')] }], offsets: [] })
      const again = (await under.reopen()).open('0_0')
      assert.deepEqual(
        ['r', 's', 't'].map((store) => rowsIn(again, store)),
        [
          ['a=1', 'b=1', 'c=1'],
          ['a=2', 'b=1', 'c=1'],
          ['a=1', 'b=1', 'c=1'],
        ],
      )
    })

    it('wipes one store with its changelog offset, and keeps rows that are written later', async () => {
      const disk = directory.open('0_0')
      const other = { topic: 'other', partition: 0 }
      disk.write({ changes: [{ store: 's', entries: [row('a', '1')] }], offsets: [{ ...changelog, offset: 5 }] })
      disk.write({ changes: [{ store: 'kept', entries: [row('a', '1')] }], offsets: [{ ...other, offset: 3 }] })
      disk.wipe('s', [changelog])
      assert.deepEqual([rowsIn(disk, 's'), disk.offset(changelog)], [[], null])
      assert.deepEqual([rowsIn(disk, 'kept'), disk.offset(other)], [['a=1'], 3])
      disk.write({ changes: [{ store: 's', entries: [row('b', '2')] }], offsets: [] })
      const again = (await under.reopen()).open('0_0')
      assert.deepEqual([rowsIn(again, 's'), rowsIn(again, 'kept')], [['b=2'], ['a=1']])
    })

    it('lists the stores of each task, and deletes the stores of a task', async () => {
      directory.open('0_0').write({ changes: [], offsets: [{ ...changelog, offset: 5 }] })
      directory.open('1_3').write({ changes: [{ store: 's', entries: [row('a', '1')] }], offsets: [{ topic: 'o', partition: 3, offset: 9 }] })
      directory.open('2_0')
      assert.deepEqual([...directory.copies()].sort(), [
        ['0_0', [{ ...changelog, offset: 5 }]],
        ['1_3', [{ topic: 'o', partition: 3, offset: 9 }]],
      ])
      directory.forget('1_3')
      assert.deepEqual([...directory.copies().keys()], ['0_0'])
      const again = await under.reopen()
      assert.deepEqual([...again.copies().keys()], ['0_0'])
      assert.deepEqual(rowsIn(again.open('1_3'), 's'), [])
    })

    it('ignores writes through an earlier handle when the disk has been opened again', () => {
      const before = directory.open('0_0')
      const now = directory.open('0_0')
      now.write({ changes: [{ store: 's', entries: [row('a', 'now')] }], offsets: [{ ...changelog, offset: 5 }] })
      before.write({ changes: [{ store: 's', entries: [row('a', 'late')] }], offsets: [{ ...changelog, offset: 2 }] })
      before.wipe('s', [changelog])
      assert.deepEqual([rowsIn(now, 's'), now.offset(changelog)], [['a=now'], 5])
    })
  })
}

const changelog = { topic: 'app-counts-changelog', partition: 1 }

function row(key: string, value: string | null): readonly [Uint8Array, Uint8Array | null] {
  return [Buffer.from(key), value === null ? null : Buffer.from(value)]
}

function rowsIn(disk: TaskDisk, store: string): readonly string[] {
  return [...disk.store(store).range(null, null)].map(([key, value]) => `${Buffer.from(key)}=${Buffer.from(value)}`)
}
