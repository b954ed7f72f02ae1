import { Type } from 'typebox'
import { joinedType } from '../../topology/swarm/payload/payload-serde.ts'
import { traceHeaders } from '../../topology/swarm/request/trace-context.ts'
import { revealed, type Secret, secretText } from '../../topology/swarm/secrets/secret.ts'
import { shownAddress } from '../../topology/swarm/secrets/shown-address.ts'
import { Refused, WaggleError } from '../../topology/waggle-error.ts'
import { defineBee } from '../define-bee.ts'
import { answerResult } from './answer-result.ts'
import { fieldAt, UrlTemplate } from './url-template.ts'

export default defineBee({
  type: 'http-call',
  role: 'call',
  uses: ['replicas'],
  keepsInput: true,
  summary: 'Calls an HTTP service with the input, and gives on its answer.',
  delivery:
    'The service may get a request twice: after a crash, and if the call is idempotent after a lost connection. Each request has the header Idempotency-Key with the id of the request, in a loop also with its round, which is the same each time. It has the traceparent, tracestate and baggage of the request too, where it has them.',
  spec: Type.Object(
    {
      url: secretText({
        minLength: 1,
        maxLength: 4000,
        description: 'The address, with fields of the input in its path and query as {name}: https://shop.example/items/{id}?q={text}.',
      }),
      method: Type.Optional(Type.Enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'], { description: 'The method (POST).' })),
      headers: Type.Optional(
        Type.Record(Type.String({ pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$" }), secretText({ description: 'The value of a header.' }), {
          additionalProperties: false,
          description: 'Headers of the request, such as Authorization: Bearer {{ secrets.TOKEN }}.',
        }),
      ),
      body: Type.Optional(
        Type.String({
          minLength: 1,
          description: 'The field of the input that is sent, as name or name.inside. Default: the whole input; none for GET, HEAD and DELETE.',
        }),
      ),
      idempotent: Type.Optional(
        Type.Boolean({
          description:
            'The service may get a request twice without harm, so it is repeated after a lost connection (true, but false for POST and PATCH).',
        }),
      ),
      attempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 10, description: 'Attempts of one call (3).' })),
      attempt_seconds: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 3600, description: 'The time of one attempt (10).' })),
      max_answer_bytes: Type.Optional(Type.Integer({ minimum: 1, maximum: 32 * 1024 * 1024, description: 'The most bytes of an answer (4 MiB).' })),
    },
    { additionalProperties: false, required: ['url'] },
  ),
  examples: [{ url: 'https://prices.example/v1/items/{id}', method: 'GET', headers: { authorization: 'Bearer {{ secrets.PRICES_TOKEN }}' } }],
  async check({ spec, ports }) {
    ports.http.check(new UrlTemplate(revealed(spec.url)).base)
    headersOf(spec.headers ?? {})
    return {}
  },
  async create({ spec, ports }) {
    const { method = 'POST', attempts = 3, attempt_seconds = 10, max_answer_bytes = 4 * 1024 * 1024 } = spec
    const template = new UrlTemplate(revealed(spec.url))
    ports.http.check(template.base)
    const headers = headersOf(spec.headers ?? {})
    const shown = shownAddress(String(spec.url))
    const sendsBody = spec.body !== undefined || bodyMethods.has(method)
    return {
      async process(input: unknown, { callId, signal, deadline, contentType, headers: ofRequest }) {
        const content = sendsBody
          ? contentOf(spec.body === undefined ? input : sentField(input, spec.body), spec.body === undefined ? contentType : null)
          : null
        const answer = await ports.http.send({
          method,
          url: template.for(input),
          shown,
          headers: {
            accept: 'application/json, */*;q=0.5',
            'accept-encoding': 'identity',
            'user-agent': 'waggle',
            'idempotency-key': callId,
            ...traceHeaders(ofRequest),
            ...(content === null ? {} : { 'content-type': content.type, 'content-length': String(content.bytes.length) }),
            ...headers,
          },
          body: content?.bytes ?? null,
          isIdempotent: spec.idempotent ?? !unsafeMethods.has(method),
          attempts,
          attemptMs: attempt_seconds * 1000,
          maxAnswerBytes: max_answer_bytes,
          deadline,
          signal,
        })
        return answerResult(answer, shown)
      },
    }
  },
})

/**
 * The headers with the values of secrets. Throws WAGGLE_HTTP_CALL_ADDRESS for a header that a request cannot have. The error leaves out the value,
 * which may be secret.
 */
function headersOf(headers: { readonly [name: string]: string | Secret }): { readonly [name: string]: string } {
  return Object.fromEntries(
    Object.entries(headers).map(([name, text]) => {
      const value = revealed(text)
      const wrong = ownHeaders.has(name.toLowerCase())
        ? 'is written by Waggle itself'
        : /[^\t\x20-\x7e\x80-\xff]/.test(value)
          ? 'has a character that no header may have, such as a line break'
          : null
      if (wrong !== null)
        throw new WaggleError('WAGGLE_HTTP_CALL_ADDRESS', { message: `the header ${name} ${wrong}`, next: `Correct ${name} in spec.headers.` })
      return [name.toLowerCase(), value] as const
    }),
  )
}

function sentField(input: unknown, path: string): unknown {
  const value = fieldAt(input, path)
  if (value === undefined) throw new Refused(`this input has no field ${path}, which is to be sent`)
  return value
}

function contentOf(value: unknown, contentType: string | null): { readonly type: string; readonly bytes: Uint8Array } {
  if (value instanceof Uint8Array) return { type: contentType ?? 'application/octet-stream', bytes: value }
  if (contentType !== null && contentType !== 'application/json' && contentType !== joinedType)
    throw new Refused('tensors cannot be sent as JSON; put a map bee in between')
  const json = JSON.stringify(value, (_, inner: unknown) => {
    if (ArrayBuffer.isView(inner)) throw new Refused('bytes and tensors inside of an input cannot be sent as JSON; name one field as spec.body')
    return inner
  })
  return { type: 'application/json', bytes: Buffer.from(json) }
}

const bodyMethods: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])
const unsafeMethods: ReadonlySet<string> = new Set(['POST', 'PATCH'])
/** Headers that a spec must not set: HTTP needs these headers to delimit a message, or Waggle sets them itself. */
const ownHeaders: ReadonlySet<string> = new Set([
  ...[
    'host',
    'connection',
    'content-length',
    'transfer-encoding',
    'upgrade',
    'expect',
    'te',
    'trailer',
    'keep-alive',
    'proxy-connection',
    'idempotency-key',
    'accept-encoding',
  ],
])
