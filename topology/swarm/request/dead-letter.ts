import { type Header, type Record, type RecordMetadata, textHeader } from '../../record.ts'
import { clipped, type WaggleError } from '../../waggle-error.ts'
import type { Payload } from '../payload/payload.ts'
import {
  deadLetterBeeHeader,
  deadLetterCodeHeader,
  deadLetterDetailHeader,
  deadLetterOffsetHeader,
  deadLetterPartitionHeader,
  deadLetterTopicHeader,
} from './headers.ts'

/** The input record of a failed step, with the cause of the failure as headers. The record can be examined and sent again. */
export function deadLetter(
  input: Record<string, Payload>,
  cause: WaggleError,
  bee: string,
  { recordMetadata }: { readonly recordMetadata: RecordMetadata | null },
): Record<string, Payload> {
  return { ...input, headers: [...input.headers, ...deadLetterHeaders(cause, bee, recordMetadata)] }
}

export function deadLetterHeaders(cause: WaggleError, bee: string, place: RecordMetadata | null): readonly Header[] {
  return [
    textHeader(deadLetterBeeHeader, bee),
    textHeader(deadLetterCodeHeader, clipped(cause.code)),
    textHeader(deadLetterDetailHeader, clipped(`${cause.message.replace(/\.+$/, '')}. ${cause.next}`)),
    textHeader(deadLetterTopicHeader, place?.topic ?? ''),
    textHeader(deadLetterPartitionHeader, String(place?.partition ?? -1)),
    textHeader(deadLetterOffsetHeader, String(place?.offset ?? -1n)),
  ]
}
