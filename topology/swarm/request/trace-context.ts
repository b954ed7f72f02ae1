import { type Header, headerText, textHeader } from '../../record.ts'
import { baggageHeader, traceParentHeader, traceStateHeader } from './headers.ts'
import { callIdOf } from './rounds.ts'

/** A place in a trace, as the header `traceparent` names it (W3C Trace Context, section 3.2). */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits. */
  readonly spanId: string
  /** True if the spans of this trace are recorded. */
  readonly isSampled: boolean
}

/** The trace context in a text; null if the text is not a valid `traceparent`. */
export function parseTraceparent(text: string | null): TraceContext | null {
  const [, version = '', traceId = '', spanId = '', flags = '', more = ''] = text === null ? [] : (traceparent.exec(text) ?? [])
  if (version === '' || version === 'ff' || (version === '00' && more !== '')) return null
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export function traceparentText({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`
}

/** The trace context of a record; null if the record has no valid one. */
export function traceContextOf(headers: readonly Header[]): TraceContext | null {
  return parseTraceparent(headerText(headers, traceParentHeader))
}

/** A call of a bee for one request. The id of the call's span is computed from these fields. */
export interface SpanCall {
  readonly swarm: string
  readonly bee: string
  /** The id of the request. */
  readonly id: string
  readonly attempt: number
}

/**
 * The span of a call. The span's id is a hash of the span before it and of the call. So the id is the same when the record is read again, and in each
 * process that computes it. Null if the trace of the record is not recorded.
 */
export function callSpan(headers: readonly Header[], { swarm, bee, id, attempt }: SpanCall): TraceContext | null {
  const parent = traceContextOf(headers)
  if (parent === null || !parent.isSampled) return null
  return { ...parent, spanId: hashed(`${parent.traceId}/${parent.spanId}/${swarm}/${bee}/${callIdOf(id, headers)}/${attempt}`) }
}

/** The headers with another place in the trace; unchanged if `context` is null. */
export function withTraceContext(headers: readonly Header[], context: TraceContext | null): readonly Header[] {
  if (context === null) return headers
  return [...headers.filter(({ key }) => key !== traceParentHeader), textHeader(traceParentHeader, traceparentText(context))]
}

/** The headers that continue a trace at another server: `traceparent`, `tracestate` and `baggage`, as far as they are valid. */
export function traceHeaders(headers: readonly Header[]): { readonly [name: string]: string } {
  return carried({
    traceparent: headerText(headers, traceParentHeader),
    tracestate: headerText(headers, traceStateHeader),
    baggage: headerText(headers, baggageHeader),
  })
}

export interface CarriedTrace {
  readonly traceparent?: string
  readonly tracestate?: string
  readonly baggage?: string
}

/** The valid headers among those of a caller. Without a valid `traceparent` there is no `tracestate`. The length of each header is limited. */
export function carried(given: { readonly [name in keyof CarriedTrace]: string | null }): CarriedTrace & { readonly [name: string]: string } {
  const { traceparent: parent = null, tracestate: state = null, baggage = null } = given
  const isTraced = parseTraceparent(parent) !== null
  return {
    ...(isTraced && parent !== null ? { traceparent: parent } : {}),
    ...(isTraced && isHeaderText(state, maxStateCharacters) ? { tracestate: state } : {}),
    ...(isHeaderText(baggage, maxBaggageCharacters) ? { baggage } : {}),
  }
}

function isHeaderText(text: string | null, max: number): text is string {
  return text !== null && text !== '' && text.length <= max && /^[\x20-\x7e]*$/.test(text)
}

/**
 * The id of a trace that begins with a request. If the request's id is a UUID, the trace id has the digits of the UUID; otherwise it is a hash of the
 * request's id.
 */
export function traceIdOf(requestId: string): string {
  const digits = requestId.toLowerCase().replaceAll('-', '')
  return /^[0-9a-f]{32}$/.test(digits) && !/^0+$/.test(digits) ? digits : hashed(`${requestId}/1`) + hashed(`${requestId}/2`)
}

/** The id of the first span of a request that came without a trace. */
export function rootSpanIdOf(requestId: string): string {
  return hashed(`${requestId}/root`)
}

/**
 * 64 bits of a text as 16 hexadecimal digits, never all zeros. The result is two FNV-1a hashes of 32 bits with different starts, each mixed as in
 * MurmurHash3. Ids of spans need no protection from forgery, and the function runs for each call.
 */
function hashed(text: string): string {
  let [low, high] = [0x811c9dc5, 0x9747b28c]
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    low = Math.imul(low ^ code, 0x01000193)
    high = Math.imul(high ^ (code + at), 0x01000193)
  }
  return (
    (mixed(low) || 1).toString(16).padStart(8, '0') +
    mixed(high ^ low)
      .toString(16)
      .padStart(8, '0')
  )
}

function mixed(hash: number): number {
  let mix = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35)
  return (mix ^ (mix >>> 16)) >>> 0
}

const traceparent = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.{0,200})?$/
/** The lengths that the specifications ask every platform to support: 512 characters of `tracestate`, and 8192 of `baggage`. */
const maxStateCharacters = 512
const maxBaggageCharacters = 8192
