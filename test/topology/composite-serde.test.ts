import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Serde } from '../../topology/serde.ts'
import { Serdes } from '../../topology/serdes.ts'

const text = (data: Uint8Array) => Buffer.from(data).toString()

function watched(): { readonly serde: Serde<string>; readonly seen: string[] } {
  const seen: string[] = []
  const serde: Serde<string> = {
    ...Serdes.string(),
    open: async ({ topic, part }) => void seen.push(`open ${topic} ${part}`),
    prepare: (_, data) => {
      seen.push(`prepare ${text(data)}`)
      return text(data) === 'known' ? null : Promise.resolve()
    },
  }
  return { serde, seen }
}

describe('A serde that wraps another serde', () => {
  it('opens its inner serde for its own topic and part', async () => {
    const { serde, seen } = watched()
    await Serdes.timeWindowed(serde, 10).open?.({ topic: 'a', part: 'key' })
    assert.deepEqual(seen, ['open a key'])
  })

  it('prepares the bytes that the inner serde reads', () => {
    const { serde, seen } = watched()
    const windowed = Serdes.timeWindowed(serde, 10)
    const data = windowed.serialize('a', { key: 'new', window: { start: 0, end: 10 } })
    assert.ok(windowed.prepare?.('a', data) instanceof Promise)
    assert.deepEqual(seen, ['prepare new'])
  })

  it('prepares each value of a list, and awaits nothing if no value needs preparation', () => {
    const { serde, seen } = watched()
    const list = Serdes.list(serde)
    assert.equal(list.prepare?.('a', list.serialize('a', ['known', 'known'])), null)
    assert.deepEqual(seen, ['prepare known', 'prepare known'])
  })

  it('leaves malformed bytes to be refused by its deserialiser', () => {
    assert.equal(Serdes.list(watched().serde).prepare?.('a', Buffer.of(1, 0, 0, 0, 9)), null)
  })

  it('has no open and no prepare if the inner serde has neither', () => {
    const { open, prepare } = Serdes.list(Serdes.string())
    assert.deepEqual([open, prepare], [undefined, undefined])
  })
})
