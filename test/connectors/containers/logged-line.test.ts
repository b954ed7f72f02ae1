import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loggedLine } from '../../../connectors/containers/logged-line.ts'

const marked = (fields: object) => `\x1e${JSON.stringify(fields)}`

describe('A line of a process', () => {
  it('is a message at info, unless it begins with the mark of a record', () => {
    const plain = (message: string) => ({ level: 'info', message, origin: {} })
    for (const line of [
      'hello',
      '{"message":"no mark"}',
      '\x1e{"message":',
      '\x1e[1]',
      '\x1enull',
      marked({ level: 'error' }),
      marked({ message: 1 }),
    ])
      assert.deepEqual(loggedLine(line), plain(line))
    assert.deepEqual(loggedLine(marked({ level: 'warn', message: 'careful' })), { level: 'warn', message: 'careful', origin: {} })
    assert.deepEqual(loggedLine(marked({ level: 'fatal', message: 'x' })), plain('x'))
  })

  it('has the request of its call, or the first ten of a batch, and no id that is no id', () => {
    const originOf = (fields: object) => loggedLine(marked({ message: 'x', ...fields })).origin
    assert.deepEqual(originOf({ request_id: '0196-a' }), { request_id: '0196-a' })
    for (const id of ['', 'two words', 'a\nb', 'x'.repeat(257), 7]) assert.deepEqual(originOf({ request_id: id }), {})
    const ids = Array.from({ length: 64 }, (_, at) => `r${at}`)
    assert.deepEqual(originOf({ request_ids: ids, requests: 64 }), { request_ids: ids.slice(0, 10).join(' '), requests: 64 })
    assert.deepEqual(originOf({ request_ids: ['a b', 3], requests: '64' }), {})
  })
})
