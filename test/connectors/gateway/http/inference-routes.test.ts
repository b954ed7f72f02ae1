import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { parseTokens } from '../../../../connectors/gateway/access/access-token.ts'
import { AccessTokens } from '../../../../connectors/gateway/access/access-tokens.ts'
import { CallerLimits } from '../../../../connectors/gateway/access/caller-limits.ts'
import type { HttpGateway } from '../../../../connectors/gateway/http/http-gateway.ts'
import { systemClock } from '../../../../connectors/system/system-clock.ts'
import { errorPayload } from '../../../../topology/swarm/request/bee-error.ts'
import { readBack } from '../../../../topology/swarm/request/durable.ts'
import { doorModels, openEchoGateway, payloadEcho } from '../../../support/echo-gateway.ts'

interface Tensor {
  readonly name: string
  readonly datatype: string
  readonly shape: readonly number[]
  readonly data?: readonly unknown[]
  readonly parameters?: { readonly [name: string]: unknown }
}

interface Answer {
  readonly model_name: string
  readonly model_version: string
  readonly id: string
  readonly outputs: readonly Tensor[]
}

const numbers = { name: 'x', datatype: 'FP32', shape: [2, 2], data: [1, 2, 3, 4.5] }

describe('The Open Inference Protocol over HTTP', () => {
  let gateway: HttpGateway
  before(async () => {
    gateway = await openEchoGateway({ requests: payloadEcho, models: doorModels() })
  })
  after(() => gateway.close())

  const post = (body: string | Uint8Array<ArrayBuffer>, headers: { readonly [name: string]: string } = {}, path = 'door/infer') =>
    fetch(`${gateway.url}/v2/models/${path}`, { method: 'POST', body, headers })
  const infer = async (request: object) => {
    const response = await post(JSON.stringify(request))
    return { status: response.status, answer: (await response.json()) as Answer & { readonly error?: string } }
  }
  const refused = async (request: object) => {
    const { status, answer } = await infer(request)
    assert.deepEqual(Object.keys(answer), ['error'])
    return `${status} ${answer.error}`
  }
  /** The JSON, followed by binary data. */
  function binary(request: object, ...parts: readonly Uint8Array[]) {
    const json = Buffer.from(JSON.stringify(request))
    return { body: Buffer.concat([json, ...parts]), headers: { 'inference-header-content-length': String(json.byteLength) } }
  }

  it('describes the server, and the inputs and outputs of a model', async () => {
    const get = async (path: string) => (await fetch(`${gateway.url}${path}`)).json()
    assert.deepEqual(Object.keys((await get('/v2')) as object), ['name', 'version', 'extensions'])
    assert.deepEqual(
      [await get('/v2/health/live'), await get('/v2/health/ready'), await get('/v2/models/door/ready')],
      [{ live: true }, { ready: true }, { name: 'door', ready: true }],
    )
    const element = (name: string) => [{ name, datatype: 'BYTES', shape: [1] }]
    const metadata = { versions: ['3'], platform: 'waggle_swarm', inputs: element('input'), outputs: element('output') }
    assert.deepEqual(await get('/v2/models/door'), { name: 'door', ...metadata })
    assert.deepEqual(await get('/v2/models/house/versions/3'), { name: 'house', ...metadata })
  })

  it('answers tensors in JSON with tensors in JSON, in every datatype, and accepts nested lists', async () => {
    const inputs = [
      numbers,
      { name: 'flags', datatype: 'BOOL', shape: [2], data: [true, false] },
      {
        name: 'nested',
        datatype: 'INT8',
        shape: [2, 2],
        data: [
          [-128, 1],
          [2, 127],
        ],
      },
      ...['UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT16', 'INT32', 'INT64', 'FP64'].map((datatype) => ({
        name: datatype,
        datatype,
        shape: [1, 1],
        data: [7],
      })),
    ]
    const { status, answer } = await infer({ id: 'mine', inputs })
    assert.equal(status, 200)
    const expected = inputs.map((input) => (input.name === 'nested' ? { ...input, data: [-128, 1, 2, 127] } : input))
    assert.deepEqual(answer, { model_name: 'door', model_version: '3', id: 'mine', outputs: expected })
  })

  it('reads FP16 and BF16 as FP32, and 64-bit integers as their digits', async () => {
    const half = Buffer.from(new Float16Array([0.5, -2]).buffer)
    const brain = Buffer.from(new Uint16Array([0x3fc0, 0xc000]).buffer)
    const input = (name: string, datatype: string) => ({ name, datatype, shape: [2], parameters: { binary_data_size: 4 } })
    const { body, headers } = binary({ inputs: [input('half', 'FP16'), input('brain', 'BF16')] }, half, brain)
    const halves = (await (await post(body, headers)).json()) as Answer
    assert.deepEqual(
      halves.outputs.map(({ datatype, data }) => [datatype, data]),
      [
        ['FP32', [0.5, -2]],
        ['FP32', [1.5, -2]],
      ],
    )
    const whole = await post(JSON.stringify({ inputs: [{ name: 'i', datatype: 'INT64', shape: [2], data: ['9223372036854775807', -5] }] }))
    assert.match(await whole.text(), /"data":\[9223372036854775807,-5\]/)
  })

  it('reads and writes binary tensors after the JSON', async () => {
    const raw = Buffer.from(new Float32Array([1, Number.NaN, Number.POSITIVE_INFINITY]).buffer)
    const { body, headers } = binary(
      {
        inputs: [
          { name: 'raw', datatype: 'FP32', shape: [3], parameters: { binary_data_size: 12 } },
          { name: 'plain', datatype: 'INT32', shape: [1], data: [9] },
        ],
        outputs: [
          { name: 'plain', parameters: { binary_data: true } },
          { name: 'raw', parameters: { binary_data: true } },
        ],
      },
      raw,
    )
    const response = await post(body, headers)
    assert.deepEqual([response.status, response.headers.get('content-type')], [200, 'application/octet-stream'])
    const bytes = Buffer.from(await response.arrayBuffer())
    const length = Number(response.headers.get('inference-header-content-length'))
    const { outputs } = JSON.parse(bytes.toString('utf8', 0, length)) as Answer
    assert.deepEqual(
      outputs.map(({ name, parameters }) => [name, parameters]),
      [
        ['plain', { binary_data_size: 4 }],
        ['raw', { binary_data_size: 12 }],
      ],
    )
    assert.deepEqual(bytes.subarray(length), Buffer.concat([Buffer.from(new Int32Array([9]).buffer), raw]))
  })

  it('refuses NaN in a JSON answer, and says that NaN needs binary data', async () => {
    const { body, headers } = binary(
      { inputs: [{ name: 'x', datatype: 'FP32', shape: [1], parameters: { binary_data_size: 4 } }] },
      Buffer.from(new Float32Array([Number.NaN]).buffer),
    )
    const response = await post(body, headers)
    assert.deepEqual([response.status, /binary_data \(WAGGLE_INFERENCE_OUTPUT\)/.test(await response.text())], [400, true])
  })

  it('reads one element of BYTES as the whole input: JSON, a picture, or the type that content_type names', async () => {
    const { answer } = await infer({ inputs: [{ name: 'input', datatype: 'BYTES', shape: [1], data: ['{"a": [1]}'] }] })
    assert.deepEqual(answer.outputs, [
      { name: 'output', datatype: 'BYTES', shape: [1], parameters: { content_type: 'application/json' }, data: ['{"a":[1]}'] },
    ])
    const picture = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0x00])
    const element = Buffer.concat([Buffer.from([5, 0, 0, 0]), picture])
    for (const [type, given] of [
      ['application/octet-stream', {}],
      ['image/jpeg', { content_type: 'image/jpeg' }],
    ] as const) {
      const { body, headers } = binary(
        {
          inputs: [{ name: 'input', datatype: 'BYTES', shape: [1], parameters: { binary_data_size: 9, ...given } }],
          parameters: { binary_data_output: true },
        },
        element,
      )
      const response = await post(body, headers)
      const bytes = Buffer.from(await response.arrayBuffer())
      const length = Number(response.headers.get('inference-header-content-length'))
      const { outputs } = JSON.parse(bytes.toString('utf8', 0, length)) as Answer
      assert.deepEqual([outputs[0]?.parameters?.content_type, bytes.subarray(length)], [type, element])
    }
  })

  it('reads texts, and numbers beside texts, as a JSON object by name', async () => {
    const { answer } = await infer({
      inputs: [
        { name: 'text', datatype: 'BYTES', shape: [2, 1], data: ['a', 'b'] },
        { name: 'x', datatype: 'INT64', shape: [2], data: [1, 2] },
      ],
    })
    assert.deepEqual(answer.outputs[0]?.data, ['{"text":[["a"],["b"]],"x":[1,2]}'])
    const asked = await infer({ parameters: { content_type: 'application/json' }, inputs: [{ ...numbers, data: [1, 2, 3, 4] }] })
    assert.deepEqual(asked.answer.outputs[0]?.data, ['{"x":[[1,2],[3,4]]}'])
  })

  it('refuses inputs that do not fit their shape or datatype', async () => {
    const x = (more: object) => ({ inputs: [{ ...numbers, ...more }] })
    for (const [request, why] of [
      [{}, /no list of inputs/],
      [{ inputs: [] }, /there is none/],
      [{ inputs: Array(1001).fill(numbers) }, /more than 1000/],
      [{ inputs: [numbers, numbers] }, /the same name/],
      [x({ name: '' }), /the name of an input/],
      [x({ datatype: 'FP8' }), /datatype "FP8"/],
      [x({ datatype: 'constructor' }), /datatype "constructor"/],
      [x({ shape: [-1, 2] }), /holds -1/],
      [x({ shape: [2 ** 32, 2] }), /holds 4294967296/],
      [x({ shape: [2 ** 31, 2 ** 31] }), /more elements than can be/],
      [x({ shape: Array(33).fill(1) }), /at most 32 sizes/],
      [x({ shape: [1.5] }), /holds 1\.5/],
      [x({ shape: '2' }), /not a list/],
      [x({ data: [1, 2, 3] }), /has 3 elements/],
      [x({ data: 'abcd' }), /data of "x" is not a list/],
      [x({ data: [[[1]], [[2]], [[3]], [[4]]] }), /deeper than the shape/],
      [x({ data: [1, 2, 3, '4'] }), /holds "4", which is not of FP32/],
      [x({ data: [1, 2, 3, 1e39] }), /not of FP32/],
      [x({ datatype: 'UINT8', data: [1, 2, 3, 256] }), /holds 256, which is not of UINT8/],
      [x({ datatype: 'INT32', data: [1, 2, 3, 0.5] }), /not of INT32/],
      [x({ datatype: 'BOOL', data: [true, false, true, 1] }), /holds 1, which is not of BOOL/],
      [x({ datatype: 'UINT64', data: [1, 2, 3, '-1'] }), /holds "-1"/],
      [x({ parameters: { binary_data_size: 16 } }), /both data and binary_data_size/],
      [x({ data: undefined, parameters: { binary_data_size: 16 } }), /has 0 bytes left/],
      [x({ data: undefined, parameters: { binary_data_size: -1 } }), /binary_data_size of "x" is -1/],
      [x({ data: undefined, parameters: { shared_memory_region: 'r' } }), /shared memory/],
      [{ inputs: [{ name: 'input', datatype: 'BYTES', shape: [1], data: [''] }] }, /empty/],
      [
        { inputs: [{ name: 'input', datatype: 'BYTES', shape: [1], data: ['a'], parameters: { content_type: `a/${'b'.repeat(254)}` } }] },
        /type\/subtype/,
      ],
      [{ inputs: [{ name: 'input', datatype: 'BYTES', shape: [250_001], data: [] }] }, /more than 250000 elements of BYTES/],
      // Each element would be nested in 31 lists.
      [
        {
          parameters: { content_type: 'application/json' },
          inputs: [x({ shape: [30_000, ...Array(31).fill(1)], data: Array(30_000).fill(1) }).inputs[0]],
        },
        /more than 900000 elements and lists of elements/,
      ],
    ] as const)
      assert.match(await refused(request), new RegExp(`^400 .*${why.source}.*\\(WAGGLE_INFERENCE_INPUT\\)$`), JSON.stringify(request).slice(0, 200))
  })

  it('refuses binary data that is truncated, has wrong lengths, or belongs to no input', async () => {
    const texts = { inputs: [{ name: 't', datatype: 'BYTES', shape: [2], parameters: { binary_data_size: 8 } }] }
    const element = (length: number, ...bytes: number[]) => Buffer.from([length, 0, 0, 0, ...bytes])
    for (const [request, data, why] of [
      [{ inputs: [{ name: 'x', datatype: 'FP32', shape: [2], parameters: { binary_data_size: 8 } }] }, Buffer.alloc(4), /has 4 bytes left/],
      [
        { inputs: [{ name: 'x', datatype: 'FP32', shape: [2], parameters: { binary_data_size: 4 } }] },
        Buffer.alloc(4),
        /has 4 bytes, where FP32 \[2\] has 8/,
      ],
      [
        { inputs: [{ name: 'x', datatype: 'FP32', shape: [1], parameters: { binary_data_size: 4 } }] },
        Buffer.alloc(9),
        /5 bytes that belong to no input/,
      ],
      [{ inputs: [{ name: 'x', datatype: 'BOOL', shape: [1], parameters: { binary_data_size: 1 } }] }, Buffer.from([7]), /bytes other than 0 and 1/],
      [texts, Buffer.concat([element(0), element(9)]), /break off in element 1/],
      [texts, Buffer.concat([element(1, 1), Buffer.alloc(3)]), /break off in element 1/],
      [texts, Buffer.from([4, 0, 0, 0, 1, 2, 3, 4]), /do not hold 2 elements/],
      [{ inputs: [{ ...texts.inputs[0], shape: [1] }] }, Buffer.concat([element(0), element(0)]), /do not hold 1 elements/],
      [{ inputs: [{ ...texts.inputs[0], shape: [2 ** 32 - 1] }] }, Buffer.alloc(8), /more than 250000 elements/],
    ] as const) {
      const { body, headers } = binary(request, data)
      const response = await post(body, headers)
      const { error } = (await response.json()) as { readonly error: string }
      assert.deepEqual([response.status, why.test(error)], [400, true], error)
    }
    for (const length of ['999999', '-1', '1e3', 'abc', '']) {
      const response = await post('{"inputs": []}', { 'inference-header-content-length': length })
      assert.deepEqual([response.status, (await response.text()).includes('WAGGLE_BAD_HEADER')], [400, true], length)
    }
  })

  it('refuses a body that is not an inference request, and a request for unknown outputs', async () => {
    for (const body of [
      '',
      '[]',
      '{"inputs": [3]}',
      '{"inputs": [], "outputs": 1}',
      '{"id": 3, "inputs": []}',
      '{"inputs": [',
      `{"inputs": [], "parameters": []}`,
    ]) {
      const response = await post(body)
      assert.equal(response.status, 400, body)
      assert.deepEqual(Object.keys((await response.json()) as object), ['error'], body)
    }
    assert.match(await refused({ inputs: [numbers], outputs: [{ name: 'y' }] }), /^400 .*has no output "y"; it has x.*WAGGLE_INFERENCE_OUTPUT/)
    assert.match(await refused({ inputs: [numbers], outputs: [{ name: 'x', parameters: { classification: 3 } }] }), /^400 .*classification/)
    assert.match(await refused({ inputs: [numbers], outputs: [{ name: 'x' }, { name: 'x' }] }), /^400 .*twice/)
  })

  it('answers every error in the format of the protocol: an unknown model, another version, and too large a body', async () => {
    for (const path of ['nobody/infer', 'door/versions/4/infer']) {
      const response = await post(JSON.stringify({ inputs: [numbers] }), {}, path)
      assert.equal(response.status, 404)
      assert.match(((await response.json()) as { readonly error: string }).error, /WAGGLE_INFERENCE_MODEL/)
    }
    const large = await post(Buffer.alloc(100_000))
    assert.deepEqual([large.status, Object.keys((await large.json()) as object)], [413, ['error']])
  })

  it('refuses pages of other sites and foreign host names', async () => {
    const response = await fetch(`${gateway.url}/v2/models/door`, { headers: { origin: 'https://evil.example' } })
    assert.equal(response.status, 403)
  })
})

