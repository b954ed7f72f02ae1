import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { answerEvent, structuredText } from '../../../../topology/swarm/request/cloud-event.ts'

const textOf = (data: string, contentType: string, time = 0) =>
  structuredText(answerEvent({ id: 'one', gateway: 'door', causation: '7', time, data: Buffer.from(data), contentType }))

describe('The structured mode of an event', () => {
  it('keeps all digits of an integer in JSON data', () => {
    assert.match(textOf('\ufeff{"at": 1796422371000000001}', 'application/geo+json'), /"data":\{"at": 1796422371000000001\}\}$/)
  })

  it('has data as data_base64 that only its content type calls JSON', () => {
    for (const data of ['not json', '', '1,"id":2', '['.repeat(10_000)]) {
      const event = JSON.parse(textOf(data, 'application/json; charset=x')) as { readonly [name: string]: unknown }
      assert.deepEqual([event.data, event.id, event.data_base64], [undefined, 'one', Buffer.from(data).toString('base64')])
    }
  })

  it('has a time of RFC 3339, whatever the timestamp of the record', () => {
    for (const time of [-1, 0, 253_402_300_800_000, Number.MAX_SAFE_INTEGER])
      assert.match((JSON.parse(textOf('1', 'application/json', time)) as { readonly time: string }).time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  })
})
