import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UnreadPrints } from '../../../bees/module/unread-prints.ts'

describe('Text that a thread prints and the process has not read', () => {
  const both = () => {
    const process = new UnreadPrints()
    return { process, thread: new UnreadPrints(process.memory) }
  }
  /** Prints a text until one is dropped, and gives the texts that were sent. */
  const printedUntilDropped = (thread: UnreadPrints, text: string) => {
    const sent: string[] = []
    for (;;) {
      const one = thread.sent(text)
      if (one === null) return sent
      sent.push(one)
    }
  }

  for (const [what, text] of [
    ['lines', 'x'.repeat(80)],
    ['empty texts', ''],
    ['texts of 300,000 characters', 'x'.repeat(300_000)],
  ] as const)
    it(`has a bound: ${what}`, () => {
      const sent = printedUntilDropped(both().thread, text)
      assert.ok(sent.length > 0 && sent.length <= 1024 * 1024)
      assert.ok(sent.reduce((sum, one) => sum + one.length, 0) <= 1024 * 1024)
    })

  it('is followed by a note on what was dropped, once the process has read some of it', () => {
    const { process, thread } = both()
    const line = `${'x'.repeat(99)}\n`
    const sent = printedUntilDropped(thread, line)
    assert.equal(thread.sent(line), null)
    for (const text of sent) process.read(text)
    assert.equal(thread.sent('next\n'), '[200 characters were printed faster than they could be read, and are left out]\nnext\n')
    assert.equal(thread.sent('last\n'), 'last\n')
  })

  it('is cut if it is longer than the bound', () => {
    const { process, thread } = both()
    const sent = thread.sent('x'.repeat(5_000_000))
    assert.ok(sent !== null && sent.length <= 1024 * 1024 && sent.endsWith('…\n'))
    process.read(sent)
    assert.equal(thread.sent('next'), 'next')
  })
})
