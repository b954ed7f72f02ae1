import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { shownAddress } from '../../../../topology/swarm/secrets/shown-address.ts'

describe('An address in a message', () => {
  it('shows neither a query nor credentials', () => {
    const cases: readonly (readonly [address: string, shown: string])[] = [
      ['https://a.example/m.onnx?signature=secret', 'https://a.example/m.onnx'],
      ['https://a.example/m.onnx?signature=\nsecret', 'https://a.example/m.onnx'],
      ['https://bee:secret@a.example/m.onnx', 'https://a.example/m.onnx'],
      ['https://bee:sec@ret@a.example/m.onnx', 'https://a.example/m.onnx'],
      ['https://bee:sec/ret@a.example/m.onnx', 'https://a.example/m.onnx'],
      ['grpc://bee:secret@a.example:99999/v1/models/m', 'grpc://a.example:99999/v1/models/m'],
    ]
    for (const [address, shown] of cases) assert.equal(shownAddress(address), shown)
  })

  it('stays unchanged without a query and credentials', () => {
    for (const address of ['./a.onnx', 's3://hive/a?b.onnx', 's3://hive/a@b.onnx', 'https://a.example/@b/m.onnx', 'npm:@a/b/m.onnx'])
      assert.equal(shownAddress(address), address)
  })
})
