import { type Header, headerText, type Record, textHeader } from '../../record.ts'
import type { HandingSerde, Serde } from '../../serde.ts'
import { Unavailable } from '../../waggle-error.ts'
import { contentTypeHeader } from '../request/headers.ts'
import { jsonCopy } from './json-value.ts'
import type { Payload } from './payload.ts'
import { payloadSerde, unreadable } from './payload-serde.ts'

/** A prediction as it is written in Avro. */
export interface PredictionRecord {
  readonly label: string
  readonly scores: { readonly [label: string]: number }
  readonly model: string | null
  /** Other outputs of the model, each as JSON. */
  readonly outputs: { readonly [name: string]: string }
}

/** The schema of all predictions. Other outputs are in a map, so a model may add or drop them without a new version. */
export const predictionSchema = {
  type: 'record',
  namespace: 'waggle',
  name: 'Prediction',
  doc: 'What a model bee says of one request. The key of its record is the request id.',
  fields: [
    { name: 'label', type: 'string', doc: 'The label with the highest score.' },
    { name: 'scores', type: { type: 'map', values: 'double' }, doc: 'By label.' },
    { name: 'model', type: ['null', 'string'], default: null },
    { name: 'outputs', type: { type: 'map', values: 'string' }, default: {}, doc: 'Other outputs of the model by name, each as JSON.' },
  ],
}

/** The content type of a prediction in the Confluent wire format. */
const avroType = 'application/vnd.waggle.prediction+avro'

/**
 * The serde of payloads in a swarm with a schema registry. Records marked as predictions are Avro. All other records have their usual encoding.
 * Schemas are registered for `topics`.
 */
export function predictionSerde(avro: Serde<PredictionRecord>, topics: ReadonlySet<string>): HandingSerde<Payload> {
  return {
    handsOn: true,
    async open(use) {
      if (use.topic !== null && topics.has(use.topic)) await avro.open?.(use)
    },
    prepare(topic, data) {
      const fetched = topics.has(topic) ? (avro.prepare?.(topic, data) ?? null) : null
      // Other bytes may look like Avro, and then no schema is found for them. Only the record's header decides, when the record is read.
      return fetched === null ? null : fetched.catch(throwIfUnavailable)
    },
    serialize(topic, payload, headers = []) {
      const prediction = isMarked(headers) ? predictionOf(payload) : null
      return prediction === null ? payloadSerde.serialize(topic, payload, headers) : avro.serialize(topic, prediction, headers)
    },
    deserialize(topic, data, headers = []) {
      if (!isMarked(headers)) return payloadSerde.deserialize(topic, data, headers)
      try {
        return { kind: 'json', json: jsonCopy(jsonOf(avro.deserialize(topic, data, headers))) }
      } catch (thrown) {
        throwIfUnavailable(thrown)
        return unreadable(thrown)
      }
    },
  }
}

/** Marks a record whose value is a prediction, so that it is written as Avro. */
export function markedPrediction(record: Record<unknown, unknown>): Record<unknown, unknown> {
  const { value, headers } = record as Record<unknown, Payload>
  if (predictionOf(value) === null) return record
  return { ...record, headers: [...headers.filter(({ key }) => key !== contentTypeHeader), textHeader(contentTypeHeader, avroType)] }
}

function isMarked(headers: readonly Header[]): boolean {
  return headerText(headers, contentTypeHeader) === avroType
}

/**
 * The payload as a prediction. Null if the payload lacks a field of a prediction, or has a name that Avro's maps cannot contain. Such a payload is
 * written as JSON.
 */
function predictionOf(payload: Payload): PredictionRecord | null {
  if (payload.kind !== 'json' || typeof payload.json !== 'object' || payload.json === null) return null
  const { label, scores, model = null, ...others } = payload.json as { readonly [key: string]: unknown }
  if (typeof label !== 'string' || !(model === null || typeof model === 'string') || !isScores(scores)) return null
  // avsc fills a map by assignment, and an assignment to __proto__ adds no entry.
  if (Object.hasOwn(scores, '__proto__') || Object.hasOwn(others, '__proto__')) return null
  const outputs = Object.entries(others).flatMap(([name, value]) => (value === undefined ? [] : [[name, JSON.stringify(value)] as const]))
  return { label, scores, model, outputs: Object.fromEntries(outputs) }
}

function isScores(scores: unknown): scores is { readonly [label: string]: number } {
  return typeof scores === 'object' && scores !== null && !Array.isArray(scores) && Object.values(scores).every((score) => typeof score === 'number')
}

function jsonOf({ label, scores, model, outputs }: PredictionRecord): unknown {
  const others = Object.entries(outputs).map(([name, json]) => [name, JSON.parse(json) as unknown] as const)
  return { label, scores: { ...scores }, ...(model === null ? {} : { model }), ...Object.fromEntries(others) }
}

function throwIfUnavailable(thrown: unknown): void {
  if (thrown instanceof Unavailable) throw thrown
}
