import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { freePorts } from '../../../ops/bench/free-ports.ts'

describe('Free ports', () => {
  it('are all different, and outside the range that the system gives to connections', async () => {
    const ports = await freePorts(200)
    assert.equal(new Set(ports).size, 200)
    assert.ok(
      ports.every((port) => port >= 16_384 && port < 32_768),
      ports.join(' '),
    )
  })
})
