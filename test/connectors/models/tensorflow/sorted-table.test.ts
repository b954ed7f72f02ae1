import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sortedTable } from '../../../../connectors/models/tensorflow/sorted-table.ts'
import { tableOfBlock, writeSortedTable } from '../../../support/sorted-table.ts'

const entries = new Map([
  ['', Buffer.from('header')],
  ['layer/bias', Buffer.from('one')],
  ['layer/kernel', Buffer.alloc(300, 7)],
  ['layers', Buffer.alloc(0)],
  ['other', Buffer.from('two')],
])

describe('A sorted table', () => {
  for (const snappy of [false, true]) {
    it(`returns its entries from several blocks ${snappy ? 'of Snappy' : 'without compression'}`, () => {
      const read = sortedTable(writeSortedTable(entries, { snappy }))
      assert.deepEqual([...read], [...entries])
    })
  }

  it('is refused with any number of bytes cut off its end', () => {
    const whole = writeSortedTable(entries)
    for (let length = 0; length < whole.length; length += 7)
      assert.throws(() => sortedTable(whole.subarray(0, length)), RangeError, `${length} bytes`)
  })

  it('never returns wrong entries after a flipped bit', () => {
    const whole = writeSortedTable(entries)
    let refused = 0
    for (let at = 0; at < whole.length; at++) {
      const broken = Buffer.from(whole)
      broken[at] = (broken[at] ?? 0) ^ 16
      try {
        // The meta index and the zeros of the footer are not read, so a changed bit in them makes no difference.
        assert.deepEqual([...sortedTable(broken)], [...entries], `byte ${at}`)
      } catch (thrown) {
        assert.ok(thrown instanceof RangeError, `byte ${at}: ${thrown}`)
        refused++
      }
    }
    assert.ok(refused > whole.length * 0.8, `${refused} of ${whole.length}`)
  })

  it('is refused if its footer points outside of the file', () => {
    const broken = Buffer.from(writeSortedTable(entries))
    broken.fill(0xff, broken.length - 48, broken.length - 8)
    assert.throws(() => sortedTable(broken), RangeError)
    broken.fill(0, broken.length - 48, broken.length - 8)
    broken.set([0, 0, 0xff, 0xff, 0x7f, 9], broken.length - 48)
    assert.throws(() => sortedTable(broken), /outside of the file/)
  })

  it('is refused if its handles read one block so often that the bytes exceed the limit', () => {
    const large = new Map([['a', Buffer.alloc(14 * 1024 * 1024, 7)]])
    const whole = writeSortedTable(large, { repeated: 5 })
    assert.throws(() => sortedTable(whole), /its blocks have more than 67108864 bytes/)
  })

  it('is refused with more entries than the limit, even if all entries have the same key', () => {
    const block = Buffer.alloc(3 * 1_000_001)
    // Three zeros are an entry with an empty key and an empty value.
    assert.throws(() => sortedTable(tableOfBlock(Buffer.concat([block, Buffer.of(0, 0, 0, 0, 1, 0, 0, 0)]))), /more than 1000000 entries/)
  })
})
