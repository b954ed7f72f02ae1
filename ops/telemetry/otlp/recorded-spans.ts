import { type Attributes, type HrTime, type Link, ROOT_CONTEXT, type SpanContext, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import { type ReadableSpan, SamplingDecision, type SpanProcessor, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace'
import type { Clock, Random } from '../../../processor/ports.ts'
import { ownPackage } from '../../../topology/own-package.ts'
import type { AcceptedRecord, CallSpan, TracedCall, TracedRequest, Tracing } from '../../../topology/swarm/ports/tracing.ts'
import { parseTraceparent, rootSpanIdOf, type TraceContext, traceIdOf } from '../../../topology/swarm/request/trace-context.ts'
import type { OtlpSettings } from './otlp-settings.ts'

export interface RecordedSpansOptions {
  readonly processor: Pick<SpanProcessor, 'onEnd'>
  readonly resource: Resource
  readonly clock: Pick<Clock, 'now'>
  readonly random: Pick<Random, 'bytes'>
  readonly settings: Pick<OtlpSettings, 'sampler' | 'maxLinks'>
}

/**
 * Makes the spans of requests, and passes them to a span processor, which has a bounded queue. The spans of bees are made after their calls have
 * ended. Their ids are hashes (`trace-context.ts`), so other processes can refer to a span before it is made.
 */
export class RecordedSpans implements Tracing {
  readonly #options: RecordedSpansOptions
  readonly #samplesRoot: (traceId: string) => boolean

  constructor(options: RecordedSpansOptions) {
    this.#options = options
    const { root, ratio } = options.settings.sampler
    const byRatio = new TraceIdRatioBasedSampler(ratio)
    this.#samplesRoot = (traceId) =>
      root === 'ratio' ? byRatio.shouldSample(ROOT_CONTEXT, traceId).decision === SamplingDecision.RECORD_AND_SAMPLED : root === 'on'
  }

  begin({ gateway, call, id, path, traceparent }: TracedRequest): ReturnType<Tracing['begin']> {
    const parent = parseTraceparent(traceparent ?? null)
    const context = this.#context(id, parent, this.#randomId(8))
    const startedAt = this.#options.clock.now()
    const end = (status: number) => {
      if (!context.isSampled) return
      this.#record({
        name: path === null ? `${gateway} ${call}` : `POST ${path}`,
        kind: SpanKind.SERVER,
        context,
        parentSpanId: parent?.spanId ?? null,
        times: [startedAt, this.#options.clock.now()],
        failure: status >= 500 ? `HTTP ${status}` : null,
        attributes: {
          ...(path === null ? { 'rpc.system': 'grpc' } : { 'http.request.method': 'POST', 'url.path': path, 'http.response.status_code': status }),
          'waggle.call': call,
          'waggle.gateway': gateway,
          'waggle.request_id': id,
        },
      })
    }
    return { context, end }
  }

  accepted({ gateway, id, place, at }: AcceptedRecord): TraceContext {
    const context = this.#context(id, null, rootSpanIdOf(id))
    if (context.isSampled)
      this.#record({
        name: `${gateway} process`,
        kind: SpanKind.CONSUMER,
        context,
        parentSpanId: null,
        times: [at, at],
        failure: null,
        attributes: { ...placeAttributes(place), 'waggle.gateway': gateway, 'waggle.request_id': id },
      })
    return context
  }

  called(call: TracedCall): void {
    const { spans, rows, isRepeated, swarm, bee, type, startedAt, finishedAt } = call
    const [first] = spans
    const common = { 'waggle.swarm': swarm, 'waggle.bee': bee, 'waggle.bee.type': type, 'waggle.batch.size': rows }
    const batch = rows > 1 && first !== undefined ? this.#batchOf(first) : null
    if (batch !== null)
      this.#record({
        name: `${bee} batch`,
        kind: SpanKind.INTERNAL,
        context: batch,
        parentSpanId: null,
        times: [startedAt, finishedAt],
        failure: isRepeated ? (first?.error?.message ?? null) : null,
        attributes: common,
        links: spans.map(({ context }) => spanContext(context)),
      })
    if (isRepeated) return
    for (const { context, parentSpanId, requestId, attempt, place, error } of spans)
      this.#record({
        name: bee,
        kind: SpanKind.INTERNAL,
        context,
        parentSpanId,
        times: [startedAt, finishedAt],
        failure: error?.message ?? null,
        attributes: {
          ...common,
          ...placeAttributes(place),
          'waggle.request_id': requestId,
          'waggle.attempt': attempt,
          ...(error === null ? {} : { 'error.type': error.code }),
        },
        links: batch === null ? [] : [spanContext(batch)],
      })
  }

  #context(id: string, parent: TraceContext | null, spanId: string): TraceContext {
    const traceId = parent?.traceId ?? traceIdOf(id)
    const { isParentBased } = this.#options.settings.sampler
    return { traceId, spanId, isSampled: isParentBased && parent !== null ? parent.isSampled : this.#samplesRoot(traceId) }
  }

  /** The span of a batch. A batch contains requests of many traces, so it is a separate trace, with a link to each of its requests. */
  #batchOf({ context }: CallSpan): TraceContext {
    return { traceId: this.#randomId(16), spanId: context.spanId, isSampled: true }
  }

  #randomId(bytes: number): string {
    return Buffer.from(this.#options.random.bytes(bytes)).toString('hex')
  }

  #record({ name, kind, context, parentSpanId, times, failure, attributes, links = [] }: Recorded): void {
    const { resource, processor, settings } = this.#options
    const kept = links.slice(0, settings.maxLinks)
    const [startedAt, endedAt] = times
    const end = Math.max(startedAt, endedAt)
    const own = spanContext(context)
    const span: ReadableSpan = {
      name,
      kind,
      spanContext: () => own,
      ...(parentSpanId === null ? {} : { parentSpanContext: { ...own, spanId: parentSpanId, isRemote: true } }),
      startTime: hrTime(startedAt),
      endTime: hrTime(end),
      duration: hrTime(end - startedAt),
      status: failure === null ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: failure.slice(0, maxMessageCharacters) },
      attributes,
      links: kept.map((linked): Link => ({ context: linked, attributes: {} })),
      events: [],
      ended: true,
      resource,
      instrumentationScope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: links.length - kept.length,
    }
    processor.onEnd(span)
  }
}

interface Recorded {
  readonly name: string
  readonly kind: SpanKind
  readonly context: TraceContext
  readonly parentSpanId: string | null
  /** Start and end, in epoch milliseconds. */
  readonly times: readonly [number, number]
  /** The message of an error; null if there is none. */
  readonly failure: string | null
  readonly attributes: Attributes
  readonly links?: readonly SpanContext[]
}

function placeAttributes(place: CallSpan['place']): Attributes {
  if (place === null) return {}
  return {
    'messaging.system': 'kafka',
    'messaging.destination.name': place.topic,
    'messaging.destination.partition.id': String(place.partition),
    'messaging.kafka.offset': Number(place.offset),
  }
}

function spanContext({ traceId, spanId, isSampled }: TraceContext): SpanContext {
  return { traceId, spanId, traceFlags: isSampled ? 1 : 0 }
}

/** An epoch time as seconds and nanoseconds. */
export function hrTime(ms: number): HrTime {
  return [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)]
}

const instrumentationScope = { name: 'waggle-streams', version: ownPackage.version }
const maxMessageCharacters = 1000
