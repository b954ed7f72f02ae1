import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { type CheckedProgram, CheckFailure } from './checked-program.ts'

/** One check of a program's behaviour. */
export interface Check {
  /** The end of a sentence that begins with "it". */
  readonly title: string
  /** The reason why this program is not checked; null if the check applies. */
  skip?(wants: ReadonlySet<string>): string | null
  run(program: CheckedProgram, sample: Payload): Promise<void>
}

export const checks: readonly Check[] = [
  { title: 'answers a request', run: async (program, sample) => void (await program.ask(sample)) },
  { title: 'answers JSON of every kind', run: (program) => askAll(program, jsonValues.map(json)) },
  { title: 'answers bytes, tensors and the parts of a join', run: (program) => askAll(program, otherValues) },
  {
    title: 'ignores fields that it does not know',
    async run(program, sample) {
      const change = (bytes: Buffer) => [withField(bytes, program.form)]
      await program.result(await program.send(sample, { change }))
    },
  },
  {
    title: 'reads a message that comes in pieces',
    async run(program, sample) {
      const change = (bytes: Buffer) => Array.from({ length: Math.ceil(bytes.length / 7) }, (_, at) => bytes.subarray(7 * at, 7 * at + 7))
      await program.result(await program.send(sample, { change }))
    },
  },
  {
    title: 'answers 300 requests at once, each one time',
    async run(program, sample) {
      const ids: number[] = []
      for (let at = 0; at < 300; at++) ids.push(await program.send(sample, { more: at % 10 !== 9 }))
      for (const id of ids) await program.result(id)
    },
  },
  {
    title: 'waits while Waggle reads slowly, and loses no result',
    async run(program) {
      program.pause()
      const ids: number[] = []
      try {
        for (let at = 0; at < Math.min(8, program.window); at++) ids.push(await program.send(json({ text: 'x'.repeat(64 * 1024) })))
        await new Promise((resolve) => setTimeout(resolve, 500))
      } finally {
        program.resume()
      }
      for (const id of ids) await program.result(id)
    },
  },
  {
    title: 'answers a request of 1 MB',
    run: (program) => askAll(program, [json({ text: 'x'.repeat(1_000_000) }), bytes('application/octet-stream', new Uint8Array(1_000_000))]),
  },
  { title: 'answers hostile input, and goes on', run: (program, sample) => askAll(program, [...hostileValues.map(json), ...hostileOthers, sample]) },
  {
    title: 'gives up a request that is cancelled, with one result',
    skip: (wants) => (wants.has('cancel') ? null : 'it does not want cancel'),
    async run(program, sample) {
      const id = await program.send(sample)
      program.cancel(id)
      program.cancel(1_000_000)
      await program.result(id, { mayBeCancelled: true })
      await program.ask(sample)
    },
  },
  {
    title: 'answers a ping, also while it has requests',
    skip: (wants) => (wants.has('ping') ? null : 'it does not want ping'),
    async run(program, sample) {
      await program.ping(1)
      const id = await program.send(sample)
      await program.ping(2)
      await program.result(id)
    },
  },
  {
    title: 'publishes parts in order, before the result',
    skip: (wants) => (wants.has('parts') ? null : 'it does not want parts'),
    async run(program, sample) {
      const ids = [await program.send(sample), await program.send(sample)]
      for (const id of ids) await program.result(id)
      // A part that follows the result would arrive before the next result.
      await program.ask(sample)
    },
  },
  {
    title: 'finishes its requests and exits when its input ends',
    async run(program, sample) {
      const ids = [await program.send(sample), await program.send(sample)]
      const end = await program.finish()
      for (const id of ids) await program.result(id)
      if (end !== 'ended with status 0') throw new CheckFailure(`It ${end} at the end of its input`, 'Exit with status 0 when the input ends.')
    },
  },
  {
    title: 'leaves no process behind',
    async run(program) {
      await program.finish()
      if (isAlive(-program.pid))
        throw new CheckFailure('A process that it started lives on', 'End the processes that the program starts before it exits.')
    },
  },
]

async function askAll(program: CheckedProgram, payloads: readonly Payload[]): Promise<void> {
  for (const payload of payloads) await program.ask(payload)
}

const json = (value: unknown): Payload => ({ kind: 'json', json: value })
const bytes = (contentType: string, content: Uint8Array): Payload => ({ kind: 'bytes', contentType, bytes: content })

const jsonValues: readonly unknown[] = [{}, [], null, true, 0, -1.5, '', 'text', { text: 'one two' }, { text: null }, { text: 7 }, [1, 'two', null]]

const tensors: Payload = {
  kind: 'tensors',
  tensors: {
    image: { datatype: 'UINT8', shape: [2, 2, 3], data: new Uint8Array(12) },
    scale: { datatype: 'FP32', shape: [1], data: Float32Array.of(0.5) },
  },
}

const otherValues: readonly Payload[] = [
  bytes('image/png', Uint8Array.of(0x89, 0x50, 0x4e, 0x47)),
  bytes('text/plain; charset=utf-8', Buffer.from('grüße')),
  tensors,
  {
    kind: 'joined',
    parts: new Map<string, Payload>([
      ['one', json({ label: 'teddy' })],
      ['two', tensors],
    ]),
  },
  {
    kind: 'joined',
    parts: new Map<string, Payload>([
      ['one', { kind: 'error', error: { code: 'WAGGLE_BEE_FAILED', status: 502, title: 'A bee failed', detail: 'why', bee: 'one' } }],
    ]),
  },
]

const hostileValues: readonly unknown[] = [
  nested(500),
  JSON.parse('{"__proto__": {"text": "x"}, "constructor": 1, "toString": null}'),
  { text: '\u0000\u001b[31m\ud800' },
  { text: '🐻'.repeat(1_000) },
  Array.from({ length: 10_000 }, (_, at) => at),
  Number.MAX_VALUE,
  2 ** 64,
  { '': { '': '' } },
]

const hostileOthers: readonly Payload[] = [
  bytes('application/octet-stream', new Uint8Array(0)),
  bytes('image/jpeg', new Uint8Array(64).fill(0xff)),
  { kind: 'tensors', tensors: { empty: { datatype: 'FP32', shape: [0, 3], data: new Float32Array(0) } } },
  { kind: 'tensors', tensors: { 'a name of \n two lines': { datatype: 'FP64', shape: [], data: Float64Array.of(Number.NaN) } } },
  { kind: 'joined', parts: new Map() },
]

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

/** The message with an additional field, as a later version of the protocol may send it. */
function withField(message: Buffer, form: 'json' | 'binary'): Buffer {
  const field = '{"of_a_later_version":{"any":["value"]},'
  if (form === 'json') return Buffer.from(message.toString().replace('{', field))
  const headLength = message.readUInt32LE(0)
  const head = Buffer.from(message.toString('utf8', 8, 8 + headLength).replace('{', field))
  const lengths = Buffer.from(message.subarray(0, 8))
  lengths.writeUInt32LE(head.length)
  return Buffer.concat([lengths, head, message.subarray(8 + headLength)])
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
