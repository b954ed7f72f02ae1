import { createHash } from 'node:crypto'
import {
  type Accept,
  type AcceptedRequest,
  acceptedHeader,
  bodyHashHeader,
  deadlineHeader,
  gatewayHeader,
  requestIdHeader,
} from '../../topology/operators/accept.ts'
import type { Processor, ProcessorContext } from '../../topology/processor-api.ts'
import { headerText, type Record, type RecordMetadata, textHeader } from '../../topology/record.ts'
import type { Payload } from '../../topology/swarm/payload.ts'
import { payloadHeaders } from '../../topology/swarm/payload-serde.ts'

export class AcceptProcessor implements Processor<unknown, Payload | null, string, Payload> {
  readonly #operator: Accept
  #context: ProcessorContext<string, Payload> | null = null

  constructor(operator: Accept) {
    this.#operator = operator
  }

  init(context: ProcessorContext<string, Payload>): void {
    this.#context = context
  }

  process(record: Record<unknown, Payload | null>): void {
    const context = this.#context
    if (context === null) return
    const { gateway, acceptedChild, requestChildren } = this.#operator
    const { headers, timestamp } = record
    const key = headerText(headers, requestIdHeader) ?? derivedId(context.recordMetadata)
    const payload: Payload = record.value ?? { kind: 'bytes', bytes: new Uint8Array(0), contentType: 'application/octet-stream' }
    const deadline = Number(headerText(headers, deadlineHeader) ?? Number.NaN)
    const accepted: AcceptedRequest = {
      gateway,
      accepted_at: timestamp,
      deadline: Number.isFinite(deadline) ? deadline : null,
      body_hash: headerText(headers, bodyHashHeader) ?? '',
    }
    const note: Payload = { kind: 'json', json: accepted }
    context.forward({ key, value: note, timestamp, headers: [...payloadHeaders(note), acceptedMark] }, acceptedChild)
    const request = { key, value: payload, timestamp, headers: [...headers, textHeader(gatewayHeader, gateway)] }
    for (const child of requestChildren) context.forward(request, child)
  }
}

const acceptedMark = textHeader(acceptedHeader, '1')

/** The same record has the same id however often it is read: a UUID of version 8 (RFC 9562) made from its place. */
function derivedId(place: RecordMetadata | null): string {
  const hash = createHash('sha256').update(`${place?.topic}\n${place?.partition}\n${place?.offset}`).digest()
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  return hash.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