describe('A model with known types', () => {
  it('reads numbers as JSON for a swarm that accepts JSON objects, and FP16 and BF16 too', async () => {
    const answers: unknown[] = []
    for (const input of [{ type: 'object' }, { tensors: { x: { dtype: 'FP16', shape: [2] } } }, { tensors: { t: { dtype: 'BYTES', shape: [1] } } }]) {
      const gateway = await openEchoGateway({ requests: payloadEcho, models: doorModels({ input, output: null }) })
      const text = 'type' in input || 'x' in input.tensors ? numbers : { name: 't', datatype: 'BYTES', shape: [1, 1], data: ['hi'] }
      const shape = 'tensors' in input && 'x' in input.tensors ? [1, 2, 2] : text.shape
      const response = await fetch(`${gateway.url}/v2/models/door/infer`, { method: 'POST', body: JSON.stringify({ inputs: [{ ...text, shape }] }) })
      answers.push(((await response.json()) as Answer).outputs[0]?.data)
      await gateway.close()
    }
    assert.deepEqual(answers, [['{"x":[[1,2],[3,4.5]]}'], ['{"x":[[[1,2],[3,4.5]]]}'], ['{"t":["hi"]}']])
  })

  it('lists the tensors that a model takes and gives', async () => {
    const tensors = (name: string, dtype: string) => ({ tensors: { [name]: { dtype, shape: [-1, 3] } } })
    await using gateway = await openEchoGateway({
      models: doorModels({ input: tensors('pixels', 'UINT8'), output: tensors('scores', 'FP32') }),
    }).then((one) => ({
      url: one.url,
      [Symbol.asyncDispose]: () => one.close(),
    }))
    const { inputs, outputs } = (await (await fetch(`${gateway.url}/v2/models/door`)).json()) as {
      readonly inputs: unknown
      readonly outputs: unknown
    }
    assert.deepEqual(
      [inputs, outputs],
      [[{ name: 'pixels', datatype: 'UINT8', shape: [-1, 3] }], [{ name: 'scores', datatype: 'FP32', shape: [-1, 3] }]],
    )
  })
})

