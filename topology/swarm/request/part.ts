import { type Header, headerText, textHeader } from '../../record.ts'
import type { Payload } from '../payload/payload.ts'
import { payloadHeaders, payloadSerde } from '../payload/payload-serde.ts'
import type { PublishingCall } from '../ports/published-parts.ts'
import { roundsHeader } from './headers.ts'

/** The bee that published a part. */
const partBeeHeader = 'waggle-part-bee'
/** A random text that tells the runs of a call apart. */
const partRunHeader = 'waggle-part-run'
/** The number of a part, from 0; `begin` or `fail` in a record without a part. */
const partNumberHeader = 'waggle-part-number'
/** The time of the request, in epoch ms; `unknownTime` if the request's time comes from another program. */
const partSinceHeader = 'waggle-part-since'

/**
 * Stands for the time of a request that Waggle did not take itself, such as a record that another program wrote to a topic. Such a record may have
 * any timestamp.
 */
export const unknownTime = 0

/** A record of a swarm's topic of parts. The key is the request id. The timestamp is the time at which it was written. */
export interface PartRecord {
  readonly bee: string
  readonly rounds: string
  readonly run: string
  /** The number of the part; `begin`: a run begins; `fail`: the call has failed. */
  readonly number: number | 'begin' | 'fail'
  readonly since: number
}

/** A part that `PartSequence` has counted. */
export interface PublishedPart {
  readonly bee: string
  readonly rounds: string
  readonly number: number
  readonly part: Payload
}

/** The most parts of one call, the most bytes of one part, and the most bytes of all parts of one call. */
export const maxParts = 10_000
export const maxPartBytes = 256 * 1024
export const maxPartsBytes = 8 * 1024 * 1024

export function partHeaders(
  { bee, rounds, since }: Pick<PublishingCall, 'bee' | 'rounds' | 'since'>,
  run: string,
  number: PartRecord['number'],
  part: Payload | null,
): readonly Header[] {
  return [
    textHeader(partBeeHeader, bee),
    textHeader(partRunHeader, run),
    textHeader(partNumberHeader, String(number)),
    textHeader(partSinceHeader, String(since)),
    ...(rounds === '' ? [] : [textHeader(roundsHeader, rounds)]),
    ...(part === null ? [] : payloadHeaders(part)),
  ]
}

/** Reads the headers of a record in the topic of parts; null for a record that Waggle did not write. */
export function partRecordOf(headers: readonly Header[]): PartRecord | null {
  const [bee, run, number] = [headerText(headers, partBeeHeader), headerText(headers, partRunHeader), headerText(headers, partNumberHeader)]
  if (bee === null || run === null || number === null) return null
  const isNumber = /^\d{1,9}$/.test(number)
  if (!isNumber && number !== 'begin' && number !== 'fail') return null
  const since = Number(headerText(headers, partSinceHeader) ?? unknownTime)
  const counted = number === 'begin' || number === 'fail' ? number : Number(number)
  return { bee, rounds: headerText(headers, roundsHeader) ?? '', run, number: counted, since: Number.isFinite(since) ? since : unknownTime }
}

/** Decodes the payload of a part from the value and the headers of its record. */
export function decodedPart(value: Uint8Array, headers: readonly Header[]): Payload {
  return payloadSerde.deserialize('', value, headers)
}

type NamedCall = Pick<PartRecord, 'bee' | 'rounds'>

/** The name of a call among those of its request: the bee, and in a loop the round. */
export function callName({ bee, rounds }: NamedCall): string {
  return rounds === '' ? bee : `${bee}@${rounds}`
}

/**
 * Decides which records of one request are its parts. The decision depends only on the order of the records in the log, so all readers and the bee
 * agree. A part counts if no later run of its call has begun before it, and if it has the next number.
 */
export class PartSequence {
  readonly #calls = new Map<string, { run: string; next: number; hasFailed: boolean }>()
  /** The number of the first part that is not known, by call, where the log has earlier ones no longer. */
  readonly #known: ReadonlyMap<string, number>

  /** `known`: the number of parts of each call that a reader has already; `callName` names a call. Default: none. */
  constructor(known: ReadonlyMap<string, number> = new Map()) {
    this.#known = known
  }

  /** True if this record is the next part of its call. `missing`: the sequence does not know earlier records, so it cannot decide. */
  take({ bee, rounds, run, number }: PartRecord): boolean | 'missing' {
    const key = callName({ bee, rounds })
    const call = this.#calls.get(key)
    if (number === 'begin') {
      this.#calls.set(key, { run, next: call?.next ?? this.#known.get(key) ?? 0, hasFailed: call?.hasFailed ?? false })
      return false
    }
    if (call === undefined) return 'missing'
    if (number === 'fail') {
      if (call.run === run) call.hasFailed = true
      return false
    }
    if (call.run !== run || call.hasFailed || number < call.next) return false
    if (number > call.next) return 'missing'
    call.next++
    return true
  }

  /** False if the beginning of the call's run is missing. */
  hasBegun(call: NamedCall): boolean {
    return this.#calls.has(callName(call))
  }

  /** The names of the calls whose beginning is known. */
  get begun(): ReadonlySet<string> {
    return new Set(this.#calls.keys())
  }

  /** True if the call has failed. Then no run of it publishes any more. */
  hasFailed(call: NamedCall): boolean {
    return this.#calls.get(callName(call))?.hasFailed ?? false
  }
}
