import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import sharp from 'sharp'
import { moduleSwarm, ServerHere } from '../../support/server-here.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

interface Metadata {
  readonly versions: readonly string[]
  readonly inputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[] }[]
  readonly outputs: Metadata['inputs']
}

const element = { datatype: 'BYTES', shape: [1] }
const inferText = (text: string) => JSON.stringify({ inputs: [{ name: 'input', ...element, data: [text] }] })

describe('The swarms of a server as models', () => {
  it('have the running version, are not ready while they are paused, and disappear when they are deleted', async () => {
    await using server = await ServerHere.open()
    server.write('one.mjs', 'export default () => 1\n')
    server.write('two.mjs', 'export default () => 2\n')
    const get = async (path: string) => {
      const { status, body } = await server.call('GET', `/v2/models/counting${path}`)
      return [status, (body as Partial<Metadata>).versions] as const
    }
    const infer = async (path = '') => {
      const { status, body } = await server.call('POST', `/v2/models/counting${path}/infer`, inferText('0'))
      return [status, (body as { readonly outputs?: readonly { readonly data: readonly unknown[] }[] }).outputs?.[0]?.data]
    }
    assert.equal((await get(''))[0], 404)
    await server.call('POST', '/v1/swarms', moduleSwarm('counting', './one.mjs'))
    assert.deepEqual(
      [await get(''), await infer()],
      [
        [200, ['1']],
        [200, ['1']],
      ],
    )
    await server.call('PUT', '/v1/swarms/counting', moduleSwarm('counting', './two.mjs'))
    assert.deepEqual(
      [await get('/versions/2'), await infer('/versions/2')],
      [
        [200, ['2']],
        [200, ['2']],
      ],
    )
    assert.deepEqual([(await get('/versions/1'))[0], (await infer('/versions/1'))[0]], [404, 404])
    assert.equal((await get('/ready'))[0], 200)
    await server.call('POST', '/v1/swarms/counting/pause')
    assert.deepEqual([(await get('/ready'))[0], (await infer())[0]], [503, 503])
    await server.call('DELETE', '/v1/swarms/counting')
    assert.deepEqual([(await get(''))[0], (await infer())[0]], [404, 404])
  })

  it('have the names of their gateways if a swarm has several gateways', async () => {
    await using server = await ServerHere.open()
    server.write('which.mjs', 'export default (input) => input\n')
    const text = `name: both
bees:
  - {name: a, type: gateway-input, spec: {name: left}}
  - {name: b, type: gateway-input, spec: {name: right}}
  - {name: work, type: module, input: {stack: [a, b]}, spec: {file: ./which.mjs}}
  - {name: answer, type: respond, input: {name: work}}
`
    assert.equal((await server.call('POST', '/v1/swarms', text)).status, 201)
    for (const gateway of ['left', 'right']) assert.equal((await server.call('POST', `/v2/models/${gateway}/infer`, inferText('1'))).status, 200)
    const { status, body } = await server.call('POST', '/v2/models/both/infer', inferText('1'))
    assert.deepEqual([status, /its gateways are the models left, right/.test((body as { readonly error: string }).error)], [404, true])
  })
})

describe('A swarm that makes tensors from pictures', () => {
  it('accepts a picture as one element of BYTES, and returns its tensors by name', async () => {
    const bees = `  - {name: pixels, type: image-preprocess, input: {name: entrance}, spec: {resize: 4}}
  - {name: answer, type: respond, input: {name: pixels}}`
    await using swarm = await SwarmHere.open({}, { bees })
    const { outputs } = (await (await fetch(`${swarm.url}/v2/models/${swarm.name}`)).json()) as Metadata
    assert.deepEqual(
      outputs.map(({ name, datatype, shape }) => [name, datatype, shape.length]),
      [['image', 'UINT8', 3]],
    )
    const picture = await sharp({ create: { width: 4, height: 4, channels: 3, background: { r: 10, g: 20, b: 30 } } })
      .png()
      .toBuffer()
    const length = Buffer.alloc(4)
    length.writeUInt32LE(picture.byteLength)
    const head = Buffer.from(JSON.stringify({ inputs: [{ name: 'input', ...element, parameters: { binary_data_size: picture.byteLength + 4 } }] }))
    const response = await fetch(`${swarm.url}/v2/models/${swarm.name}/infer`, {
      method: 'POST',
      body: Buffer.concat([head, length, picture]),
      headers: { 'inference-header-content-length': String(head.byteLength) },
    })
    const answer = (await response.json()) as { readonly outputs: readonly object[] }
    assert.deepEqual(answer.outputs, [{ name: 'image', datatype: 'UINT8', shape: [4, 4, 3], data: Array(16).fill([10, 20, 30]).flat() }])
  })
})
