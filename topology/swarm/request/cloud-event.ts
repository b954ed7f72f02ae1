import { mediaTypeOf } from '../../media-type.ts'
import { type Header, headerText, textHeader } from '../../record.ts'
import { WaggleError } from '../../waggle-error.ts'
import { edgeJson, insideJson, withoutMark } from '../payload/json-value.ts'

/**
 * A CloudEvent 1.0 (github.com/cloudevents/spec) as a request. In a record the event has the binary mode of the Kafka binding: each attribute is a
 * header `ce_NAME`, and the value is the event's data.
 */
export interface CloudEvent {
  /** The attributes beside the content type: `id`, `source`, `type`, `specversion`, and perhaps others. */
  readonly attributes: ReadonlyMap<string, string>
  readonly data: Uint8Array
  readonly contentType: string
}

export const cloudEventType = 'application/cloudevents+json'
export const cloudEventBatchType = 'application/cloudevents-batch+json'
/** The prefix of the headers of a record. Over HTTP it is `ce-`. */
export const attributePrefix = 'ce_'

/** Makes an event from the attributes of the binary mode. Throws WAGGLE_BAD_CLOUD_EVENT. */
export function binaryEvent(attributes: ReadonlyMap<string, string>, data: Uint8Array, contentType: string | null): CloudEvent {
  return { attributes: checked(attributes), data, contentType: contentType ?? 'application/octet-stream' }
}

/** Reads an event of the structured mode: a JSON object with the attributes and the data. Throws WAGGLE_BAD_CLOUD_EVENT. */
export function structuredEvent(bytes: Uint8Array): CloudEvent {
  return eventOfJson(jsonIn(bytes))
}

/** Reads a batch: a JSON array of events as in the structured mode. It may be empty. Throws WAGGLE_BAD_CLOUD_EVENT, also for a single bad event. */
export function eventsIn(bytes: Uint8Array): readonly CloudEvent[] {
  const json = jsonIn(bytes)
  if (!Array.isArray(json)) throw badEvent('its batch is no JSON array', 'Send an array of events.')
  // A longer batch is refused without a look at its events.
  if (json.length > maxBatchEvents) throw tooManyEvents(json.length)
  return json.map((event, at) => {
    try {
      return eventOfJson(event)
    } catch (thrown) {
      const { message, next } = WaggleError.from('WAGGLE_BAD_CLOUD_EVENT', thrown, { next: 'Send an array of events.' })
      throw new WaggleError('WAGGLE_BAD_CLOUD_EVENT', { message: `Event ${at} of the batch: ${message}`, next })
    }
  })
}

function eventOfJson(json: unknown): CloudEvent {
  const event = objectOf(json)
  const { data, data_base64: base64, datacontenttype: given, ...others } = event
  if (data !== undefined && base64 !== undefined) throw badEvent('it has data and data_base64', 'Send one of the two.')
  if (given !== undefined && typeof given !== 'string') throw badEvent('its datacontenttype is no text', 'Send a media type.')
  const attributes = checked(new Map(Object.entries(others).flatMap(([name, value]) => (value === null ? [] : [[name, textOf(name, value)]]))))
  if (base64 !== undefined) {
    if (typeof base64 !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) throw badEvent('its data_base64 is no base64', 'Send standard base64.')
    return { attributes, data: Buffer.from(base64, 'base64'), contentType: given ?? 'application/octet-stream' }
  }
  const contentType = given ?? 'application/json'
  if (isJson(contentType)) return { attributes, data: Buffer.from(JSON.stringify(data ?? null)), contentType: 'application/json' }
  if (data === undefined) return { attributes, data: new Uint8Array(0), contentType }
  if (typeof data !== 'string') throw badEvent(`its data is no text, and its datacontenttype is ${contentType}`, 'Send bytes as data_base64.')
  return { attributes, data: Buffer.from(data), contentType }
}

/**
 * An event in the structured mode. JSON data is a part of the text as it is, so that large integers keep their digits. Any other data is
 * `data_base64`, also bytes that only their content type calls JSON. Never throws because of the data.
 */
export function structuredText({ attributes, data, contentType }: CloudEvent): string {
  const head = JSON.stringify({ ...Object.fromEntries(attributes), datacontenttype: contentType }).slice(0, -1)
  return isJson(contentType) && isInsideJson(data)
    ? `${head},"data":${Buffer.from(withoutMark(data)).toString()}}`
    : `${head},"data_base64":"${Buffer.from(data).toString('base64')}"}`
}

export function isStructured(contentType: string | null): boolean {
  return mediaTypeOf(contentType) === cloudEventType
}

export function isBatch(contentType: string | null): boolean {
  return mediaTypeOf(contentType) === cloudEventBatchType
}

/** The HTTP and Kafka bindings of CloudEvents: the attributes are headers (binary), or the value has all of the event (structured). */
export type EventMode = 'binary' | 'structured'

