import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loggedLine, ownOrigin } from '../../../connectors/processes/logged-line.ts'

const marked = (fields: object) => `\x1e${JSON.stringify(fields)}`

describe("A line of a bee's process in the log", () => {
  it('is a message at info, unless the line begins with the mark of a record', () => {
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

  it('has the request of its call or the first ten of a batch, and skips invalid ids', () => {
    const originOf = (fields: object) => loggedLine(marked({ message: 'x', ...fields })).origin
    assert.deepEqual(originOf({ request_id: '0196-a' }), { request_id: '0196-a' })
    for (const id of ['', 'two words', 'a\nb', 'x'.repeat(257), 7]) assert.deepEqual(originOf({ request_id: id }), {})
    const ids = Array.from({ length: 64 }, (_, at) => `r${at}`)
    assert.deepEqual(originOf({ request_ids: ids, requests: 64 }), { request_ids: ids.slice(0, 10).join(' '), requests: 64 })
    assert.deepEqual(originOf({ request_ids: ['a b', 3], requests: '64' }), {})
  })

  it('keeps only the requests that the process has', () => {
    const hasRequest = (id: string) => id.startsWith('own')
    assert.deepEqual(ownOrigin({ request_id: 'own-1' }, hasRequest), { request_id: 'own-1' })
    assert.deepEqual(ownOrigin({ request_id: 'other' }, hasRequest), {})
    assert.deepEqual(ownOrigin({ request_ids: 'own-1 other own-2', requests: 3 }, hasRequest), { request_ids: 'own-1 own-2', requests: 3 })
    assert.deepEqual(ownOrigin({ request_ids: 'other', requests: 1 }, hasRequest), { requests: 1 })
  })
})
