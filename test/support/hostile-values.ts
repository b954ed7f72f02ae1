import fc from 'fast-check'
import { encodeTensors } from '../../topology/swarm/payload/tensor-codec.ts'

/** Names that every object inherits. */
const prototypeNames = ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf', 'isPrototypeOf'] as const

const hostileName: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...prototypeNames, '', 'length', '0', '-1', 'a\ud800', '\udfff', '\u0000', '\ufeff', 'a.b', 'x'.repeat(70_000)),
  fc.string({ maxLength: 8 }),
)

/** An object that owns all of its names, including `__proto__`. */
function objectOf(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.array(fc.tuple(hostileName, value), { maxLength: 5 }).map((entries): unknown => Object.fromEntries(entries))
}

/** JSON texts. Every swarm refuses some of them. */
const hostileJsonText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '1e999',
    '-1e999',
    '12345678901234567890',
    '9007199254740993',
    '1e300',
    '-0',
    '"\\ud800"',
    '"\ufeff"',
    '\ufeff{"a":1}',
    '{"a"',
    'null',
    '{}',
    '[]',
  ),
  fc.integer({ min: 1, max: 6_000 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
  fc.integer({ min: 1, max: 6_000 }).map((depth) => `${'{"a":'.repeat(depth)}0${'}'.repeat(depth)}`),
  objectOf(fc.double()).map((value) => JSON.stringify(value)),
  fc.json(),
)

export interface HostileBody {
  readonly body: Uint8Array
  readonly contentType: string
}

const tensorBytes = Buffer.from(
  encodeTensors({
    image: { datatype: 'UINT8', shape: [2, 2, 3], data: new Uint8Array(12) },
    ['__proto__']: { datatype: 'FP32', shape: [0], data: new Float32Array(0) },
  }),
)

/** Well-formed tensors, and tensors with some bytes changed or cut off. */
const hostileTensorBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.constant(Uint8Array.from(tensorBytes)),
  fc.nat(tensorBytes.length).map((end) => Uint8Array.from(tensorBytes.subarray(0, end))),
  fc.tuple(fc.nat(tensorBytes.length - 1), fc.nat(255)).map(([at, byte]) => Uint8Array.from(tensorBytes).fill(byte, at, at + 1)),
)

/** Bodies of every kind, and bodies that do not match their type. */
export const hostileBody: fc.Arbitrary<HostileBody> = fc.oneof(
  hostileJsonText.map((text) => ({ body: Buffer.from(text), contentType: 'application/json' })),
  hostileTensorBytes.map((body) => ({ body, contentType: 'application/vnd.waggle.tensors' })),
  fc.record({
    body: fc.oneof(fc.uint8Array({ maxLength: 64 }), hostileTensorBytes),
    contentType: fc.oneof(
      fc.constantFrom(
        '',
        'image/png',
        'APPLICATION/JSON; charset=utf-8',
        'application/vnd.waggle.joined',
        'application/vnd.waggle.tensors;a',
        'a\nb: c',
        '\ud800',
      ),
      fc.string({ maxLength: 300 }),
    ),
  }),
)

const message = { toString: fail }
function fail(): never {
  throw new Error('a getter that throws')
}

/** Results and errors of a bee's function, created for each use. Some of them are JSON. */
export const hostileOutput: fc.Arbitrary<() => unknown> = fc.oneof(
  fc.constantFrom<readonly (() => unknown)[]>(...hostileMakers().map((make) => [make] as const)).map(([make]) => make ?? (() => null)),
  fc
    .anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      withNullPrototype: true,
    })
    .map((value) => () => value),
  hostileJsonText.map((text) => () => {
    try {
      return JSON.parse(text) as unknown
    } catch {
      return text
    }
  }),
  hostileBody.map(({ body, contentType }) => () => ({ bytes: body, contentType })),
  fc.tuple(hostileName, hostileTensor()).map(([name, tensor]) => () => ({ tensors: Object.fromEntries([[name, tensor]]) })),
  objectOf(fc.double()).map((scores) => () => ({ label: 'constructor', scores })),
)

/** A tensor whose shape, datatype and data may contradict each other. */
function hostileTensor(): fc.Arbitrary<unknown> {
  return fc.record({
    datatype: fc.constantFrom('UINT8', 'FP32', 'INT64', 'BOOL', 'constructor', 'BYTES', null),
    shape: fc.array(fc.constantFrom(0, 1, 2, 3, -1, 1.5, 1e308, 2 ** 32, Number.NaN, Number.POSITIVE_INFINITY, '2', null), { maxLength: 5 }),
    data: fc.constantFrom(new Uint8Array(0), new Uint8Array(6), new Float32Array(1), new BigInt64Array(2), new DataView(new ArrayBuffer(4))),
  })
}

function hostileMakers(): readonly (() => unknown)[] {
  return [
    () => {
      const cyclic: { self?: unknown } = {}
      cyclic.self = cyclic
      return cyclic
    },
    () => Object.defineProperty({}, 'a', { enumerable: true, get: fail }),
    () => new Proxy({}, { ownKeys: fail, getPrototypeOf: fail, get: fail }),
    () => ({ toJSON: fail }),
    () => ({ toJSON: () => undefined }),
    () => new Array(4_000_000_000),
    () => Number.NaN,
    () => [Number.NEGATIVE_INFINITY],
    () => undefined,
    () => ({ tensors: { image: { datatype: 'FP32', shape: [1e308, 0], data: new Float32Array(0) } } }),
    () => Promise.reject(new Error('x'.repeat(100_000))),
    () => Promise.reject(message),
    () => Promise.reject(Object.defineProperty(new Error(), 'message', { get: fail })),
    () => Promise.reject(new Proxy(new Error(), { get: fail, getPrototypeOf: fail })),
    () => Promise.reject(new Error('\ud800\u0000')),
    () => Promise.reject(null),
    () => Promise.reject(Object.assign(new Error('cause'), { cause: message, code: 'constructor' })),
  ]
}