/** The event that an answer is, in reply to another event. */
export function answerEvent({ id, gateway, causation, time, data, contentType, type = 'waggle.answer' }: AnsweredEvent): CloudEvent {
  const attributes = new Map([
    ['specversion', '1.0'],
    ['id', id],
    ['source', `/v1/gateways/${gateway}`],
    ['type', type],
    ['time', eventTime(time)],
    ['causationid', causation],
  ])
  return { attributes, data, contentType }
}

export interface AnsweredEvent extends Pick<CloudEvent, 'data' | 'contentType'> {
  /** The id of the request. */
  readonly id: string
  readonly gateway: string
  /** The id of the event that asked. */
  readonly causation: string
  /** Epoch ms. */
  readonly time: number
  /** Default: `waggle.answer`. */
  readonly type?: 'waggle.answer' | 'waggle.problem'
}

/** The attribute `time` of an event. A record's timestamp (epoch ms) may be any number, so it is brought into the years of RFC 3339. */
export function eventTime(timestamp: number): string {
  return new Date(Math.min(Math.max(0, timestamp), lastTime)).toISOString()
}

/** The id of the event in the headers of a record; null for a record that is no event, or whose id no event may have. */
export function eventIdOf(headers: readonly Header[]): string | null {
  const [version, id] = ['specversion', 'id'].map((name) => headerText(headers, `${attributePrefix}${name}`) ?? '')
  const isId = id !== undefined && id !== '' && id.length <= maxAttributeCharacters && !/[\p{Cc}]/u.test(id) && id.isWellFormed()
  return version === '1.0' && isId ? id : null
}

/** The headers of a record that carries an event. */
export function attributeHeaders({ attributes }: CloudEvent): readonly Header[] {
  return [...attributes].map(([name, value]) => textHeader(`${attributePrefix}${name}`, value))
}

/** The identity of an event. A producer gives each copy of an event the same identity. */
export function identityOf({ attributes }: CloudEvent): string {
  return JSON.stringify([attributes.get('source'), attributes.get('id')])
}

function checked(attributes: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const version = attributes.get('specversion')
  if (version !== '1.0') throw badEvent(`its specversion is ${version === undefined ? 'missing' : JSON.stringify(version)}`, 'Send specversion 1.0.')
  for (const name of ['id', 'source', 'type'])
    if ((attributes.get(name) ?? '') === '') throw badEvent(`it has no ${name}`, `Send the attribute ${name}, which is not empty.`)
  const time = attributes.get('time')
  if (time !== undefined && !rfc3339.test(time)) throw badEvent('its time is no time of RFC 3339', 'Send a time such as 2026-01-31T12:00:00Z.')
  if (attributes.size > maxAttributes) throw badEvent(`it has more than ${maxAttributes} attributes`, 'Send fewer.')
  let characters = 0
  for (const [name, value] of attributes) {
    characters += name.length + value.length
    if (characters > maxCharacters) throw badEvent(`its attributes have more than ${maxCharacters} characters`, 'Send large values as data.')
    if (!/^[a-z0-9]{1,50}$/.test(name))
      throw badEvent(`it has the attribute ${JSON.stringify(name.slice(0, 60))}`, 'Names have lower-case letters and digits.')
    if (value.length > maxAttributeCharacters)
      throw badEvent(`its ${name} has more than ${maxAttributeCharacters} characters`, 'Send large values as data.')
    if (/[\p{Cc}]/u.test(value) || !value.isWellFormed()) throw badEvent(`its ${name} has control characters`, 'Send printable characters.')
  }
  return attributes
}

function isInsideJson(data: Uint8Array): boolean {
  try {
    insideJson(data)
    return true
  } catch {
    return false
  }
}

function jsonIn(bytes: Uint8Array): unknown {
  try {
    return edgeJson(bytes)
  } catch (thrown) {
    throw badEvent(`it is no JSON: ${thrown instanceof Error ? thrown.message : String(thrown)}`, 'Send a JSON object.')
  }
}

function objectOf(json: unknown): { readonly [name: string]: unknown } {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) throw badEvent('it is no JSON object', 'Send a JSON object.')
  return json as { readonly [name: string]: unknown }
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean' || Number.isInteger(value)) return String(value)
  throw badEvent(`its ${name.slice(0, 60)} is neither a text, a boolean nor an integer`, 'Send structured values as data.')
}

function isJson(contentType: string): boolean {
  return /^application\/(?:[\w.+-]+\+)?json$/.test(mediaTypeOf(contentType))
}

function tooManyEvents(count: number): WaggleError {
  return new WaggleError('WAGGLE_BODY_TOO_LARGE', {
    message: `The batch has ${count} events, and at most ${maxBatchEvents} are taken`,
    next: 'Send several batches.',
  })
}

function badEvent(why: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_BAD_CLOUD_EVENT', { message: `The CloudEvent cannot be taken: ${why}`, next })
}

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,12})?(?:[Zz]|[+-]\d\d:\d\d)$/
const lastTime = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
/** The most events of a batch. */
const maxBatchEvents = 1000
const maxAttributes = 100
const maxAttributeCharacters = 4096
/** The limit of all attributes together: the limit of the headers of an HTTP request. */
const maxCharacters = 16_384
