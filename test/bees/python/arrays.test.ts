import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { Refused } from '../../../topology/waggle-error.ts'
import { json, PythonBee, skipWithoutPython } from '../../support/python-bee.ts'
import { sdkPython } from '../../support/python-sdk.ts'

const file = join(import.meta.dirname, 'bees', 'arrays.py')
const found = skipWithoutPython === false ? sdkPython() : { missing: skipWithoutPython }
const python = 'python' in found ? found.python : ''

describe('A Python bee with numpy', { skip: 'missing' in found ? found.missing : false }, () => {
  it('gets a picture as an array, and may return an array', async () => {
    await using bee = await PythonBee.open(file, 'mirror', { python })
    const data = Uint8Array.of(1, 2, 3, 4, 5, 6)
    const outcome = await bee.ask({ kind: 'tensors', tensors: { image: { datatype: 'UINT8', shape: [1, 2, 3], data } } })
    const mirrored = { datatype: 'UINT8', shape: [1, 2, 3], data: Uint8Array.of(4, 5, 6, 1, 2, 3) } as const
    assert.deepEqual(outcome, { kind: 'tensors', tensors: { output: mirrored } })
  })

  it('gets a batch as one array, and returns a number for each picture', async () => {
    await using bee = await PythonBee.open(file, 'mean', { python })
    const picture = (value: number): Payload => ({
      kind: 'tensors',
      tensors: { image: { datatype: 'FP32', shape: [2], data: Float32Array.of(value, value + 1) } },
    })
    assert.deepEqual(await bee.askAll([picture(0), picture(1), picture(2)]), [json(0.5), json(1.5), json(2.5)])
    assert.ok((await bee.ask(json('no picture'))) instanceof Refused)
  })

  it('gets and returns bytes with their media type', async () => {
    await using bee = await PythonBee.open(file, 'bytes', { python })
    const bytes = Uint8Array.from({ length: 150_001 }, (_, at) => at % 251)
    const outcome = await bee.ask({ kind: 'bytes', bytes, contentType: 'image/jpeg' })
    assert.deepEqual(outcome, { kind: 'bytes', bytes: Buffer.from(bytes.toReversed()), contentType: 'image/jpeg' })
  })

  it('gets the parts of a join by bee, and may return tensors by name', async () => {
    await using bee = await PythonBee.open(file, 'both', { python })
    const left = { datatype: 'INT64', shape: [2], data: BigInt64Array.of(1n, -2n) } as const
    const outcome = await bee.ask({
      kind: 'joined',
      parts: new Map<string, Payload>([
        ['a', { kind: 'tensors', tensors: { x: left } }],
        ['b', json([[1], [2]])],
      ]),
    })
    const right = { datatype: 'FP32', shape: [2, 1], data: Float32Array.of(1, 2) } as const
    assert.deepEqual(outcome, { kind: 'tensors', tensors: { left, right } })
  })
})
