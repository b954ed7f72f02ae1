import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { jsonOfUrlencoded } from '../../../../connectors/gateway/http/urlencoded-body.ts'

describe('A form in a body', () => {
  const read = (text: string) => Buffer.from(jsonOfUrlencoded(Buffer.from(text))).toString()

  it('has fields with any names and texts, each with its own value', () => {
    assert.equal(
      read('__proto__=1&constructor=a=b&%C3%a9=%00+%2B%25&f[0]='),
      String.raw`{"__proto__":"1","constructor":"a=b","é":"\u0000 +%","f[0]":""}`,
    )
  })

  it('is refused for a % that is not an escape, and for bytes that are not UTF-8', () => {
    for (const value of ['%', '%4', '%zz', '%4G', '%-1', '%+1', '%c3', '%C3%28', '%ED%A0%80', '%ff'])
      assert.throws(() => read(`a=${value}`), { code: 'WAGGLE_CONTENT_TYPE' }, value)
  })

  it('delays no other request even if it has the largest size', () => {
    for (const part of ['+', '%01', 'é']) {
      const body = `a=${part.repeat(Math.floor((32 * 1024 * 1024 - 2) / Buffer.byteLength(part)))}`
      const { user: before } = process.cpuUsage()
      read(body)
      const ms = (process.cpuUsage().user - before) / 1000
      assert.ok(ms < 4000, `${part}: ${ms} ms`)
    }
  })
})