describe('The Open Inference Protocol under the rules of the gateway', () => {
  const secret = 'asker-0123456789'
  const body = JSON.stringify({ inputs: [numbers] })

  it('requires a token with the scope of the gateway', async () => {
    const tokens = new AccessTokens()
    tokens.replace('settings', parseTokens(`asker=${secret}:ask:door; other=other-0123456789:ask:window,read`))
    const gateway = await openEchoGateway({
      requests: payloadEcho,
      models: doorModels(),
      callers: { areKnown: true, find: (token) => tokens.find(token) },
    })
    const statusOf = async (path: string, token: string | null, method = 'POST') => {
      const headers = token === null ? {} : { authorization: `Bearer ${token}` }
      const response = await fetch(`${gateway.url}${path}`, { method, headers, ...(method === 'POST' ? { body } : {}) })
      const { error = 'none' } = (await response.json()) as { readonly error?: string }
      return [response.status, /\((\w+)\)$/.exec(error)?.[1], response.headers.get('www-authenticate')]
    }
    const infer = '/v2/models/house/infer'
    assert.deepEqual(await statusOf(infer, secret), [200, undefined, null])
    assert.deepEqual(await statusOf(infer, null), [401, 'WAGGLE_TOKEN_MISSING', 'Bearer realm="waggle"'])
    assert.deepEqual(await statusOf(infer, 'wrong-0123456789'), [401, 'WAGGLE_TOKEN_UNKNOWN', 'Bearer realm="waggle", error="invalid_token"'])
    assert.deepEqual(await statusOf(infer, 'other-0123456789'), [
      403,
      'WAGGLE_SCOPE_MISSING',
      'Bearer realm="waggle", error="insufficient_scope", scope="ask:door"',
    ])
    assert.equal((await statusOf('/v2/models/nobody/infer', secret))[0], 403, 'who may not ask everything does not learn which models there are')
    assert.equal((await statusOf('/v2/models/door', 'other-0123456789', 'GET'))[0], 403)
    assert.equal((await statusOf('/v2/health/ready', null, 'GET'))[0], 200)
    await gateway.close()
  })

  it('counts a request among its caller’s requests, and returns the error of a failed bee', async () => {
    const limits = new CallerLimits({ clock: systemClock, limits: { ratePerSecond: 1, inFlight: null, allInFlight: 10 } })
    const answered: unknown[] = []
    const failing = {
      ...payloadEcho,
      request: async ({ id }: { readonly id: string }) =>
        readBack({ id, state: 'failed' as const, answer: errorPayload({ code: 'WAGGLE_REFUSED', detail: 'Send a number', bee: 'work' }) }),
    }
    const gateway = await openEchoGateway({
      requests: failing,
      models: doorModels(),
      limits,
      onAnswered: ({ gateway: to, status }) => answered.push([to, status]),
    })
    const statuses: unknown[] = []
    for (let at = 0; at < 2; at++) {
      const response = await fetch(`${gateway.url}/v2/models/door/infer`, { method: 'POST', body })
      statuses.push([response.status, ((await response.json()) as { readonly error: string }).error, response.headers.get('retry-after')])
    }
    assert.deepEqual(statuses, [
      [422, 'work: Send a number (WAGGLE_REFUSED)', null],
      [429, 'This caller may send 1 requests a second to door (caller_rate_per_second) (WAGGLE_CALLER_LIMIT)', '1'],
    ])
    await gateway.close()
    assert.deepEqual(answered, [
      ['door', 422],
      ['door', 429],
    ])
  })
})
