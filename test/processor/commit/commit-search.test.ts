import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CommitSearch } from '../../../processor/commit/commit-search.ts'
import { RefusedInputs } from '../../../processor/task/refused-inputs.ts'
import { RecordRefused, WaggleError } from '../../../topology/waggle-error.ts'

const refusal = new RecordRefused('WAGGLE_RECORD_TOO_LARGE', { message: 'too large', next: 'send less' })
const place = (offset: number) => ({ taskId: '0_0', topic: 'in', partition: 0, offset })

/** Commits records from 0 on until `count` are committed. The log refuses each commit that holds `poison`. Returns the number of refusals. */
function committed(count: number, poison: number, refused: RefusedInputs): number {
  const search = new CommitSearch(refused)
  let refusals = 0
  for (let from = 0; from < count; ) {
    const to = Math.min(count, from + search.room)
    search.did(to - from, () => place(to - 1))
    search.sealed()
    const isSetAside = refused.find('0_0', place(0), poison) !== null
    if (poison >= from && poison < to && !isSetAside) {
      assert.equal(search.failed(refusal), true)
      refusals++
    } else {
      search.committed()
      from = to
    }
  }
  assert.equal(search.isActive, false)
  return refusals
}

describe('The search for the record that makes commits fail', () => {
  it('finds the record anywhere in the commit, after at most six refused commits', () => {
    for (const count of [1, 2, 7, 8, 9, 64, 1000, 4096]) {
      for (const poison of [0, 1, Math.floor(count / 2), count - 1].filter((offset) => offset < count)) {
        const refused = new RefusedInputs()
        const refusals = committed(count, poison, refused)
        assert.ok(refusals <= 6, `${refusals} refused commits for record ${poison} of ${count}`)
        assert.equal(refused.find('0_0', place(0), poison)?.error, refusal)
      }
    }
  })

  it('ends without a finding after more than twice as many records were committed again', () => {
    const search = new CommitSearch(new RefusedInputs())
    search.did(100, () => place(99))
    search.sealed()
    assert.equal(search.failed(refusal), true)
    assert.equal(search.room, 12)
    for (let commits = 0; commits < 17; commits++) {
      search.did(12, () => place(0))
      search.sealed()
      search.committed()
    }
    assert.equal(search.room, Number.POSITIVE_INFINITY)
  })

  it('goes on until twice as many records were committed as the refused commit had', () => {
    const search = new CommitSearch(new RefusedInputs())
    search.did(16, () => place(15))
    search.sealed()
    assert.equal(search.failed(refusal), true)
    for (let taken = 2; taken <= 32; taken += 2) {
      assert.equal(search.isActive, true)
      search.did(2, () => place(0))
      search.sealed()
      search.committed()
    }
    assert.equal(search.isActive, false)
  })

  it('stops at a commit that is refused without any record, and blames no input', () => {
    const refused = new RefusedInputs()
    const search = new CommitSearch(refused)
    search.did(8, () => place(7))
    search.sealed()
    assert.equal(search.failed(refusal), true)
    search.did(1, () => place(0))
    search.sealed()
    search.committed()
    search.sealed()
    assert.equal(search.failed(refusal), false)
    assert.equal(refused.find('0_0', place(0), 0), null)
    assert.equal(search.isActive, false)
  })

  it('does not start for a failure that no record causes, nor for a commit without records', () => {
    const search = new CommitSearch(new RefusedInputs())
    search.did(100, () => place(99))
    search.sealed()
    assert.equal(search.failed(new WaggleError('WAGGLE_LOG_UNREACHABLE', { message: 'away', next: 'wait' })), false)
    search.sealed()
    assert.equal(search.failed(refusal), false)
    assert.equal(search.isActive, false)
  })
})

describe('The refused inputs of a task', () => {
  it('are distinguished by task, topic, partition and offset, and the last thousand are kept', () => {
    const refused = new RefusedInputs()
    refused.add(place(7), refusal)
    refused.add(place(7), refusal)
    assert.equal(refused.find('0_0', place(0), 7)?.times, 2)
    assert.equal(refused.find('0_1', place(0), 7), null)
    assert.equal(refused.find('0_0', { topic: 'in', partition: 1 }, 7), null)
    assert.equal(refused.find('0_0', place(0), 8), null)
    refused.forget(place(7))
    assert.equal(refused.find('0_0', place(0), 7), null)
    for (let offset = 0; offset < 1001; offset++) refused.add(place(offset), refusal)
    assert.equal(refused.find('0_0', place(0), 0), null)
    assert.notEqual(refused.find('0_0', place(0), 1), null)
  })
})
